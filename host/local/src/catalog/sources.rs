//! The places of a server's use cases: a directory, and the server's own store. The directory has bundles, or versions of them as
//! `use-case push` writes them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use postdate_core::bundle::CASES_DIR;
use postdate_core::use_case::{MANIFEST_FILE, is_use_case_name};
use postdate_store::{CURRENT_FILE, Current};

pub struct Sources {
    pub directory: PathBuf,
    /// Read for use cases that the directory does not have.
    pub store: PathBuf,
}

/// A use case as a poll finds it, before it is loaded. Two equal values need no new load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The directory `place` is the bundle.
    Bundle { place: PathBuf, looks: Fingerprint },
    /// A store below `root` has versions of it. `current` is the content of the file that names the current one.
    Current { root: PathBuf, current: Vec<u8> },
}

/// Name, size in bytes and modification time of every file in a directory.
type Fingerprint = Vec<(String, u64, Option<SystemTime>)>;

impl Found {
    /// Returns the current version that the store names.
    pub fn version(&self) -> Option<String> {
        self.current().map(|current| current.version)
    }

    /// Returns which version the store names as current, and who did that. `None` for a plain bundle.
    pub fn current(&self) -> Option<Current> {
        match self {
            Self::Bundle { .. } => None,
            Self::Current { current, .. } => Current::parse(current).ok(),
        }
    }

    /// Returns whether changes are atomic, so that one poll suffices to see a complete change.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Current { .. })
    }
}

impl Sources {
    /// Finds every use case by name. A bundle in the directory takes precedence over versions there, and those over the server's own
    /// store. Fails if a directory cannot be read.
    pub fn look(&self) -> anyhow::Result<BTreeMap<String, Found>> {
        let mut all = versions_in(&self.store)?;
        all.extend(versions_in(&self.directory)?);
        all.extend(bundles_in(&self.directory)?);
        Ok(all)
    }

    /// Returns the path of a use case that the directory has. Uploads must not change such a use case.
    pub fn in_directory(&self, name: &str) -> Option<PathBuf> {
        let place = self.directory.join(name);
        [MANIFEST_FILE, CURRENT_FILE].iter().any(|file| place.join(file).is_file()).then_some(place)
    }

    /// Returns the use case as the store has it.
    pub fn in_store(&self, name: &str) -> Option<Found> {
        found_current(&self.store, name)
    }
}

/// Finds the directories that contain a manifest.
fn bundles_in(directory: &Path) -> anyhow::Result<BTreeMap<String, Found>> {
    let mut bundles = BTreeMap::new();
    for (name, place) in directories(directory)? {
        if place.join(MANIFEST_FILE).is_file() {
            let mut looks = fingerprint(&place)?;
            let cases = place.join(CASES_DIR);
            if cases.is_dir() {
                looks.extend(fingerprint(&cases)?.into_iter().map(|(file, size, changed)| (format!("{CASES_DIR}/{file}"), size, changed)));
            }
            bundles.insert(name, Found::Bundle { place, looks });
        }
    }
    Ok(bundles)
}

/// Finds the use cases that have a current version in the store.
fn versions_in(root: &Path) -> anyhow::Result<BTreeMap<String, Found>> {
    let mut found = BTreeMap::new();
    if !root.is_dir() {
        return Ok(found);
    }
    for (name, _) in directories(root)?.into_iter().filter(|(name, _)| is_use_case_name(name)) {
        if let Some(current) = found_current(root, &name) {
            found.insert(name, current);
        }
    }
    Ok(found)
}

fn found_current(root: &Path, name: &str) -> Option<Found> {
    let current = match std::fs::read(root.join(name).join(CURRENT_FILE)) {
        Ok(current) => current,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory) => return None,
        // An unreadable file must not hide the other use cases. Loading this one will report the error.
        Err(_) => Vec::new(),
    };
    Some(Found::Current { root: root.to_owned(), current })
}

/// Returns name and path of every directory in `parent` that is not hidden.
fn directories(parent: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut directories = Vec::new();
    for entry in std::fs::read_dir(parent).with_context(|| format!("cannot read {}", parent.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !name.starts_with('.') && path.is_dir() {
            directories.push((name.to_owned(), path));
        }
    }
    Ok(directories)
}

fn fingerprint(directory: &Path) -> anyhow::Result<Fingerprint> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let entry = entry?;
        // A file that disappears between the two calls is a change for the next poll.
        let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
        if metadata.is_file() {
            files.push((entry.file_name().to_string_lossy().into_owned(), metadata.len(), metadata.modified().ok()));
        }
    }
    files.sort();
    Ok(files)
}
