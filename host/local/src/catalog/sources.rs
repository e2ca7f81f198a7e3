//! Where a server's use cases are: a directory with bundles, or with versions of them as `use-case push` writes them; and the
//! server's own store.

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
    /// Looked at for what the directory does not have.
    pub store: PathBuf,
}

/// A use case that is there, as far as a look at it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A directory that is the bundle, and what it looks like.
    Bundle { place: PathBuf, looks: Fingerprint },
    /// A store below `root` has versions of it, and this says which is current.
    Current { root: PathBuf, current: Vec<u8> },
}

/// Name, size and time of change of every file in a directory.
type Fingerprint = Vec<(String, u64, Option<SystemTime>)>;

impl Found {
    /// Which version is current, where a store says so.
    pub fn version(&self) -> Option<String> {
        match self {
            Self::Bundle { .. } => None,
            Self::Current { current, .. } => Current::parse(current).ok().map(|current| current.version),
        }
    }

    /// Whether it changes at once, so that one look sees all of it.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Current { .. })
    }
}

impl Sources {
    pub fn look(&self) -> anyhow::Result<BTreeMap<String, Found>> {
        let mut all = versions_in(&self.store)?;
        all.extend(versions_in(&self.directory)?);
        all.extend(bundles_in(&self.directory)?);
        Ok(all)
    }

    /// Where the directory has the use case, which then is changed there and nowhere else.
    pub fn in_directory(&self, name: &str) -> Option<PathBuf> {
        let place = self.directory.join(name);
        [MANIFEST_FILE, CURRENT_FILE].iter().any(|file| place.join(file).is_file()).then_some(place)
    }

    /// What the store has of a use case.
    pub fn in_store(&self, name: &str) -> Option<Found> {
        found_current(&self.store, name)
    }
}

/// The directories that hold a manifest, with what they look like now.
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

/// The use cases that a store has a current version of.
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
        // One that cannot be read keeps no other use case from being looked at; loading it says why.
        Err(_) => Vec::new(),
    };
    Some(Found::Current { root: root.to_owned(), current })
}

/// Those that are not hidden.
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
        // A file that goes away between the two calls is a change for the next look.
        let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
        if metadata.is_file() {
            files.push((entry.file_name().to_string_lossy().into_owned(), metadata.len(), metadata.modified().ok()));
        }
    }
    files.sort();
    Ok(files)
}
