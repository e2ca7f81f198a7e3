//! The licences of the dependencies, by cargo-about, and the SBOM, by cargo-cyclonedx.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{emptied, platform::Platform, tools};
use crate::{
    page,
    step::{cargo, output, root, step},
};

/// Tools from Rust's package index, with their versions and features.
const TOOLS: [&[&str]; 2] = [&["cargo-about@0.9.3", "--features", "cli"], &["cargo-cyclonedx@0.5.9"]];
/// Manifest of the program.
const MANIFEST: &str = "host/cli/Cargo.toml";
/// Name that cargo-cyclonedx gives to the SBOM of each package of the workspace.
const SBOM: &str = "postdate.cdx";

/// Returns names and contents of the files: the licences of the crates, those of the page's packages, and the SBOM (`CycloneDX`).
///
/// # Errors
/// If a crate has a licence that is not on the list in `xtask/dist/about.toml`.
pub fn all(platform: Platform) -> Result<Vec<(String, Vec<u8>)>> {
    for program in TOOLS {
        // Does nothing if this version is installed.
        let mut install = cargo("install");
        install.args(["--locked", "--quiet", "--root"]).arg(tools()).args(program);
        step(&format!("Installing {}", program[0]), &mut install)?;
    }
    page::build()?;
    let page = super::read("page/dist/LICENSES.txt")?;
    Ok(vec![
        ("LICENSES-crates.txt".to_owned(), licences(platform)?),
        ("LICENSES-page.txt".to_owned(), page),
        ("postdate.cdx.json".to_owned(), sbom(platform)?),
    ])
}

fn licences(platform: Platform) -> Result<Vec<u8>> {
    let to = emptied("licences")?.join("LICENSES.txt");
    let mut about = tool("about")?;
    about.args(["generate", "--fail", "--locked", "--target", platform.triple(), "--manifest-path", MANIFEST]);
    // Offline, it takes the files of the crates, and asks no service for them.
    about.args(["--offline", "--config", "xtask/dist/about.toml", "--output-file"]).arg(&to).arg("xtask/dist/about.hbs");
    step("Collecting licences", &mut about)?;
    fs::read(&to).with_context(|| format!("cannot read {}", to.display()))
}

fn sbom(platform: Platform) -> Result<Vec<u8>> {
    let mut cyclonedx = tool("cyclonedx")?;
    cyclonedx.args(["--quiet", "--manifest-path", MANIFEST, "--format", "json", "--spec-version", "1.5", "--no-build-deps"]);
    cyclonedx.args(["--target", platform.triple(), "--override-filename", SBOM]);
    // The time of the commit, so that the same sources give the same bytes.
    if env::var_os("SOURCE_DATE_EPOCH").is_none()
        && let Some(time) = output(Command::new("git").current_dir(root()).args(["log", "-1", "--format=%ct"]))
    {
        cyclonedx.env("SOURCE_DATE_EPOCH", time);
    }
    step("Listing the dependencies", &mut cyclonedx)?;
    let file = format!("{SBOM}.json");
    let written = root().join(MANIFEST).with_file_name(&file);
    let text = fs::read_to_string(&written).with_context(|| format!("cannot read {}", written.display()))?;
    // It writes one for each package of the workspace, beside the package's manifest.
    for left in named(root(), &file)? {
        fs::remove_file(&left).with_context(|| format!("cannot remove {}", left.display()))?;
    }
    // References name the place of the sources on this machine.
    Ok(text.replace(&root().display().to_string(), "/postdate").into_bytes())
}

/// Returns a command of cargo from the installed tools.
fn tool(name: &str) -> Result<Command> {
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(tools().join("bin")).chain(env::split_paths(&path))).context("the variable PATH")?;
    let mut cargo = cargo(name);
    cargo.env("PATH", path);
    Ok(cargo)
}

/// Returns all files of this name in the sources.
fn named(directory: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        let is_output = ["target", "node_modules", ".git"].iter().any(|made| path.ends_with(made));
        if path.is_dir() && !path.is_symlink() && !is_output {
            found.extend(named(&path, name)?);
        } else if path.ends_with(name) {
            found.push(path);
        }
    }
    Ok(found)
}
