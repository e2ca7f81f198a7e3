use std::{ffi::OsString, process::ExitCode};

pub fn run(_: Vec<OsString>) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not yet")
}
