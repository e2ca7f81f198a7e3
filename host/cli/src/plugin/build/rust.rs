//! Rust: cargo says which files it made.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use postdate_core::use_case::MANIFEST_FILE;
use postdate_toolchains::rust::{TARGET, Toolchain};
use serde_json::Value;

use super::Wanted;
use crate::output::err;

/// A component that cargo made: the target's name, and the file.
type Made = (String, PathBuf);

pub fn build(dir: &Path, wanted: &[Wanted]) -> anyhow::Result<()> {
    let mut cargo = Toolchain::find(dir)?.cargo(dir, "build");
    cargo.args(["--release", "--message-format=json-render-diagnostics"]).stdin(Stdio::null()).stderr(Stdio::inherit());
    err(&format!("==> Building {} for {TARGET}\n", dir.display()));
    let output = cargo.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo could not build {}: see above", dir.display());
    }
    let made = made(&String::from_utf8_lossy(&output.stdout));
    for component in wanted {
        place(choose(component, wanted.len(), &made)?, &dir.join(&component.file))?;
    }
    Ok(())
}

/// From cargo's messages, one JSON document a line.
fn made(messages: &str) -> Vec<Made> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["crate_types"].as_array().is_some_and(|types| types.contains(&"cdylib".into())))
        .filter_map(|message| {
            let mut files = message["filenames"].as_array()?.iter().filter_map(Value::as_str).map(PathBuf::from);
            let file = files.find(|file| file.extension().is_some_and(|extension| extension == "wasm"))?;
            Some((message["target"]["name"].as_str()?.to_owned(), file))
        })
        .collect()
}

/// The only component for the only file, or the one that is named alike.
fn choose<'a>(component: &Wanted, files: usize, made: &'a [Made]) -> anyhow::Result<&'a Path> {
    let stem = component.stem().replace('-', "_");
    let alike = |(name, _): &&Made| {
        let name = name.replace('-', "_");
        name == stem || name.ends_with(&format!("_{stem}"))
    };
    match (made, files) {
        ([], _) => bail!("no crate is a component: give one the line crate-type = [\"cdylib\"] under [lib] in its Cargo.toml"),
        ([(_, only)], 1) => Ok(only),
        _ => made.iter().find(alike).map(|(_, file)| file.as_path()).with_context(|| {
            let names: Vec<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
            format!("{MANIFEST_FILE} names {}, and of what cargo made none is called like that: {}", component.file, names.join(", "))
        }),
    }
}

/// Copies where the content differs: a server, or `--watch`, is told of changes only.
fn place(from: &Path, to: &Path) -> anyhow::Result<()> {
    let content = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if std::fs::read(to).is_ok_and(|existing| existing == content) {
        return Ok(());
    }
    let temporary = to.with_extension("wasm.tmp");
    std::fs::write(&temporary, content)
        .and_then(|()| std::fs::rename(&temporary, to))
        .with_context(|| format!("cannot write {}", to.display()))
}

#[cfg(test)]
mod tests;
