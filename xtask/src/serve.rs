//! `cargo xtask serve`: from a fresh clone to a running server.

use std::{
    env,
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::{
    guests,
    step::{asks_for_help, cargo, passed_on, root, step, target},
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
    build_everything(&["--package", "postdate"])?;

    let mut server = Command::new(host());
    server.current_dir(root()).arg("serve").args(passed_on(arguments));
    // As a variable, so that `-- --use-cases DIR` still has the last word.
    if env::var_os("POSTDATE_USE_CASES").is_none() {
        server.env("POSTDATE_USE_CASES", root().join("use-cases"));
    }
    if env::var_os("WEBHOOK_SECRET").is_none() {
        server.env("WEBHOOK_SECRET", DEVELOPMENT_SECRET);
        eprintln!("==> WEBHOOK_SECRET is not set: webhooks are signed with the public development secret");
    }
    eprintln!("==> Starting {}", host().display());
    become_(&mut server)
}

/// The host binary that [`build_host`] makes.
pub fn host() -> std::path::PathBuf {
    target().join("debug").join(format!("postdate{}", env::consts::EXE_SUFFIX))
}

/// Plugins and host at the same time: each build has long stretches that keep one core busy and leave the other idle.
/// `selection` tells cargo what to build of the host.
pub fn build_everything(selection: &[&str]) -> Result<()> {
    std::thread::scope(|scope| {
        let host = scope.spawn(|| step("Building the host", cargo("build").args(selection).arg("--locked")));
        let plugins = guests::build();
        let host = host.join().unwrap_or_else(|_| bail!("the build of the host was cut off"));
        plugins.and(host)
    })
}

/// Takes this process's place, so that a signal for xtask is a signal for the server.
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
