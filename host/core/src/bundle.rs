//! A bundle: the files of one use case. Its version is the hash of their contents.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use crate::file_name::{CASES_DIR, is_case_file, is_file_name};
use crate::plugin::Role;
use crate::use_case::{MANIFEST_FILE, ManifestError, UseCase};

/// The files of a use case by name: the manifest, components, config files and test cases. A name has no directory, except that of
/// a test case, which begins with [`CASES_DIR`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleSource {
    pub files: BTreeMap<String, Bytes>,
}

/// Sizes and hashes of a bundle's files, by name.
pub type Listing = BTreeMap<String, FileEntry>;

/// One file of a [`Listing`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    pub bytes: u64,
    /// SHA-256 of the content: 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl FileEntry {
    pub fn of(content: &[u8]) -> Self {
        Self { bytes: content.len() as u64, sha256: hex(&Sha256::digest(content)) }
    }
}

/// Returns the version of a bundle with these files: the first 16 lower-case hexadecimal digits of a SHA-256 over the files' names,
/// sizes and hashes. 64 bits are enough to distinguish the versions of one use case. A signature covers the full hashes instead.
pub fn version_of(listing: &Listing) -> String {
    let mut hash = Sha256::new();
    for (name, entry) in listing {
        // The length before each text, so that two different listings never give the same bytes.
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(entry.bytes.to_le_bytes());
        hash.update((entry.sha256.len() as u64).to_le_bytes());
        hash.update(entry.sha256.as_bytes());
    }
    hex(&hash.finalize()[..8])
}

/// Returns true if the text has the form of a version, as [`version_of`] returns it. Check a version before it becomes part of a path.
pub fn is_version(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Limit of a manifest.
pub const MAX_MANIFEST_BYTES: usize = 1 << 20;
/// Limit of one plugin's config, keys and values together. A file counts once for each key that names it.
pub const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// The reason why files are not a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error("the bundle has no {MANIFEST_FILE}")]
    NoManifest,
    #[error("{MANIFEST_FILE} has {0} bytes; the limit is {MAX_MANIFEST_BYTES} bytes")]
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
    /// Returns the listing of the files, which stores keep and signatures cover.
    pub fn listing(&self) -> Listing {
        self.files.iter().map(|(name, content)| (name.clone(), FileEntry::of(content))).collect()
    }

    /// Returns the bundle's version; see [`version_of`].
    pub fn version(&self) -> String {
        version_of(&self.listing())
    }

    /// Parses and checks the manifest, of a new bundle or of a stored version. Fails if it is missing, too large or not valid, or if it
    /// names a file that is not in the bundle, or a config that is too large.
    pub fn use_case(&self) -> Result<UseCase, BundleError> {
        let manifest = self.files.get(MANIFEST_FILE).ok_or(BundleError::NoManifest)?;
        if manifest.len() > MAX_MANIFEST_BYTES {
            return Err(BundleError::TooLarge(manifest.len()));
        }
        let use_case = UseCase::parse_stored(std::str::from_utf8(manifest).map_err(|_| BundleError::NotUtf8)?)?;
        for (key, file) in named_files(&use_case) {
            if !self.files.contains_key(&file) {
                return Err(BundleError::MissingFile { key, file });
            }
        }
        self.check_config(&use_case)?;
        Ok(use_case)
    }

    /// Returns the config of a plugin: `config` of the manifest with the texts of `config-files`. The host adds the secrets. Keys that
    /// name the same file share its text. [`Self::check_config`] limits its size.
    pub fn config(&self, use_case: &UseCase, role: Role) -> Result<BTreeMap<String, Arc<str>>, BundleError> {
        let Some(spec) = use_case.plugin(role) else { return Ok(BTreeMap::new()) };
        let mut config: BTreeMap<String, Arc<str>> =
            spec.config.iter().map(|(key, value)| (key.clone(), Arc::from(value.as_str()))).collect();
        let mut texts: BTreeMap<&str, Arc<str>> = BTreeMap::new();
        for (name, file) in &spec.config_files {
            let text = match texts.get(file.as_str()) {
                Some(text) => Arc::clone(text),
                None => self.text(role, name, file)?,
            };
            texts.insert(file, Arc::clone(&text));
            config.insert(name.clone(), text);
        }
        Ok(config)
    }

    fn text(&self, role: Role, name: &str, file: &str) -> Result<Arc<str>, BundleError> {
        let key = || format!("{role}.config-files.{name}");
        let content = self.files.get(file).ok_or_else(|| BundleError::MissingFile { key: key(), file: file.to_owned() })?;
        std::str::from_utf8(content).map(Arc::from).map_err(|_| BundleError::NotText { key: key(), file: file.to_owned() })
    }

    /// Checks the config of each plugin against [`MAX_CONFIG_BYTES`] and against the plugin's memory, before any text is copied.
    pub fn check_config(&self, use_case: &UseCase) -> Result<(), ManifestError> {
        for role in [Role::Validate, Role::Process] {
            let Some(spec) = use_case.plugin(role) else { continue };
            let values = spec.config.iter().map(|(key, value)| key.len() + value.len());
            let files = spec.config_files.iter().map(|(key, file)| key.len() + self.files.get(file).map_or(0, Bytes::len));
            let bytes: u64 = values.chain(files).map(|bytes| bytes as u64).sum();
            let (limit, whose) = match spec.memory {
                memory if memory < MAX_CONFIG_BYTES => (memory, format!("of {role}.memory")),
                _ => (MAX_CONFIG_BYTES, "that a plugin may have".to_owned()),
            };
            if bytes > limit {
                let key = if spec.config_files.is_empty() { format!("{role}.config") } else { format!("{role}.config-files") };
                let message =
                    format!("the config has {bytes} bytes (a file counts for each key that names it), more than the {limit} bytes {whose}");
                return Err(ManifestError::Value { key, message });
            }
        }
        Ok(())
    }
}

/// Returns the bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns each key of a manifest that names a file, and the file's name.
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
