//! Builds a Rust project, and copies the components that cargo reports.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use postdate_core::use_case::MANIFEST_FILE;
use postdate_toolchains::copy_if_changed;
use postdate_toolchains::rust::{TARGET, Toolchain};
use serde_json::Value;

use super::plugin_file::PluginFile;
use crate::output::err;

/// A component that cargo built: the target's name, and the file.
type Built = (String, PathBuf);

pub fn build(dir: &Path, files: &[PluginFile]) -> anyhow::Result<()> {
    let mut cargo = Toolchain::find(dir)?.cargo(dir, "build");
    cargo.args(["--release", "--message-format=json-render-diagnostics"]).stdin(Stdio::null()).stderr(Stdio::inherit());
    err(&format!("==> Building {} for {TARGET}\n", dir.display()));
    let output = cargo.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo cannot build {}: see the messages above", dir.display());
    }
    let built = built(&String::from_utf8_lossy(&output.stdout));
    for file in files {
        copy_if_changed(choose(file, files.len(), &built)?, &dir.join(&file.name))?;
    }
    Ok(())
}

/// Reads cargo's messages, one JSON document a line.
fn built(messages: &str) -> Vec<Built> {
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

/// Returns the only component for the only file, or the component whose name ends with the file's.
fn choose<'a>(file: &PluginFile, files: usize, built: &'a [Built]) -> anyhow::Result<&'a Path> {
    let stem = file.stem().replace('-', "_");
    let matches = |(name, _): &&Built| {
        let name = name.replace('-', "_");
        name == stem || name.ends_with(&format!("_{stem}"))
    };
    match (built, files) {
        ([], _) => bail!("no crate builds a component: add crate-type = [\"cdylib\"] under [lib] to its Cargo.toml"),
        ([(_, only)], 1) => Ok(only),
        _ => built.iter().find(matches).map(|(_, path)| path.as_path()).with_context(|| {
            let names: Vec<&str> = built.iter().map(|(name, _)| name.as_str()).collect();
            format!("{MANIFEST_FILE} names {}, but no crate has such a name; cargo built {}", file.name, names.join(", "))
        }),
    }
}

#[cfg(test)]
mod tests;
