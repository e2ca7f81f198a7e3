//! A bundle: the files of one use case, and the version that is their content hash.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use crate::file_name::{CASES_DIR, is_case_file, is_file_name};
use crate::plugin::Role;
use crate::use_case::{MANIFEST_FILE, ManifestError, UseCase};

/// The files that make a use case, by name: the manifest, its components, its config files, its test cases. Names are those of
/// files beside the manifest; only a test case's has a directory in it, [`CASES_DIR`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleSource {
    pub files: BTreeMap<String, Bytes>,
}

/// What is known of a bundle's files without having them, by name.
pub type Listing = BTreeMap<String, FileEntry>;

/// One file of a [`Listing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    pub bytes: u64,
    /// Of the content: 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl FileEntry {
    pub fn of(content: &[u8]) -> Self {
        Self { bytes: content.len() as u64, sha256: hex(&Sha256::digest(content)) }
    }
}

/// Content hash of a bundle with these files: lower-case hexadecimal SHA-256 over their names, sizes and hashes, cut to 16
/// digits. That is what history and errors show, and 64 bits tell the versions of one use case apart; what must not be forged
/// is signed with the whole hashes.
pub fn version_of(listing: &Listing) -> String {
    let mut hash = Sha256::new();
    for (name, entry) in listing {
        // The length first, so that no two lists of files run together to the same bytes.
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(entry.bytes.to_le_bytes());
        hash.update((entry.sha256.len() as u64).to_le_bytes());
        hash.update(entry.sha256.as_bytes());
    }
    hex(&hash.finalize()[..8])
}

/// Whether this is a version as [`version_of`] makes them: versions become parts of paths.
pub fn is_version(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Largest manifest, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 1 << 20;

/// Why files are not a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error("the bundle has no {MANIFEST_FILE}")]
    NoManifest,
    #[error("{MANIFEST_FILE} is {0} bytes, and {MAX_MANIFEST_BYTES} are the most")]
    TooLarge(usize),
    #[error("{MANIFEST_FILE} is not UTF-8")]
    NotUtf8,
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("{MANIFEST_FILE}: {key} names the file {file}, which is not in the bundle")]
    MissingFile { key: String, file: String },
    #[error("{MANIFEST_FILE}: {key}: the file {file} is not UTF-8 text")]
    NotText { key: String, file: String },
}

impl BundleSource {
    /// What a signature or a store says of the files.
    pub fn listing(&self) -> Listing {
        self.files.iter().map(|(name, content)| (name.clone(), FileEntry::of(content))).collect()
    }

    /// See [`version_of`].
    pub fn version(&self) -> String {
        version_of(&self.listing())
    }

    /// Reads the manifest, and checks that each file that it names is there.
    pub fn use_case(&self) -> Result<UseCase, BundleError> {
        let manifest = self.files.get(MANIFEST_FILE).ok_or(BundleError::NoManifest)?;
        if manifest.len() > MAX_MANIFEST_BYTES {
            return Err(BundleError::TooLarge(manifest.len()));
        }
        let use_case = UseCase::parse(std::str::from_utf8(manifest).map_err(|_| BundleError::NotUtf8)?)?;
        for (key, file) in named_files(&use_case) {
            if !self.files.contains_key(&file) {
                return Err(BundleError::MissingFile { key, file });
            }
        }
        Ok(use_case)
    }

    /// Config of a plugin: what the manifest says, with the text of `config-files`. Secrets are the host's to add.
    pub fn config(&self, use_case: &UseCase, role: Role) -> Result<BTreeMap<String, String>, BundleError> {
        let Some(spec) = use_case.plugin(role) else { return Ok(BTreeMap::new()) };
        let mut config = spec.config.clone();
        for (name, file) in &spec.config_files {
            let key = format!("{role}.config-files.{name}");
            let Some(content) = self.files.get(file) else { return Err(BundleError::MissingFile { key, file: file.clone() }) };
            let text = std::str::from_utf8(content).map_err(|_| BundleError::NotText { key, file: file.clone() })?;
            config.insert(name.clone(), text.to_owned());
        }
        Ok(config)
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Every file that a manifest names, with the key that names it.
pub fn named_files(use_case: &UseCase) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for role in [Role::Validate, Role::Process] {
        let Some(spec) = use_case.plugin(role) else { continue };
        files.push((format!("{role}.plugin"), spec.plugin.clone()));
        files.extend(spec.config_files.iter().map(|(name, file)| (format!("{role}.config-files.{name}"), file.clone())));
    }
    files
}

#[cfg(test)]
mod tests;
