//! Paths of the programs and directories that tests use. `cargo xtask test` builds them, and sets a variable for each. If a variable
//! is not set, the program is built first, so that `cargo test` works in a fresh clone.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

pub use postdate_toolchains::repository::root;

/// Returns the host binary under test.
#[track_caller]
pub fn host() -> PathBuf {
    made("POSTDATE_BIN", "target/debug/postdate", &SERVER)
}

/// Returns the component of one of the guests in `tests/guests`.
#[track_caller]
pub fn guest(name: &str) -> PathBuf {
    existing(made("POSTDATE_GUESTS", "target/guests/components", &SERVER).join(format!("{name}.wasm")))
}

/// Returns the directory of the sample bundles, with their plugins.
#[track_caller]
pub fn samples() -> PathBuf {
    made("POSTDATE_USE_CASES", "use-cases", &SERVER)
}

/// Returns a Lambda binary: `processor`, `target` or `janitor`.
#[track_caller]
pub fn lambda(name: &str) -> PathBuf {
    existing(made("POSTDATE_LAMBDAS", "target/debug", &ALL).join(name))
}

/// Returns a program of the Python environment that `tests/aws-tools.txt` describes.
#[track_caller]
pub fn tool(name: &str) -> PathBuf {
    existing(environment().join("bin").join(name))
}

/// Returns a program of the Python environment that `tests/api-tools.txt` describes.
#[track_caller]
pub fn api_tool(name: &str) -> PathBuf {
    existing(made("POSTDATE_API_TOOLS", "target/api-tools", &TOOLS).join("bin").join(name))
}

/// Returns the directory with the packages of npm that `tests/api-clients` describes.
#[track_caller]
pub fn api_clients() -> PathBuf {
    made("POSTDATE_API_CLIENTS", "target/api-clients", &TOOLS)
}

/// Returns the sample bundles with plugins that are precompiled for this machine.
#[track_caller]
pub fn precompiled_samples() -> PathBuf {
    made("POSTDATE_AWS_USE_CASES", "target/aws-use-cases", &ALL)
}

/// Returns the tools that build plugins in JavaScript and Python; the examples in these languages are built as well.
#[track_caller]
pub fn plugin_tools() -> PathBuf {
    made("POSTDATE_PLUGIN_TOOLS", "target/plugin-tools", &TOOLS)
}

/// Returns the library that shifts a process's clock when it is preloaded.
#[track_caller]
pub fn faketime() -> PathBuf {
    existing(site_packages().join("libfaketime/vendor/libfaketime/src/libfaketime.so.1"))
}

/// Returns the directory of the Python packages.
#[track_caller]
pub fn site_packages() -> PathBuf {
    let libraries = environment().join("lib");
    let mut pythons = libraries.read_dir().into_iter().flatten().filter_map(Result::ok).map(|python| python.path().join("site-packages"));
    existing(pythons.find(|packages| packages.exists()).unwrap_or_else(|| libraries.join("python3/site-packages")))
}

/// Returns a directory of the build that outlives a test.
pub fn scratch() -> PathBuf {
    root().join("target/tmp")
}

#[track_caller]
fn environment() -> PathBuf {
    made("POSTDATE_AWS_TOOLS", "target/aws-tools", &TOOLS)
}

/// A part for `cargo xtask build`, built at its first use.
type Part = LazyLock<()>;
static SERVER: Part = LazyLock::new(|| build("server"));
static TOOLS: Part = LazyLock::new(|| build("tools"));
static ALL: Part = LazyLock::new(|| build("all"));

fn build(part: &str) {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let xtask = cargo.current_dir(root()).args(["run", "--quiet", "--package", "xtask", "--", "build", part]);
    let status = xtask.status().unwrap_or_else(|error| panic!("cannot start {xtask:?}: {error}"));
    assert!(status.success(), "{xtask:?} failed: {status}");
}

#[track_caller]
fn made(variable: &str, otherwise: &str, part: &Part) -> PathBuf {
    existing(env::var_os(variable).map_or_else(
        || {
            LazyLock::force(part);
            root().join(otherwise)
        },
        PathBuf::from,
    ))
}

#[track_caller]
fn existing(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} does not exist: build it with `cargo xtask test`", path.display());
    path
}
