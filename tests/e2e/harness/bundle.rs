//! Use cases on disk, made by the test from the guests that `cargo xtask plugins` built.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use postdate_tests::files::copy;
use postdate_tests::tools::{guest, samples};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::text;

/// The main part of a manifest whose two plugins do what the body says: see `tests/guests/puppet`.
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

/// A directory of bundles, as `postdate serve --use-cases` takes it.
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

    /// Writes a bundle: the manifest, after its name, and the guests that it names. The manifest comes last, so that
    /// a server that looks meanwhile sees no bundle yet, or the old one.
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

    /// A copy of one of the repository's sample bundles, with another port where the sample says 9000.
    pub fn copy_sample(&self, name: &str, port: u16) {
        copy(&samples().join(name), &self.bundle(name));
        let manifest = std::fs::read_to_string(self.bundle(name).join("use-case.toml")).expect("the sample's manifest");
        self.write_file(name, "use-case.toml", manifest.replace(":9000", &format!(":{port}")));
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_dir_all(self.bundle(name)).expect("the bundle goes");
    }
}

/// Times of this year in a document, as of a year that is long over.
pub fn aged(document: &str) -> String {
    let year = chrono::Utc::now().format("%Y").to_string();
    document.replace(&format!("\"{year}-"), "\"2001-")
}

/// A version's `bundle.json`, as if it had been pushed then. Nobody has signed that.
pub fn aged_statement(envelope: &str) -> String {
    let mut envelope: Value = serde_json::from_str(envelope).expect("an envelope");
    let payload = BASE64_STANDARD.decode(text(&envelope, "payload")).expect("its payload");
    let payload = String::from_utf8(payload).expect("a statement");
    envelope["payload"] = json!(BASE64_STANDARD.encode(aged(&payload)));
    envelope.to_string()
}
