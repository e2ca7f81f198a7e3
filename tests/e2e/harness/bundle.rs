//! Use cases on disk, made of the guests that `cargo xtask plugins` built.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use postdate_tests::files::copy;
use postdate_tests::tools::{guest, samples};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::text;

/// Tables of a manifest whose two plugins follow the commands in the body, see `tests/guests/puppet`.
pub const PUPPET: &str = "
[validate]
plugin = 'puppet.wasm'
memory = '32MiB'
timeout = '2s'
[process]
plugin = 'puppet.wasm'
memory = '32MiB'
timeout = '2s'
";

/// A directory of bundles for `postdate serve --use-cases`.
pub struct UseCases {
    dir: TempDir,
}

impl UseCases {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn bundle(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a bundle: the guests that the manifest names, and the manifest with its name added. The manifest is written last,
    /// so that a server never reads an incomplete bundle.
    pub fn write(&self, name: &str, manifest: &str) {
        let bundle = self.bundle(name);
        std::fs::create_dir_all(&bundle).expect("the bundle's directory");
        for component in ["puppet", "minimal-validate", "minimal-process", "wrong-version"] {
            let file = format!("{component}.wasm");
            if manifest.contains(&file) && !bundle.join(&file).exists() {
                std::fs::copy(guest(component), bundle.join(&file)).expect("a copy of the guest");
            }
        }
        self.write_file(name, "use-case.toml", format!("name = '{name}'\n{manifest}"));
    }

    /// Replaces a file of a bundle in one step.
    pub fn write_file(&self, name: &str, file: &str, content: impl AsRef<[u8]>) {
        let draft = self.path().join(format!(".{name}-{file}"));
        std::fs::write(&draft, content).expect("the draft");
        std::fs::rename(&draft, self.bundle(name).join(file)).expect("the file's place");
    }

    /// Copies a sample bundle of the repository: see [`Self::copy_bundle`].
    pub fn copy_sample(&self, name: &str, port: u16) {
        self.copy_bundle(&samples().join(name), port);
    }

    /// Copies a bundle whose directory has its name, and replaces the receiver's port 9000 by `port`.
    pub fn copy_bundle(&self, from: &Path, port: u16) {
        let name = from.file_name().and_then(|name| name.to_str()).expect("the bundle's name");
        copy(from, &self.bundle(name));
        let manifest = std::fs::read_to_string(from.join("use-case.toml")).expect("the bundle's manifest");
        self.write_file(name, "use-case.toml", manifest.replace(":9000", &format!(":{port}")));
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_dir_all(self.bundle(name)).expect("the bundle can be removed");
    }
}

/// Replaces the current year by 2001 in all times of a document.
pub fn aged(document: &str) -> String {
    let year = chrono::Utc::now().format("%Y").to_string();
    document.replace(&format!("\"{year}-"), "\"2001-")
}

/// Changes the time of a version's `bundle.json` to 2001. A signature of it becomes invalid.
pub fn aged_statement(envelope: &str) -> String {
    let mut envelope: Value = serde_json::from_str(envelope).expect("an envelope");
    let payload = BASE64_STANDARD.decode(text(&envelope, "payload")).expect("its payload");
    let payload = String::from_utf8(payload).expect("a statement");
    envelope["payload"] = json!(BASE64_STANDARD.encode(aged(&payload)));
    envelope.to_string()
}
