//! Use cases in a directory: of the package, of a layer.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use postdate_core::use_case::MANIFEST_FILE;
use postdate_runtime::artifacts::{ARTIFACTS_DIR, ARTIFACTS_FILE, Artifacts};

use super::{Look, parse_current};
use crate::config::is_use_case_name;

/// The root.
#[derive(Debug)]
pub struct Directory(pub PathBuf);

impl Directory {
    /// Directories that hold `current` or a manifest.
    pub fn names(&self) -> Result<Vec<String>, String> {
        let unreadable = |error| format!("cannot read {}: {error}", self.0.display());
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_use_case_name(name)) else { continue };
            if path.join("current").is_file() || path.join(MANIFEST_FILE).is_file() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    pub fn look(&self, name: &str) -> Result<Look, String> {
        let place = self.0.join(name);
        let version = match read(&place.join("current"))? {
            Some(text) => parse_current(&text)?,
            None if place.join(MANIFEST_FILE).is_file() => only_version(&place)?,
            None => return Ok(Look::NoSuchUseCase),
        };
        Ok(Look::Version { version, etag: None })
    }

    /// The directory of a version's bundle.
    pub fn bundle(&self, name: &str, version: &str) -> Result<PathBuf, String> {
        let place = self.0.join(name);
        let versioned = place.join(version);
        if versioned.is_dir() {
            return Ok(versioned);
        }
        if place.join("current").is_file() || !place.join(MANIFEST_FILE).is_file() {
            return Err(format!("{} is not there", versioned.display()));
        }
        match only_version(&place)? {
            only if only == version => Ok(place),
            only => Err(format!("{} holds version {only} alone", place.display())),
        }
    }
}

fn only_version(place: &Path) -> Result<String, String> {
    let path = place.join(ARTIFACTS_DIR).join(ARTIFACTS_FILE);
    let text = read(&path)?.ok_or_else(|| {
        format!("{} is not there: compile the bundle with \"postdate plugin compile {} --arch …\"", path.display(), place.display())
    })?;
    let artifacts: Artifacts = serde_json::from_str(&text).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(artifacts.version)
}

/// None where there is no such file.
fn read(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}
