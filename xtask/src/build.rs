//! `cargo xtask build`, and what `serve`, the tests and the benchmark build.
//!
//! Cargo unites the features of all packages that it builds together. Commands that select alike therefore share their
//! dependencies; wasmtime and Cranelift alone take minutes.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::{
    aws_tools, examples, guests,
    step::{asks_for_help, cargo, root, step, target},
};

const HELP: &str = "\
cargo xtask build [server | tools | all]

Builds what the end-to-end tests start; the tests call this where no variable says that it is built.
  server   the plugins and the host binary (the default)
  tools    the programs of the AWS tests, from Python's package index
  all      both, the Lambdas, and the examples in JavaScript and Python";

/// All packages but the Lambdas.
pub const HOSTS: [&str; 3] = ["--workspace", "--exclude", "postdate-aws"];

/// The Lambdas by themselves: without the compiler of plugins, as they ship.
pub const LAMBDAS: [&str; 2] = ["--package", "postdate-aws"];

/// All programs and tests of a selection.
pub const PROGRAMS_AND_TESTS: [&str; 2] = ["--bins", "--tests"];

/// Of [`HOSTS`], the server. The small test beside it makes cargo count the features that dev-dependencies ask for, as it does
/// for [`PROGRAMS_AND_TESTS`]; without it, dependencies of wasmtime have other features, and wasmtime is compiled again.
pub const SERVER: [&str; 4] = ["--bin", "postdate", "--test", "store"];

/// The sample bundles, from the repository's root.
pub const BUNDLES: [&str; 2] = ["use-cases/orders", "use-cases/webhook"];

pub fn run(arguments: &[OsString]) -> Result<ExitCode> {
    if asks_for_help(arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    // Several test programs may ask at the same time.
    let path = target().join("xtask-build.lock");
    fs::create_dir_all(target())?;
    let lock = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    match arguments {
        [] => server(&SERVER)?,
        [part] if part == "server" => server(&SERVER)?,
        [part] if part == "tools" => aws_tools::install()?,
        [part] if part == "all" => all(&SERVER)?,
        _ => bail!("not a part that can be built\n\n{HELP}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the plugins, and of [`HOSTS`] the targets that `targets` selects.
pub fn server(targets: &[&str]) -> Result<()> {
    // At the same time: each build has long stretches that keep one core busy and leave the other idle.
    std::thread::scope(|scope| {
        let host = scope.spawn(|| step("Building the host", cargo("build").args(HOSTS).args(targets).arg("--locked")));
        let plugins = guests::build();
        let host = host.join().unwrap_or_else(|_| bail!("the build of the host was cut off"));
        plugins.and(host)
    })
}

/// Builds and installs everything that tests start; of [`HOSTS`] the targets that `targets` selects.
pub fn all(targets: &[&str]) -> Result<()> {
    std::thread::scope(|scope| {
        // The tools come over the network while the processor compiles.
        let tools = scope.spawn(|| aws_tools::install().and_then(|()| examples::build()));
        server(targets)?;
        step("Building the Lambdas", cargo("build").args(LAMBDAS).args(PROGRAMS_AND_TESTS).arg("--locked"))?;
        tools.join().unwrap_or_else(|_| bail!("the installation of the tools was cut off"))
    })?;
    aws_tools::compile(&BUNDLES)
}

/// Returns a program of the profile `dev`.
pub fn debug(program: &str) -> PathBuf {
    target().join("debug").join(format!("{program}{}", env::consts::EXE_SUFFIX))
}

/// Returns the host binary that [`server`] makes.
pub fn host() -> PathBuf {
    debug("postdate")
}

/// Tells tests and measures where to find what was built for them.
pub fn knowing_paths(command: &mut Command) -> &mut Command {
    command.env("POSTDATE_BIN", host()).env("POSTDATE_GUESTS", guests::components()).env("POSTDATE_USE_CASES", root().join("use-cases"));
    command.env("POSTDATE_LAMBDAS", target().join("debug")).env("POSTDATE_AWS_USE_CASES", aws_tools::use_cases());
    command.env("POSTDATE_AWS_TOOLS", aws_tools::environment()).env("POSTDATE_PLUGIN_TOOLS", examples::tools())
}

#[cfg(test)]
mod tests;
