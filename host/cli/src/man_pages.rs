//! `postdate man-pages DIR`: writes a man page for each command, for packages.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

#[derive(Debug, Args)]
pub struct ManPages {
    /// Directory to write to, which is created if missing
    dir: PathBuf,
}

/// Writes the pages of `program` and its commands. Hidden commands have none.
pub fn run(arguments: &ManPages, program: clap::Command) -> anyhow::Result<ExitCode> {
    let dir = &arguments.dir;
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(program, dir))
        .with_context(|| format!("cannot write to {}", dir.display()))?;
    Ok(ExitCode::SUCCESS)
}
