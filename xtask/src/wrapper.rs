//! This program as cargo's `RUSTC_WORKSPACE_WRAPPER`: a compiler with more flags, for the workspace's own crates only. Cargo keeps
//! what a wrapper makes apart by the wrapper's path, so each set of flags has a name of its own, and dependencies are compiled
//! once for all of them.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::step::target;

/// Flags by name. Another set of flags needs another name, or what was made with the old one is taken for it.
const WRAPPERS: [(&str, &[&str]); 2] = [
    // Counters for lines and, which is not stable yet, for branches.
    ("rustc-coverage", &["-Cinstrument-coverage", "-Zcoverage-options=branch"]),
    // What libFuzzer looks at: edges, and what was compared with what. As cargo-fuzz has them.
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

/// A path under which this program is the wrapper of that name.
pub fn install(name: &str) -> Result<PathBuf> {
    let directory = target().join("wrappers");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let (link, own) = (directory.join(name), std::env::current_exe().context("cannot find this program's own file")?);
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&own, &link).with_context(|| format!("cannot make {}", link.display()))?;
    Ok(link)
}

/// Where cargo has called this program by a wrapper's name: compiles. `arguments` begin with the real compiler.
pub fn compile(program: &OsStr, arguments: &[OsString]) -> Option<Result<ExitCode>> {
    let (_, flags) = WRAPPERS.iter().find(|(name, _)| Path::new(program).file_name() == Some(OsStr::new(name)))?;
    let (rustc, arguments) = arguments.split_first()?;
    let mut compiler = Command::new(rustc);
    // For these crates only: where a dependency's build script saw it, it would try what is not stable.
    compiler.args(arguments).args(*flags).env("RUSTC_BOOTSTRAP", "1");
    let status = compiler.status().with_context(|| format!("cannot start {}", rustc.display()));
    Some(status.map(|status| ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))))
}

#[cfg(test)]
mod tests;
