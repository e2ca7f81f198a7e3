//! The directory of unpacked versions, `{root}/{use case}/{version}/`, bounded by its space.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use postdate_store::Directory;

/// Records that a version was loaded from its directory.
pub fn used(dir: &Path) {
    // Without the time, the version only goes earlier.
    let _ = File::open(dir).and_then(|dir| dir.set_modified(SystemTime::now()));
}

/// Deletes versions, the one that was loaded least recently first, until the rest takes at most `most` bytes. Deletes what an interrupted
/// process has left. A loaded version stays loaded without its files.
pub fn make_room(root: &Path, most: u64) -> io::Result<()> {
    let mut versions = Vec::new();
    for version in children(root)?.iter().map(|name| children(name)).collect::<io::Result<Vec<_>>>()?.concat() {
        let is_partial = version.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_partial {
            remove(&version)?;
        } else {
            versions.push((fs::metadata(&version)?.modified()?, Directory::new(&version).space()?, version));
        }
    }
    versions.sort();
    let mut bytes: u64 = versions.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, freed, version) in versions {
        if bytes <= most {
            break;
        }
        remove(&version)?;
        bytes -= freed;
    }
    Ok(())
}

/// Deletes a directory with its content; idempotent.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn children(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

#[cfg(test)]
mod tests;
