//! `cargo xtask serve`: builds and starts a server with the sample use cases.

use std::{
    env,
    ffi::OsString,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::{
    build::{self, SERVER, host},
    step::{asks_for_help, passed_on, root},
};

const HELP: &str = "\
cargo xtask serve [-- ARGS]

Builds the plugins and the host, then starts `postdate serve` with the sample use cases.
ARGS go to `postdate serve`; `cargo xtask serve -- --help` lists them.";

/// Signs the sample webhooks on a developer's machine. It is public, so it protects nothing.
const DEVELOPMENT_SECRET: &str = "whsec_cG9zdGRhdGUtZGV2ZWxvcG1lbnQtc2VjcmV0";

pub fn run(arguments: Vec<OsString>) -> Result<ExitCode> {
    if asks_for_help(&arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    build::server(&SERVER)?;

    let arguments = passed_on(arguments);
    let mut server = Command::new(host());
    // A variable, so that `-- --use-cases DIR` overrides it.
    if env::var_os("POSTDATE_USE_CASES").is_none() {
        server.env("POSTDATE_USE_CASES", root().join("use-cases"));
    }
    if let Some(file) = secrets_file(&arguments, env::var_os("POSTDATE_SECRETS_FILE")) {
        eprintln!("==> All secrets, SECRET_WEBHOOK included, come from {}", file.display());
    } else if env::var_os("SECRET_WEBHOOK").is_none() {
        server.env("SECRET_WEBHOOK", DEVELOPMENT_SECRET);
        eprintln!("==> SECRET_WEBHOOK is not set: webhooks are signed with the public development secret");
    }
    server.current_dir(root()).arg("serve").args(arguments);
    eprintln!("==> Starting {}", host().display());
    become_(&mut server)
}

/// Returns the server's secrets file, from its argument or else from the variable. `None` if the server reads secrets from its
/// environment.
fn secrets_file(arguments: &[OsString], variable: Option<OsString>) -> Option<PathBuf> {
    let argument = arguments.iter().enumerate().find_map(|(at, argument)| match argument.to_str()?.strip_prefix("--secrets-file")? {
        "" => arguments.get(at + 1).cloned(),
        value => value.strip_prefix('=').map(OsString::from),
    });
    argument.or(variable).map(PathBuf::from)
}

/// Replaces this process by the server, so that signals to xtask reach the server.
#[cfg(unix)]
fn become_(server: &mut Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(server.exec()).with_context(|| format!("cannot start {}", host().display()))
}

#[cfg(not(unix))]
fn become_(server: &mut Command) -> Result<ExitCode> {
    let status = server.status().with_context(|| format!("cannot start {}", host().display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests;
