//! Reads a bundle from a directory: the manifest, the test cases, and the files that the manifest names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use postdate_core::bundle::{BundleError, BundleSource, CASES_DIR, is_case_file, named_files};
use postdate_core::use_case::{MANIFEST_FILE, UseCase};

use crate::code::artifacts::{Arch, ArtifactsError};

/// Largest manifest, and largest other file, in bytes. A Python plugin with its interpreter and library is about 40 MiB.
pub const MAX_MANIFEST_BYTES: u64 = 1 << 20;
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// Most test cases of a bundle.
pub const MAX_CASES: usize = 1000;

/// A directory could not be read as a bundle.
#[derive(Debug, thiserror::Error)]
pub enum ReadBundleError {
    #[error("{} cannot be read: {reason}", path.display())]
    Io { path: PathBuf, reason: std::io::Error },
    #[error("{} is {size} bytes, more than the {limit} that a bundle's file may have", path.display())]
    TooLarge { path: PathBuf, size: u64, limit: u64 },
    #[error("{} is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} has more than the {MAX_CASES} test cases that a bundle may have", path.display())]
    TooManyCases { path: PathBuf },
    #[error("{} is a link to a file outside the bundle", path.display())]
    Outside { path: PathBuf },
    #[error("there is no directory {}", dir.display())]
    NoDirectory { dir: PathBuf },
    #[error("{}: {reason}", dir.display())]
    Bundle { dir: PathBuf, reason: BundleError },
    #[error("{} has not been compiled: {}", dir.display(), how_to_compile(dir))]
    NotPrecompiled { dir: PathBuf },
    #[error("{} {reason}: {}", path.display(), how_to_compile(dir))]
    Artifacts { path: PathBuf, dir: PathBuf, reason: ArtifactsError },
    #[error("{} has changed since its bundle was compiled: {}", path.display(), how_to_compile(dir))]
    ChangedSince { path: PathBuf, dir: PathBuf },
}

impl ReadBundleError {
    /// The error of a directory that has no manifest, or is not there.
    pub(super) fn without_manifest(dir: &Path) -> Self {
        let dir = dir.to_owned();
        if dir.is_dir() { Self::Bundle { dir, reason: BundleError::NoManifest } } else { Self::NoDirectory { dir } }
    }
}

/// Returns the advice for plugins that were not compiled for this host.
pub(crate) fn how_to_compile(dir: &Path) -> String {
    // Only the last part of the path is shown, because the plugins are compiled on another machine.
    let name = dir.file_name().map_or_else(|| "BUNDLE_DIR".into(), |name| name.to_string_lossy());
    let arch = Arch::HERE.map_or_else(|| "ARCH".to_owned(), |arch| arch.to_string());
    format!("compile it with: postdate plugin compile {name} --arch {arch}")
}

/// Reads a bundle. Blocks on the file system.
///
/// Fails if the manifest does not parse, or names a file that does not exist. Does not check the plugins;
/// [`Runtime::load`](crate::Runtime::load) does.
pub fn read_bundle_dir(dir: &Path) -> Result<BundleSource, ReadBundleError> {
    let bundle = |reason| ReadBundleError::Bundle { dir: dir.to_owned(), reason };
    let manifest = read_file(dir, MANIFEST_FILE, MAX_MANIFEST_BYTES)?.ok_or_else(|| ReadBundleError::without_manifest(dir))?;
    let text = std::str::from_utf8(&manifest).map_err(|_| bundle(BundleError::NotUtf8))?;
    let use_case = UseCase::parse(text).map_err(|error| bundle(error.into()))?;
    let mut files = BTreeMap::new();
    for (key, file) in named_files(&use_case) {
        if files.contains_key(&file) {
            continue;
        }
        let content = read_file(dir, &file, MAX_FILE_BYTES)?.ok_or_else(|| bundle(BundleError::MissingFile { key, file: file.clone() }))?;
        files.insert(file, content);
    }
    for name in case_names(dir)? {
        if let Some(content) = read_file(dir, &name, MAX_MANIFEST_BYTES)? {
            files.insert(name, content);
        }
    }
    files.insert(MANIFEST_FILE.to_owned(), manifest);
    Ok(BundleSource { files })
}

/// Returns the names `cases/*.toml` without hidden files, in any order.
fn case_names(dir: &Path) -> Result<Vec<String>, ReadBundleError> {
    let path = dir.join(CASES_DIR);
    let io = |reason| ReadBundleError::Io { path: path.clone(), reason };
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(io(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(io)?.file_name();
        let Some(name) = name.to_str().filter(|name| is_case_file(name)) else { continue };
        if names.len() == MAX_CASES {
            return Err(ReadBundleError::TooManyCases { path });
        }
        names.push(format!("{CASES_DIR}/{name}"));
    }
    Ok(names)
}

/// Reads a file of at most `limit` bytes. Returns `None` if there is no such file.
pub(crate) fn read_file(dir: &Path, name: &str, limit: u64) -> Result<Option<Bytes>, ReadBundleError> {
    let Some(file) = open_file(dir, name, limit)? else { return Ok(None) };
    let path = dir.join(name);
    let mut content = Vec::new();
    // Reads one byte more than the limit, to detect a file that grows.
    file.take(limit + 1).read_to_end(&mut content).map_err(|reason| ReadBundleError::Io { path: path.clone(), reason })?;
    let size = content.len() as u64;
    if size > limit {
        return Err(ReadBundleError::TooLarge { path, size, limit });
    }
    Ok(Some(content.into()))
}

/// Opens a regular file of the directory. Returns `None` if there is none.
pub(crate) fn open_file(dir: &Path, name: &str, limit: u64) -> Result<Option<File>, ReadBundleError> {
    let path = dir.join(name);
    let io = |reason| ReadBundleError::Io { path: path.clone(), reason };
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    if !real.starts_with(dir.canonicalize().map_err(io)?) {
        return Err(ReadBundleError::Outside { path });
    }
    // Checked before the file is opened, because opening a named pipe would wait for its other end.
    let metadata = std::fs::metadata(&real).map_err(io)?;
    if !metadata.is_file() {
        return Err(ReadBundleError::NotAFile { path });
    }
    if metadata.len() > limit {
        return Err(ReadBundleError::TooLarge { path, size: metadata.len(), limit });
    }
    File::open(&real).map(Some).map_err(io)
}

#[cfg(test)]
mod tests;
