//! Runs other programs, with a title and the elapsed time on stderr.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// Runs a program with this process's stdout and stderr.
///
/// # Errors
/// If the program cannot be started, or fails; the error names the program and its arguments.
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

/// Returns a program's stdout without surrounding white space, or `None` if it is missing or fails.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn describe(command: &Command) -> String {
    std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
