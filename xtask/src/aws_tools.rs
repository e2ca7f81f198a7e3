//! What the AWS tests start: programs from Python's package index, in an environment of their own, and the sample
//! bundles as the Lambdas read them.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use anyhow::{Context, Result, bail};
use postdate_toolchains::python;

use crate::{
    build::host,
    step::{output, root, step, target},
};

/// One `NAME==VERSION` a line.
const REQUIREMENTS: &str = "tests/aws-tools.txt";

/// The environment with the tools; [`install`] makes it.
pub fn environment() -> PathBuf {
    target().join("aws-tools")
}

/// The sample bundles with compiled plugins and without WASM; [`compile`] makes them.
pub fn use_cases() -> PathBuf {
    target().join("aws-use-cases")
}

/// Installs the tools; quick where they are installed already.
///
/// # Errors
/// Where there is no Python that can do it: says what to install.
pub fn install() -> Result<()> {
    install_venv()?;
    python::environment(&environment(), &root().join(REQUIREMENTS))?;
    Ok(())
}

/// Debian ships this part of Python by itself. Installing it is the user's decision where it takes the password.
pub fn install_venv() -> Result<()> {
    let root = || output(Command::new("id").arg("-u")).is_some_and(|user| user == "0");
    if !python::can_make_environments() && root() && output(Command::new("apt-get").arg("--version")).is_some() {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "install", "--yes", "--no-install-recommends", "python3-venv"]);
        step("Installing python3-venv", &mut apt)?;
    }
    Ok(())
}

/// Compiles bundles (paths from the repository's root) for this machine, as the Lambdas want them; quick where nothing
/// has changed. The host has to be built.
pub fn compile(bundles: &[&str]) -> Result<()> {
    for bundle in bundles {
        let from = root().join(bundle);
        let to = use_cases().join(from.file_name().unwrap_or_default());
        let listed = files(&from).with_context(|| format!("cannot list {}", from.display()))?;
        if is_current(&to.join("compiled/artifacts.json"), &from, &listed) {
            continue;
        }
        place(&from, &listed, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        let mut compile = Command::new(host());
        compile.args(["plugin", "compile"]).arg(&from).args(["--arch", architecture()?, "--out"]).arg(to.join("compiled"));
        step(&format!("Compiling {bundle} ahead of time"), &mut compile)?;
    }
    Ok(())
}

/// This machine's, as AWS Lambda calls it.
fn architecture() -> Result<&'static str> {
    match env::consts::ARCH {
        "x86_64" => Ok("x86_64"),
        "aarch64" => Ok("arm64"),
        other => bail!("AWS Lambda has no machines of this one's kind, {other}"),
    }
}

/// Files of a bundle, by their paths inside it; without what was compiled beside it.
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

/// Whether `made` is younger than the bundle's files and than the compiler.
fn is_current(made: &Path, bundle: &Path, files: &[PathBuf]) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let Some(made) = modified(made) else { return false };
    let older = |other: Option<SystemTime>| other.is_some_and(|other| other < made);
    older(modified(&host())) && files.iter().all(|file| older(modified(&bundle.join(file))))
}

/// A bundle without its WASM: what a Lambda needs beside the compiled plugins.
fn place(from: &Path, files: &[PathBuf], to: &Path) -> std::io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    for file in files.iter().filter(|file| file.extension() != Some(OsStr::new("wasm"))) {
        let place = to.join(file);
        fs::create_dir_all(place.parent().unwrap_or(to))?;
        fs::copy(from.join(file), place)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
