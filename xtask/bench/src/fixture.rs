//! What the servers under test serve, and what is posted to them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::client;
use crate::lambda::Programs;

/// Use case whose requests a plugin validates.
pub const VALIDATED: &str = "validated";
/// The same without a validator.
pub const UNVALIDATED: &str = "unvalidated";

/// Where things are, and how long to measure.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The release build of `postdate`.
    pub bin: PathBuf,
    /// The components of the test guests.
    pub guests: PathBuf,
    /// Ledgers and results go here: on the disk of the repository, so that an fsync is one.
    pub place: PathBuf,
    /// The Lambdas and their baselines.
    pub programs: Programs,
    /// The functions and their baselines as they would be uploaded.
    pub zips: PathBuf,
    pub quick: bool,
}

impl Bench {
    /// A directory for one measure; removed when dropped.
    pub fn scratch(&self) -> anyhow::Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&self.place)
            .with_context(|| format!("cannot make a directory in {}", self.place.display()))
    }

    /// Makes a directory of use cases around the smallest plugins there are: what is measured is the host.
    pub fn use_cases(&self, scratch: &Path) -> anyhow::Result<PathBuf> {
        let directory = scratch.join("use-cases");
        self.use_case(&directory.join(VALIDATED), VALIDATED, true)?;
        self.use_case(&directory.join(UNVALIDATED), UNVALIDATED, false)?;
        Ok(directory)
    }

    /// Makes a bundle of the smallest validator in Rust.
    pub fn validator(&self, directory: &Path, name: &str) -> anyhow::Result<()> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        self.guest("minimal-validate.wasm", &directory.join("validate.wasm"))?;
        let manifest = format!(
            "name = \"{name}\"\n[validate]\nplugin = \"validate.wasm\"\n[targets]\nout = {{ kind = \"http\", url = \"https://example.com/\" }}\n"
        );
        let path = directory.join("use-case.toml");
        std::fs::write(&path, manifest).with_context(|| format!("cannot write {}", path.display()))
    }

    fn use_case(&self, directory: &Path, name: &str, validated: bool) -> anyhow::Result<()> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mut manifest = format!("name = \"{name}\"\n\n[process]\nplugin = \"process.wasm\"\n");
        self.guest("minimal-process.wasm", &directory.join("process.wasm"))?;
        if validated {
            manifest.push_str("\n[validate]\nplugin = \"validate.wasm\"\n");
            self.guest("minimal-validate.wasm", &directory.join("validate.wasm"))?;
        }
        let path = directory.join("use-case.toml");
        std::fs::write(&path, manifest).with_context(|| format!("cannot write {}", path.display()))
    }

    fn guest(&self, name: &str, to: &Path) -> anyhow::Result<()> {
        let from = self.guests.join(name);
        std::fs::copy(&from, to).map(drop).with_context(|| format!("cannot copy {}: run `cargo xtask plugins` first", from.display()))
    }
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

/// A body of about 200 bytes, as an order might be.
pub fn body(trigger_at: DateTime<Utc>, number: u32) -> String {
    let trigger_at = trigger_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    format!(
        r#"{{"triggerAt":"{trigger_at}","order":{{"number":{number},"item":"paperback","quantity":3,"customer":"c-{number:08}","note":"leave it with the neighbours if nobody is at home"}},"gift":true}}"#
    )
}

/// The bytes of a POST to `use_case`.
pub fn post(use_case: &str, trigger_at: DateTime<Utc>, number: u32) -> Vec<u8> {
    client::post(&format!("/requests/{use_case}"), &body(trigger_at, number))
}

/// So far ahead that nothing fires while anything is measured.
pub fn far_ahead() -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(300)
}

#[cfg(test)]
mod tests;
