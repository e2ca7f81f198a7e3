//! Running other programs, with a title for the person who waits.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail};

/// The repository: where the workspace's Cargo.toml is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where builds go. Always inside the repository, since tests are told of paths in it.
pub fn target() -> PathBuf {
    root().join("target")
}

/// The same cargo that runs xtask, in the repository.
pub fn cargo(subcommand: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).env("CARGO_TARGET_DIR", target()).arg(subcommand);
    cargo
}

/// Runs one step, its output straight through.
///
/// # Errors
/// Where the program cannot be started, or ends with anything but success: names the program and its arguments.
pub fn step(title: &str, command: &mut Command) -> Result<()> {
    let started = Instant::now();
    eprintln!("==> {title}");
    let status = command.status().with_context(|| format!("cannot start `{}`", describe(command)))?;
    let elapsed = started.elapsed().as_secs_f64();
    if !status.success() {
        bail!("{title}: failed after {elapsed:.1} s ({status}): {}", describe(command));
    }
    eprintln!("    {title}: done in {elapsed:.1} s");
    Ok(())
}

/// Whether the arguments ask for help about the command itself, which is printed then.
pub fn asks_for_help(arguments: &[OsString], help: &str) -> bool {
    let asks = matches!(arguments.first().and_then(|first| first.to_str()), Some("-h" | "--help"));
    if asks {
        println!("{help}");
    }
    asks
}

/// The arguments for another program, without the `--` that sets them apart from ours.
pub fn passed_on(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    arguments
}

/// What a program prints, or none where it is missing or fails.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn describe(command: &Command) -> String {
    std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_dashes_at_the_start_are_ours_and_later_ones_are_not() {
        let passed = |arguments: &[&str]| passed_on(arguments.iter().map(OsString::from).collect());
        assert_eq!(passed(&["--", "--listen", "x", "--", "y"]), ["--listen", "x", "--", "y"]);
        assert_eq!(passed(&["--listen", "--"]), ["--listen", "--"]);
        assert!(passed(&[]).is_empty());
    }

    #[test]
    fn a_failed_step_names_the_program_and_its_arguments() {
        let error = step("Asking", cargo("no-such-subcommand").arg("--flag")).unwrap_err();
        assert!(error.to_string().starts_with("Asking: failed after"), "{error}");
        assert!(error.to_string().contains("no-such-subcommand --flag"), "{error}");
        let error = step("Asking", &mut Command::new("/no/such/program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start `/no/such/program`");
    }
}
