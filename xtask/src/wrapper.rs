//! xtask as cargo's `RUSTC_WORKSPACE_WRAPPER`, which adds compiler flags for the workspace's own crates only. Cargo caches the crates of
//! each wrapper by the wrapper's path. Each set of flags has a path of its own, and dependencies are compiled once for all sets.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::step::target;

/// Flags by wrapper name. A changed set of flags needs a new name, or cargo reuses crates that were compiled with the old flags.
const WRAPPERS: [(&str, &[&str]); 2] = [
    // Counters for lines and branches. The option for branches is unstable.
    ("rustc-coverage", &["-Cinstrument-coverage", "-Zcoverage-options=branch"]),
    // Instrumentation for libFuzzer: edges and compared values. The flags are those of cargo-fuzz.
    (
        "rustc-fuzz",
        &[
            "--cfg=fuzzing",
            "-Cpasses=sancov-module",
            "-Cllvm-args=-sanitizer-coverage-level=4",
            "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
            "-Cllvm-args=-sanitizer-coverage-pc-table",
            "-Cllvm-args=-sanitizer-coverage-trace-compares",
            "-Ccodegen-units=1",
        ],
    ),
];

pub const COVERAGE: &str = WRAPPERS[0].0;
pub const FUZZ: &str = WRAPPERS[1].0;

/// Makes a link to xtask by which it is the wrapper `name`. Returns the path of the link.
pub fn install(name: &str) -> Result<PathBuf> {
    let directory = target().join("wrappers");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let (link, own) = (directory.join(name), std::env::current_exe().context("cannot find the file of xtask")?);
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&own, &link).with_context(|| format!("cannot make {}", link.display()))?;
    Ok(link)
}

/// Compiles if `program` is a wrapper's name. `arguments` begin with the real compiler. Returns `None` for any other name.
pub fn compile(program: &OsStr, arguments: &[OsString]) -> Option<Result<ExitCode>> {
    let (_, flags) = WRAPPERS.iter().find(|(name, _)| Path::new(program).file_name() == Some(OsStr::new(name)))?;
    let (rustc, arguments) = arguments.split_first()?;
    let mut compiler = Command::new(rustc);
    // Set for these crates only: build scripts of dependencies would see the variable, and use unstable features.
    compiler.args(arguments).args(*flags).env("RUSTC_BOOTSTRAP", "1");
    let status = compiler.status().with_context(|| format!("cannot start {}", rustc.display()));
    Some(status.map(|status| ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))))
}

#[cfg(test)]
mod tests;
