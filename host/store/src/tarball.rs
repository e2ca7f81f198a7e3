//! A bundle as a tar archive, for `PUT /use-cases/{name}`. Each name is checked before its content is kept.

use std::io::{self, Read};

use bytes::Bytes;
use postdate_core::bundle::{BundleError, BundleSource, CASES_DIR, is_file_name, named_files};
use postdate_core::use_case::MANIFEST_FILE;
use postdate_runtime::{MAX_CASES, MAX_FILE_BYTES, MAX_MANIFEST_BYTES};
use tar::{Archive, Builder, EntryType, Header};

use crate::versions::STATEMENT_FILE;

/// Largest archive, in bytes: enough for two plugins and their text files.
pub const MAX_ARCHIVE_BYTES: u64 = 160 << 20;
const MAX_ENTRIES: usize = 10_000;
/// Longest path of an entry (Linux, `PATH_MAX`), and the part of a longer one that an error shows, in bytes.
const MAX_NAME_BYTES: usize = 4096;
const SHOWN_NAME_BYTES: usize = 100;

/// The content of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The manifest, the files that it names, and the test cases; other entries are dropped.
    pub source: BundleSource,
    /// `bundle.json`, if the archive has it.
    pub statement: Option<Bytes>,
}

/// An archive is refused. Each text names the entry.
#[derive(Debug, thiserror::Error)]
pub enum TarballError {
    #[error("the body is not a tar archive, or was cut off: {0}")]
    NotTar(io::Error),
    #[error("the archive has more than {MAX_ENTRIES} entries")]
    TooMany,
    #[error("the entry {0:?} of the archive leads out of the bundle")]
    Outside(String),
    #[error("the entry {0:?} of the archive is {1}; a bundle has regular files only")]
    NotAFile(String, &'static str),
    #[error("the name of an entry of the archive has more than {MAX_NAME_BYTES} bytes: {0:?}…")]
    LongName(String),
    #[error("the name of an entry of the archive is not UTF-8: {0:?}")]
    NotUtf8(String),
    #[error("the archive has {0:?} twice")]
    Twice(String),
    #[error("the entry {name:?} of the archive has more than {limit} bytes")]
    TooLarge { name: String, limit: u64 },
    #[error("the archive has more than {MAX_CASES} test cases")]
    TooManyCases,
    #[error("{0}{hint}", hint = if *.0 == BundleError::NoManifest { ": make the archive with `tar -C BUNDLE_DIR -cf - use-case.toml …`" } else { "" })]
    Bundle(BundleError),
}

/// Reads an archive. Blocks on `from`, which the caller limits to [`MAX_ARCHIVE_BYTES`].
pub fn read(from: impl Read) -> Result<Unpacked, TarballError> {
    let mut source = BundleSource::default();
    let mut statement = None;
    let mut archive = Archive::new(from);
    for (count, entry) in archive.entries().map_err(TarballError::NotTar)?.enumerate() {
        if count == MAX_ENTRIES {
            return Err(TarballError::TooMany);
        }
        let mut entry = entry.map_err(TarballError::NotTar)?;
        let path = entry.path_bytes();
        if path.len() > MAX_NAME_BYTES {
            let start = String::from_utf8_lossy(&path[..SHOWN_NAME_BYTES]).into_owned();
            return Err(TarballError::LongName(start));
        }
        let name = entry_name(&path)?;
        // A bundle has no deeper files. Sources and the links in node_modules are skipped.
        if !is_file_name(&name) {
            continue;
        }
        match entry.header().entry_type() {
            EntryType::Regular => {}
            EntryType::Directory | EntryType::XGlobalHeader => continue,
            other => return Err(TarballError::NotAFile(name, kind(other))),
        }
        let limit = if name == MANIFEST_FILE || name == STATEMENT_FILE || name.starts_with(CASES_DIR) {
            MAX_MANIFEST_BYTES
        } else {
            MAX_FILE_BYTES
        };
        let content = content(&mut entry, &name, limit)?;
        let twice = if name == STATEMENT_FILE {
            statement.replace(content).is_some()
        } else {
            source.files.insert(name.clone(), content).is_some()
        };
        if twice {
            return Err(TarballError::Twice(name));
        }
    }
    let use_case = source.use_case().map_err(TarballError::Bundle)?;
    let named: Vec<String> = named_files(&use_case).into_iter().map(|(_, file)| file).collect();
    let is_case = |name: &str| name.contains('/');
    if source.files.keys().filter(|name| is_case(name)).count() > MAX_CASES {
        return Err(TarballError::TooManyCases);
    }
    source.files.retain(|name, _| name == MANIFEST_FILE || is_case(name) || named.contains(name));
    Ok(Unpacked { source, statement })
}

/// Returns the name without a leading `./` and a trailing `/`.
fn entry_name(bytes: &[u8]) -> Result<String, TarballError> {
    let name = std::str::from_utf8(bytes).map_err(|_| TarballError::NotUtf8(String::from_utf8_lossy(bytes).into_owned()))?;
    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
        return Err(TarballError::Outside(name.to_owned()));
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Ok(parts.join("/"))
}

fn content(entry: &mut impl Read, name: &str, limit: u64) -> Result<Bytes, TarballError> {
    let mut content = Vec::new();
    entry.take(limit + 1).read_to_end(&mut content).map_err(TarballError::NotTar)?;
    if content.len() as u64 > limit {
        return Err(TarballError::TooLarge { name: name.to_owned(), limit });
    }
    Ok(content.into())
}

fn kind(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a named pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "of an unknown kind",
    }
}

/// Makes an archive of a bundle. `statement` is the text of `bundle.json`.
pub fn write(source: &BundleSource, statement: Option<&str>) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    let statement = statement.map(|text| (STATEMENT_FILE, text.as_bytes()));
    let files = source.files.iter().map(|(name, content)| (name.as_str(), content.as_ref()));
    for (name, content) in files.chain(statement) {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content)?;
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests;
