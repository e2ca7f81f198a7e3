//! The repository's cargo, and arguments that are passed on.

use std::{ffi::OsString, path::PathBuf, process::Command};

use anyhow::{Context, Result};
pub use postdate_toolchains::{
    repository::root,
    step::{output, step},
};

/// Returns the directory of builds. It is inside the repository whatever `CARGO_TARGET_DIR` says: tests look for programs there.
pub fn target() -> PathBuf {
    root().join("target")
}

/// The same cargo that runs xtask, in the repository.
pub fn cargo(subcommand: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).env("CARGO_TARGET_DIR", target()).arg(subcommand);
    cargo
}

/// Whether the arguments ask for help about the command itself, which is printed then.
pub fn asks_for_help(arguments: &[OsString], help: &str) -> bool {
    let asks = matches!(arguments.first().and_then(|first| first.to_str()), Some("-h" | "--help"));
    if asks {
        println!("{help}");
    }
    asks
}

/// The value of `--seconds`.
pub fn seconds_of(parser: &mut lexopt::Parser) -> Result<u64> {
    let value = parser.value()?.into_string().unwrap_or_default();
    value.parse().with_context(|| format!("--seconds is `{value}`: it has to be a whole number"))
}

/// The arguments for another program, without the `--` that sets them apart from ours.
pub fn passed_on(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    arguments
}

#[cfg(test)]
mod tests;
