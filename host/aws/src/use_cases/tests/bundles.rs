//! Bundles without plugins, in the forms that `use-case push` and `plugin compile` write.

use std::path::Path;

use bytes::Bytes;
use chrono::DateTime;
use postdate_core::bundle::BundleSource;
use postdate_core::use_case::MANIFEST_FILE;
use postdate_runtime::artifacts::{Arch, Artifacts};
use postdate_runtime::trust::SecretKey;
use postdate_store::{By, Directory, Versions};

/// Returns a bundle whose only target is a queue.
pub fn source(name: &str, description: &str) -> BundleSource {
    let arn = "arn:aws:sqs:eu-west-1:123456789012:away";
    let manifest = format!(
        "name = \"{name}\"\ndescription = \"{description}\"\n[targets]\ndefault = \"away\"\naway = {{ kind = \"sqs\", arn = \"{arn}\" }}\n"
    );
    BundleSource { files: [(MANIFEST_FILE.to_owned(), Bytes::from(manifest))].into() }
}

/// Writes one bundle into a directory, without a store. Returns its version.
pub fn write_flat(dir: &Path, name: &str, key: Option<&SecretKey>) -> String {
    let source = source(name, "the one");
    let artifacts = Artifacts::new(&source, &source.use_case().unwrap());
    let version = artifacts.version.clone();
    let mut envelope = artifacts.into_envelope().unwrap();
    if let Some(key) = key {
        envelope.sign(key);
    }
    std::fs::create_dir_all(dir.join("compiled")).unwrap();
    std::fs::write(dir.join(MANIFEST_FILE), &source.files[MANIFEST_FILE]).unwrap();
    std::fs::write(dir.join("compiled/artifacts.json"), envelope.to_json()).unwrap();
    version
}

/// Publishes a version in a store, with machine code for this machine. Does not make it current.
pub async fn publish(root: &Path, name: &str, description: &str, key: Option<&SecretKey>) -> String {
    let (store, source) = (Versions::new(Directory::new(root)), source(name, description));
    store.publish(name, &source, By { name: "test", now: DateTime::default() }, key).await.unwrap();
    store.publish_precompiled(&source.use_case().unwrap(), &source, Arch::HERE.unwrap(), &[], key).await.unwrap();
    source.version()
}

/// Returns the files below a directory, by key, with their contents.
pub fn files(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if !path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                found.push((path.strip_prefix(root).unwrap().display().to_string(), std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}
