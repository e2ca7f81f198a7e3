//! The data directory: it belongs to one server, and only its owner has access to it.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use rustix::fs::Mode;

/// Entries of the data directory: the ledger's files, and versions of use cases.
pub const LEDGER_FILE: &str = "ledger.sqlite";
pub const WAL_FILE: &str = "ledger.sqlite-wal";
pub const SHM_FILE: &str = "ledger.sqlite-shm";
pub const STORE_DIR: &str = "store";

/// Write permission of the group and of others.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// All permissions of the group and of others.
const OF_OTHERS: u32 = 0o077;
/// Entries whose permissions are tightened. Others may not be the server's: an operator can name a directory with other files.
const ENTRIES: [&str; 6] = [LEDGER_FILE, WAL_FILE, SHM_FILE, "lock", STORE_DIR, "compiled"];

/// Directory in a data directory in which a restore puts everything together, before it changes anything else.
pub const STAGING_DIR: &str = "restoring-draft";
/// Directory in a data directory that is there while a restore replaces the ledger and the store, and after one that was cut off then.
pub const RESTORING_DIR: &str = "restoring";

/// [Locks](lock) the data directory for a server. Fails if a restore of it was cut off while it replaced the ledger and the store, since
/// they may not be there. Deletes what one that was cut off before had put together.
pub fn open(data: &Path) -> anyhow::Result<File> {
    let lock = lock(data)?;
    let is_whole = !data.join(RESTORING_DIR).exists();
    anyhow::ensure!(is_whole, "a restore of {} was cut off: repeat it with `postdate restore --overwrite`", data.display());
    delete_staging(data)?;
    Ok(lock)
}

/// Deletes what a restore has put together and not moved. The caller has the lock.
pub fn delete_staging(data: &Path) -> anyhow::Result<()> {
    let staging = data.join(STAGING_DIR);
    match fs::remove_dir_all(&staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).with_context(|| format!("cannot delete {}", staging.display())),
        _ => Ok(()),
    }
}

/// Creates the data directory if it is missing, takes all permissions from other users, and locks it. From then on the process makes
/// files for its own user only. Two servers on one ledger would run requests twice. Fails for a directory that others can write to.
pub fn lock(data: &Path) -> anyhow::Result<File> {
    // The umask is that of the process, so it also holds for the files that SQLite and the store make.
    rustix::process::umask(Mode::from_raw_mode(OF_OTHERS));
    DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(|| format!("cannot make {}", data.display()))?;
    let mode = fs::metadata(data).with_context(|| format!("cannot read {}", data.display()))?.mode();
    anyhow::ensure!(
        mode & WRITABLE_BY_OTHERS == 0,
        "other users can write to {place} (mode {:04o}), and could replace the ledger: run chmod 700 {place}, or name a new directory \
         with --data, which the server makes for itself",
        mode & 0o7777,
        place = data.display()
    );
    tighten(data)?;
    for entry in ENTRIES {
        tighten_all(&data.join(entry))?;
    }
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!("another server uses {}: stop it, or name another directory with --data", data.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// Takes the permissions of other users from an entry and everything below it. Does not follow symbolic links.
fn tighten_all(place: &Path) -> anyhow::Result<()> {
    let metadata = match fs::symlink_metadata(place) {
        Ok(metadata) => metadata,
        // A file may disappear meanwhile: a command may prune the store.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", place.display())),
    };
    if metadata.is_symlink() {
        return Ok(());
    }
    tighten(place)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(place).with_context(|| format!("cannot read {}", place.display()))? {
            tighten_all(&entry?.path())?;
        }
    }
    Ok(())
}

fn tighten(place: &Path) -> anyhow::Result<()> {
    let mode = fs::metadata(place).with_context(|| format!("cannot read {}", place.display()))?.mode() & 0o7777;
    if mode & OF_OTHERS == 0 {
        return Ok(());
    }
    let tight = Permissions::from_mode(mode & !OF_OTHERS);
    fs::set_permissions(place, tight)
        .with_context(|| format!("cannot take the permissions of other users from {}: its owner must run the server", place.display()))
}

#[cfg(test)]
mod tests;
