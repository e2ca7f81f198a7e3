//! The measured use cases, the requests to them, and the effort of a run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::client;

/// Use case whose requests a plugin validates.
pub const VALIDATED: &str = "validated";
/// Use case without a validator.
pub const UNVALIDATED: &str = "unvalidated";
/// Use case whose requests have a label, and two targets of the same plugin: `free`, the default, whose limits no measure reaches, and
/// `limited`.
pub const LABELLED: &str = "labelled";
/// Manifest, without its name, of a bundle that has only a validator.
pub const VALIDATOR: &str =
    "[validate]\nplugin = \"validate.wasm\"\n[targets]\nout = { kind = \"http\", url = \"https://example.com/\" }\n";

/// The effort of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// The minimum that shows that a measure works.
    Smoke,
    Quick,
    Full,
}

impl Effort {
    /// Returns the number for this effort.
    pub fn of<T>(self, smoke: T, quick: T, full: T) -> T {
        match self {
            Self::Smoke => smoke,
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// Directory of the Lambdas that `cargo xtask bench` builds.
#[derive(Debug, Clone)]
pub struct Programs(pub PathBuf);

impl Programs {
    /// Returns one of the functions.
    pub fn function(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Returns one of the baselines, `host/aws/examples`.
    pub fn baseline(&self, name: &str) -> PathBuf {
        self.0.join("examples").join(name)
    }
}

/// The measured programs, and the effort.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The host binary.
    pub bin: PathBuf,
    /// The components of the test guests.
    pub guests: PathBuf,
    /// Directory of ledgers and results. On the repository's disk, since an fsync in a memory file system costs nothing.
    pub directory: PathBuf,
    /// The Lambdas and their baselines.
    pub programs: Programs,
    /// Directory of the zips of the functions and their baselines.
    pub zips: PathBuf,
    pub effort: Effort,
}

impl Bench {
    /// Makes a directory for one measure. Removed when dropped.
    pub fn scratch(&self) -> anyhow::Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&self.directory)
            .with_context(|| format!("cannot make a directory in {}", self.directory.display()))
    }

    /// Makes a directory of use cases with minimal plugins, so that the host is measured and not the guest.
    pub fn use_cases(&self, scratch: &Path) -> anyhow::Result<PathBuf> {
        let directory = scratch.join("use-cases");
        let (process, validate) = (self.guest("minimal-process"), self.guest("minimal-validate"));
        let manifest = "[process]\nplugin = \"process.wasm\"\n";
        bundle(&directory.join(UNVALIDATED), UNVALIDATED, manifest, &[("process.wasm", &process)])?;
        let manifest = format!("{manifest}[validate]\nplugin = \"validate.wasm\"\n");
        let files = [("process.wasm", process.as_path()), ("validate.wasm", validate.as_path())];
        bundle(&directory.join(VALIDATED), VALIDATED, &manifest, &files)?;
        let manifest = format!(
            "{manifest}[labels]\ncustomer = \"/order/customer\"\n[targets]\ndefault = \"free\"\n\
             free = {{ kind = \"plugin\", concurrency = 1000, rate = \"100000/s\" }}\n\
             limited = {{ kind = \"plugin\", concurrency = 1, rate = \"50/s\" }}\n"
        );
        bundle(&directory.join(LABELLED), LABELLED, &manifest, &files)?;
        Ok(directory)
    }

    /// Returns the component of a test guest.
    pub fn guest(&self, name: &str) -> PathBuf {
        self.guests.join(format!("{name}.wasm"))
    }

    /// Precompiles the plugins of a bundle for this machine.
    pub fn precompile(&self, bundle: &Path) -> anyhow::Result<()> {
        self.postdate(Command::new(&self.bin).args(["plugin", "compile"]).arg(bundle))
    }

    /// Pushes a bundle into a store, precompiled for this machine and compressed.
    pub fn push(&self, bundle: &Path, store: &Path) -> anyhow::Result<()> {
        self.postdate(Command::new(&self.bin).args(["use-case", "push"]).arg(bundle).arg("--to").arg(store))
    }

    fn postdate(&self, command: &mut Command) -> anyhow::Result<()> {
        let arch = if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH };
        // A common cache, so that each plugin is compiled once for all measures.
        let output = command.args(["--arch", arch]).env("XDG_CACHE_HOME", self.directory.join("cache")).output();
        let output = output.with_context(|| format!("cannot start {}", self.bin.display()))?;
        ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

/// Writes a bundle: its files, each copied from a path, and the manifest with its name added.
pub fn bundle(directory: &Path, name: &str, manifest: &str, files: &[(&str, &Path)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    for (file, from) in files {
        std::fs::copy(from, directory.join(file)).with_context(|| format!("cannot copy {}: run `cargo xtask plugins`", from.display()))?;
    }
    let path = directory.join("use-case.toml");
    std::fs::write(&path, format!("name = \"{name}\"\n{manifest}")).with_context(|| format!("cannot write {}", path.display()))
}

/// Returns a body of about 200 bytes, such as an order.
pub fn body(trigger_at: DateTime<Utc>, number: u32) -> String {
    let trigger_at = trigger_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    format!(
        r#"{{"triggerAt":"{trigger_at}","order":{{"number":{number},"item":"paperback","quantity":3,"customer":"c-{number:08}","note":"leave it with the neighbours if nobody is at home"}},"gift":true}}"#
    )
}

/// Returns the bytes of a POST to `use_case`.
pub fn post(use_case: &str, trigger_at: DateTime<Utc>, number: u32) -> Vec<u8> {
    client::post(&format!("/requests/{use_case}"), &body(trigger_at, number))
}

/// Returns a time after the end of every measure, so that no request fires.
pub fn far_ahead() -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(300)
}

#[cfg(test)]
mod tests;
