//! Where the programs are that the bench starts. `cargo xtask test` makes them and says where by variables; without
//! these, the places where it puts them are looked at.

use std::env;
use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A Lambda as it ships: `processor`, `target` or `janitor`.
#[track_caller]
pub fn lambda(name: &str) -> PathBuf {
    existing(from_variable("POSTDATE_LAMBDAS", "target/debug").join(name))
}

/// A program of the Python environment that `tests/aws-tools.txt` describes.
#[track_caller]
pub fn tool(name: &str) -> PathBuf {
    existing(environment().join("bin").join(name))
}

/// A directory of bundles whose plugins are compiled ahead of time for this machine.
#[track_caller]
pub fn use_cases() -> PathBuf {
    existing(from_variable("POSTDATE_AWS_USE_CASES", "target/aws-use-cases"))
}

/// The library that shifts a process's clock when it is preloaded.
#[track_caller]
pub fn faketime() -> PathBuf {
    let libraries = environment().join("lib");
    let inside = "site-packages/libfaketime/vendor/libfaketime/src/libfaketime.so.1";
    let pythons = libraries.read_dir().into_iter().flatten().filter_map(Result::ok);
    let found = pythons.map(|python| python.path().join(inside)).find(|library| library.exists());
    existing(found.unwrap_or_else(|| libraries.join("python3").join(inside)))
}

fn environment() -> PathBuf {
    from_variable("POSTDATE_AWS_TOOLS", "target/aws-tools")
}

fn from_variable(variable: &str, otherwise: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| root().join(otherwise), PathBuf::from)
}

#[track_caller]
fn existing(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is not there: `cargo xtask test` makes it", path.display());
    path
}
