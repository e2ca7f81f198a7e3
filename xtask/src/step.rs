//! Helpers of the commands: cargo in the repository, and arguments.

use std::{ffi::OsString, fs::File, io, path::PathBuf, process::Command};

use anyhow::{Context, Result};
pub use postdate_toolchains::{
    repository::root,
    step::{output, step},
};

/// Returns the repository's target directory. `CARGO_TARGET_DIR` does not change it, since tests look for programs there.
pub fn target() -> PathBuf {
    root().join("target")
}

/// Runs a step beside others. Its output goes to a file of the target directory, and is printed at its end.
///
/// # Errors
/// If the command fails, or the file cannot be written or printed.
pub fn step_beside(title: &str, file: &str, command: &mut Command) -> Result<()> {
    let path = target().join(file);
    let cannot = |action| format!("cannot {action} {}", path.display());
    let log = File::create(&path).with_context(|| cannot("make"))?;
    let errors = log.try_clone().with_context(|| cannot("write"))?;
    let done = step(&format!("{title}; output in {}", path.display()), command.stdout(log).stderr(errors));
    let mut output = File::open(&path).with_context(|| cannot("read"))?;
    let printed = io::copy(&mut output, &mut io::stdout()).with_context(|| cannot("print"));
    done.and(printed.map(drop))
}

/// Returns a command of the cargo that runs xtask, in the repository. Does not pass on the variables that cargo sets for xtask: the build
/// scripts of `ring` and others would see a change, and the next plain `cargo build` would compile all that depends on them again.
pub fn cargo(subcommand: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let is_of_package = name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if is_of_package {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(root()).env("CARGO_TARGET_DIR", target()).arg(subcommand);
    cargo
}

/// Prints the help and returns `true` if the first argument asks for it.
pub fn asks_for_help(arguments: &[OsString], help: &str) -> bool {
    let asks = matches!(arguments.first().and_then(|first| first.to_str()), Some("-h" | "--help"));
    if asks {
        println!("{help}");
    }
    asks
}

/// Returns the value of `--seconds`. Fails if the value is no whole number.
pub fn seconds_of(parser: &mut lexopt::Parser) -> Result<u64> {
    let value = parser.value()?.into_string().unwrap_or_default();
    value.parse().with_context(|| format!("--seconds is `{value}`: give a whole number"))
}

/// Returns the arguments for another program, without a leading `--`.
pub fn passed_on(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    arguments
}

#[cfg(test)]
mod tests;
