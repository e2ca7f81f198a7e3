//! A store in a local directory.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use postdate_core::bundle::hex;
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;
use crate::objects::{Child, Got, Objects, Put, StoredObject, When};

/// The lock file, which any process holds while it replaces an object. Its name cannot be the name of a use case.
const LOCK: &str = ".lock";
/// Size in bytes of a block of most file systems.
const BLOCK: u64 = 4096;

/// A store in the directory `root`, which the first write creates.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the space in bytes that the store takes: each file and directory in whole blocks, see [`Self::space_of`]. Blocks on the file
    /// system.
    pub fn space(&self) -> io::Result<u64> {
        space_below(&self.root)
    }

    /// Returns the space in bytes that a file of this size takes. A small or empty file counts as a block, so that a quota also limits how
    /// many there are.
    pub fn space_of(bytes: u64) -> u64 {
        bytes.max(1).div_ceil(BLOCK).saturating_mul(BLOCK)
    }

    fn path(&self, key: &str) -> PathBuf {
        if key.is_empty() { self.root.clone() } else { self.root.join(key) }
    }

    /// Runs blocking work of the file system on a thread for such work.
    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        key: &str,
        work: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (root, path, location) = (self.root.clone(), self.path(key), self.describe(key));
        let done = tokio::task::spawn_blocking(move || work(&root, &path)).await;
        done.map_err(io::Error::other).flatten().map_err(|error| StoreError::unavailable(action, location, error))
    }
}

impl Objects for Directory {
    fn describe(&self, key: &str) -> String {
        self.path(key).display().to_string()
    }

    async fn get(&self, key: &str, unless: Option<&str>, most: u64) -> Result<Got, StoreError> {
        let Some(content) = self.blocking("read", key, move |_, path| read(path, most)).await? else { return Ok(Got::Missing) };
        if content.len() as u64 > most {
            return Err(StoreError::TooLarge { location: self.describe(key), limit: most });
        }
        let etag = etag(&content);
        if unless == Some(etag.as_str()) {
            return Ok(Got::Same);
        }
        Ok(Got::Object(StoredObject { content: content.into(), etag }))
    }

    async fn children(&self, prefix: &str) -> Result<Vec<Child>, StoreError> {
        self.blocking("list", prefix, |_, path| children(path)).await
    }

    async fn put(&self, key: &str, content: Bytes, when: When<'_>) -> Result<Put, StoreError> {
        let expected = match when {
            When::Absent => None,
            When::Is(etag) => Some(etag.to_owned()),
        };
        self.blocking("write", key, move |root, path| write(root, path, &content, expected.as_deref())).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let root = self.root.clone();
        self.blocking("delete", key, move |_, path| delete(&root, path)).await
    }
}

/// Returns the space of everything below a directory. A file that is deleted meanwhile does not count.
fn space_below(directory: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut space: u64 = 0;
    for entry in entries {
        let entry = entry?;
        let counted = match entry.file_type() {
            Ok(kind) if kind.is_dir() => space_below(&entry.path()).map(|space| space.saturating_add(BLOCK)),
            Ok(_) => entry.metadata().map(|metadata| Directory::space_of(metadata.len())),
            Err(error) => Err(error),
        };
        space = space.saturating_add(match counted {
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            counted => counted?,
        });
    }
    Ok(space)
}

/// Reads a file, but at most one byte more than `most`. Returns `None` if it does not exist.
fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Ok(None);
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len().min(most)).unwrap_or_default());
    file.take(most.saturating_add(1)).read_to_end(&mut content)?;
    Ok(Some(content))
}

fn etag(content: &[u8]) -> String {
    hex(&Sha256::digest(content)[..16])
}

fn children(path: &Path) -> io::Result<Vec<Child>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut children = Vec::new();
    for entry in entries {
        let entry = entry?;
        // The store has only UTF-8 names. Hidden files are the lock and drafts.
        let Some(name) = entry.file_name().to_str().filter(|name| !name.starts_with('.')).map(str::to_owned) else { continue };
        let is_prefix = entry.path().is_dir();
        children.push(Child { name, is_prefix });
    }
    Ok(children)
}

/// Writes an object if its tag is `expected`; `None` means that the object must not exist.
fn write(root: &Path, path: &Path, content: &[u8], expected: Option<&str>) -> io::Result<Put> {
    let parent = path.parent().unwrap_or(root);
    make_directories(parent)?;
    // Others may read the file, because another user may run the server.
    let mut draft = tempfile::Builder::new().prefix(".draft-").permissions(Permissions::from_mode(0o644)).tempfile_in(parent)?;
    draft.write_all(content)?;
    draft.as_file().sync_all()?;
    let lock = File::options().create(true).truncate(false).write(true).open(root.join(LOCK))?;
    lock.lock()?;
    let found = read(path, u64::MAX - 1)?.map(|content| etag(&content));
    if found.as_deref() != expected {
        return Ok(Put::Refused);
    }
    draft.persist(path).map_err(|error| error.error)?;
    // Syncs the directory, so that the file's name survives a power failure.
    File::open(parent)?.sync_all()?;
    Ok(Put::Done)
}

/// Creates a directory with its parents, and syncs the names of the new ones.
fn make_directories(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_directories(parent)?;
        match fs::create_dir(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        File::open(parent)?.sync_all()
    } else {
        fs::create_dir_all(path)
    }
}

/// Deletes an object, and the directories that are empty without it. Idempotent.
fn delete(root: &Path, path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for parent in path.ancestors().skip(1).take_while(|parent| parent.starts_with(root) && *parent != root) {
        if fs::remove_dir(parent).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
