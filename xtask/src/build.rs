//! `cargo xtask build`, and the builds of `serve`, the tests and the benchmark.
//!
//! Cargo unifies the features of all packages that it builds together. Commands with the same selection of packages therefore share
//! their built dependencies; wasmtime and Cranelift alone take minutes.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::{
    api_tools, aws_tools, examples, guests, page,
    step::{asks_for_help, cargo, root, step, target},
};

const HELP: &str = "\
cargo xtask build [page | server | tools | all]

Builds the programs of the end-to-end tests. Tests call this command if their variables, such as POSTDATE_BIN, are not set.
  page     the page, which the host binary has in itself
  server   the page, the plugins and the host binary (the default)
  tools    the tools of the tests of AWS and of the API, from Python's package index and npm, and the examples in JavaScript and
           Python with theirs
  all      all of these, and the Lambdas";

/// Selects all packages but the Lambdas.
pub const HOSTS: [&str; 3] = ["--workspace", "--exclude", "postdate-aws"];

/// Selects the Lambdas alone, so that they are built as they ship, without the compiler of plugins.
pub const LAMBDAS: [&str; 2] = ["--package", "postdate-aws"];

/// Selects all programs and tests of the packages.
pub const PROGRAMS_AND_TESTS: [&str; 2] = ["--bins", "--tests"];

/// Selects the server of [`HOSTS`]. The small test makes cargo include the features of dev-dependencies, as for
/// [`PROGRAMS_AND_TESTS`]. Without the test, dependencies of wasmtime get other features, and wasmtime is compiled again.
pub const SERVER: [&str; 4] = ["--bin", "postdate", "--test", "store"];

/// Paths of the sample bundles from the repository's root.
pub const BUNDLES: [&str; 2] = ["use-cases/orders", "use-cases/webhook"];

pub fn run(arguments: &[OsString]) -> Result<ExitCode> {
    if asks_for_help(arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    // Several test programs may run this command at the same time.
    let path = target().join("xtask-build.lock");
    fs::create_dir_all(target())?;
    let lock = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    match arguments {
        [] => server(&SERVER)?,
        [part] if part == "page" => page::build()?,
        [part] if part == "server" => server(&SERVER)?,
        [part] if part == "tools" => install_tools()?,
        [part] if part == "all" => all(&SERVER)?,
        _ => bail!("unknown part: give page, server, tools or all\n\n{HELP}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the page if Node.js is installed, the plugins, and the targets of [`HOSTS`] that `targets` selects.
pub fn server(targets: &[&str]) -> Result<()> {
    if let Err(error) = page::build() {
        eprintln!("==> The server is built without the page at /ui: {error:#}");
    }
    hosts_and_plugins(targets)
}

/// Builds what [`server`] does, but the page.
fn hosts_and_plugins(targets: &[&str]) -> Result<()> {
    // In parallel, since each build has long phases on a single core.
    std::thread::scope(|scope| {
        let host = scope.spawn(|| step("Building the host", cargo("build").args(HOSTS).args(targets).arg("--locked")));
        let plugins = guests::build();
        let host = host.join().unwrap_or_else(|_| bail!("the build of the host panicked"));
        plugins.and(host)
    })
}

/// Builds and installs everything for the tests. `targets` selects the targets of [`HOSTS`].
pub fn all(targets: &[&str]) -> Result<()> {
    page::build()?;
    std::thread::scope(|scope| {
        // The tools download while the compiler runs.
        let tools = scope.spawn(install_tools);
        hosts_and_plugins(targets)?;
        step("Building the Lambdas", cargo("build").args(LAMBDAS).args(PROGRAMS_AND_TESTS).arg("--locked"))?;
        tools.join().unwrap_or_else(|_| bail!("the installation of the tools panicked"))
    })?;
    aws_tools::compile(&BUNDLES)
}

fn install_tools() -> Result<()> {
    aws_tools::install()?;
    api_tools::install()?;
    examples::build()
}

/// Returns a program of the profile `dev`.
pub fn debug(program: &str) -> PathBuf {
    target().join("debug").join(format!("{program}{}", env::consts::EXE_SUFFIX))
}

/// Returns the host binary that [`server`] builds.
pub fn host() -> PathBuf {
    debug("postdate")
}

/// Sets the variables with the paths of the built programs, for tests and the benchmark.
pub fn knowing_paths(command: &mut Command) -> &mut Command {
    command.env("POSTDATE_BIN", host()).env("POSTDATE_GUESTS", guests::components()).env("POSTDATE_USE_CASES", root().join("use-cases"));
    command.env("POSTDATE_LAMBDAS", target().join("debug")).env("POSTDATE_AWS_USE_CASES", aws_tools::use_cases());
    command.env("POSTDATE_API_TOOLS", api_tools::environment()).env("POSTDATE_API_CLIENTS", api_tools::modules());
    command.env("POSTDATE_AWS_TOOLS", aws_tools::environment()).env("POSTDATE_PLUGIN_TOOLS", examples::tools())
}

#[cfg(test)]
mod tests;
