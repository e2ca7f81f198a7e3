//! Prerequisites of the AWS tests: tools from Python's package index in a virtual environment, and the sample bundles with
//! plugins compiled for the Lambdas.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use postdate_toolchains::{debian, is_current, python};

use crate::{
    build::host,
    step::{root, step, target},
};

/// The tools, one `NAME==VERSION` a line.
const REQUIREMENTS: &str = "tests/aws-tools.txt";

/// Returns the virtual environment, which [`install`] makes.
pub fn environment() -> PathBuf {
    target().join("aws-tools")
}

/// Returns the directory of the sample bundles with compiled plugins and without WASM, which [`compile`] makes.
pub fn use_cases() -> PathBuf {
    target().join("aws-use-cases")
}

/// Installs the tools. Does nothing if they are installed.
///
/// # Errors
/// If Python is missing or too old; the error names the packages to install.
pub fn install() -> Result<()> {
    install_venv()?;
    python::environment(&environment(), &root().join(REQUIREMENTS))?;
    Ok(())
}

/// Installs Python's `venv`, which Debian packages separately, if it is missing and this process runs as root. Other users install it
/// themselves, since `sudo` needs their password.
pub fn install_venv() -> Result<()> {
    if !python::can_make_environments() {
        debian::install(&["python3-venv"])?;
    }
    Ok(())
}

/// Compiles bundles, paths from the repository's root, for this machine's Lambdas. Does nothing for a bundle that is up to date. The
/// host must be built.
pub fn compile(bundles: &[&str]) -> Result<()> {
    for bundle in bundles {
        let from = root().join(bundle);
        let to = use_cases().join(from.file_name().unwrap_or_default());
        let listed = files(&from).with_context(|| format!("cannot list {}", from.display()))?;
        let inputs = listed.iter().map(|file| from.join(file));
        // The host binary compiles, so a new one makes new machine code.
        if is_current(&to.join("compiled/artifacts.json"), inputs.chain([host()])) {
            continue;
        }
        copy_without_wasm(&from, &listed, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        let mut compile = Command::new(host());
        compile.args(["plugin", "compile"]).arg(&from).args(["--arch", architecture()?, "--out"]).arg(to.join("compiled"));
        step(&format!("Compiling {bundle} ahead of time"), &mut compile)?;
    }
    Ok(())
}

/// Returns this machine's architecture by AWS Lambda's name. Fails if Lambda does not have it.
fn architecture() -> Result<&'static str> {
    match env::consts::ARCH {
        "x86_64" => Ok("x86_64"),
        "aarch64" => Ok("arm64"),
        other => bail!("AWS Lambda does not have this machine's architecture, {other}: use x86_64 or aarch64"),
    }
}

/// Returns the paths of a bundle's files, relative to it, without the directory `compiled`.
fn files(bundle: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut found, mut directories) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(bundle.join(&directory))? {
            let entry = entry?;
            let path = directory.join(entry.file_name());
            if !entry.file_type()?.is_dir() {
                found.push(path);
            } else if path != Path::new("compiled") {
                directories.push(path);
            }
        }
    }
    Ok(found)
}

/// Replaces `to` by a copy of the bundle's files without WASM: the files that a Lambda needs beside the compiled plugins.
fn copy_without_wasm(from: &Path, files: &[PathBuf], to: &Path) -> std::io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    for file in files.iter().filter(|file| file.extension() != Some(OsStr::new("wasm"))) {
        let copy = to.join(file);
        fs::create_dir_all(copy.parent().unwrap_or(to))?;
        fs::copy(from.join(file), copy)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
