//! Backups: a data directory in one SQLite file, which is the ledger with one more table for the files of the store.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::Utc;
use postdate_core::time::rfc3339;
use rusqlite::{Connection, params};

use crate::data_dir::STORE_DIR;
use crate::ledger;
use crate::maintenance::ledger_of;

/// Table of a backup: a file of the store by its path below the store, in parts in the order of their rows.
pub const FILES_TABLE: &str = "backup_files";
/// Setting of a backup with the time at which it was made. A ledger in use has none.
pub const MADE_AT: &str = "backup-made-at";
/// Name of the file of a use case that names its version in use.
const CURRENT: &str = "current";
/// Bytes of a part.
const PART: u64 = 1 << 20;
/// Beginning of the name of a backup that is not complete, and of its journal.
const DRAFT: &str = ".postdate-backup-";
/// Time without a write after which a draft is one of a backup that was killed.
const ABANDONED: Duration = Duration::from_hours(24);

/// Result of [`back_up`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackedUp {
    pub requests: u64,
    /// Files of the store.
    pub files: u64,
    /// Size of the backup in bytes.
    pub bytes: u64,
}

/// Writes a backup of the data directory to the new file `to`, which only its owner may read. A server may run. The file appears when it
/// is complete and has been checked. Fails if it exists.
pub fn back_up(data: &Path, to: &Path) -> anyhow::Result<BackedUp> {
    let source = ledger_of(data)?;
    ensure!(!to.exists(), "{} exists already: name a new file", to.display());
    let place = to.parent().filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot_write = || format!("cannot write a backup into {}", place.display());
    delete_abandoned(place);
    let draft = tempfile::Builder::new().prefix(DRAFT).tempfile_in(place).with_context(cannot_write)?;
    ledger::copy(&source, draft.path())?;
    // After the ledger: every version that its requests need is in the store by now.
    let (requests, files) = add_files(draft.path(), &data.join(STORE_DIR)).context("cannot add the store's files to the backup")?;
    ledger::check(draft.path())?;
    let bytes = draft.as_file().metadata().with_context(cannot_write)?.len();
    draft.persist_noclobber(to).map_err(|error| error.error).with_context(|| format!("cannot write {}", to.display()))?;
    File::open(place).and_then(|place| place.sync_all()).with_context(cannot_write)?;
    Ok(BackedUp { requests, files, bytes })
}

/// Deletes the drafts of backups that were killed, since they have payloads. A failure only leaves them there.
fn delete_abandoned(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(DRAFT.as_bytes()) {
            continue;
        }
        let changed = entry.metadata().ok().filter(fs::Metadata::is_file).and_then(|metadata| metadata.modified().ok());
        let is_abandoned = changed.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > ABANDONED);
        if is_abandoned && let Err(error) = fs::remove_file(entry.path()) {
            let file = entry.path();
            tracing::warn!(%error, file = %file.display(), "cannot delete the draft of a backup that was killed, which has payloads");
        }
    }
}

/// Adds the files of the store to a copy of the ledger. Returns the numbers of requests and of files.
fn add_files(copy: &Path, store: &Path) -> anyhow::Result<(u64, u64)> {
    let mut copy = Connection::open(copy)?;
    let transaction = copy.transaction()?;
    let table =
        format!("DROP TABLE IF EXISTS {FILES_TABLE}; CREATE TABLE {FILES_TABLE} (path TEXT NOT NULL, content BLOB NOT NULL) STRICT");
    transaction.execute_batch(&table)?;
    transaction.execute("INSERT OR REPLACE INTO settings VALUES (?1, ?2)", [MADE_AT, &rfc3339(Utc::now())])?;
    let files = add_directory(&transaction, store, store)?;
    let requests: i64 = transaction.query_row("SELECT count(*) FROM requests", [], |row| row.get(0))?;
    transaction.commit()?;
    Ok((requests.unsigned_abs(), files))
}

/// Adds the files below a directory of the store, without locks and drafts. Returns their number.
fn add_directory(copy: &Connection, store: &Path, directory: &Path) -> anyhow::Result<u64> {
    // First: the version that it names is complete before, and may be newer than the list of the directory.
    let mut files = add_file(copy, store, &directory.join(CURRENT))?;
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries.with_context(|| format!("cannot read {}", directory.display()))?,
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", directory.display()))?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            // A use case may have the name `current`, too.
            files += add_directory(copy, store, &path)?;
        } else if name != CURRENT {
            files += add_file(copy, store, &path)?;
        }
    }
    Ok(files)
}

/// Adds a file of the store. Returns the number of files: 0 if it is a directory, is not there, or no longer.
fn add_file(copy: &Connection, store: &Path, path: &Path) -> anyhow::Result<u64> {
    let cannot_read = || format!("cannot read {}", path.display());
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        file => file.with_context(cannot_read)?,
    };
    if file.metadata().with_context(cannot_read)?.is_dir() {
        return Ok(0);
    }
    let name = path.strip_prefix(store)?.to_str().context("the store has a file whose name is not UTF-8")?;
    let mut insert = copy.prepare_cached(&format!("INSERT INTO {FILES_TABLE} VALUES (?1, ?2)"))?;
    let mut part = Vec::new();
    loop {
        let read = file.by_ref().take(PART).read_to_end(&mut part).with_context(cannot_read)?;
        insert.execute(params![name, part])?;
        if (read as u64) < PART {
            return Ok(1);
        }
        part.clear();
    }
}

#[cfg(test)]
mod tests;
