//! Restores a data directory from a backup, or its ledger from any copy of it.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, ensure};
use chrono::Utc;
use rusqlite::{Connection, OptionalExtension as _};

use crate::backup::{FILES_TABLE, MADE_AT};
use crate::data_dir::{self, LEDGER_FILE, RESTORING_DIR, SHM_FILE, STAGING_DIR, STORE_DIR, WAL_FILE};
use crate::ledger;
use crate::maintenance::now_of;

/// Options of [`restore`].
#[derive(Debug, Clone)]
pub struct Restore {
    /// A backup, or a copy of a ledger.
    pub from: PathBuf,
    pub data: PathBuf,
    /// Moves a ledger and a store in the data directory aside. Without it, their presence is an error.
    pub overwrite: bool,
    /// Starts requests that ran or were due, instead of holding them. They may have run since the backup.
    pub run_due: bool,
}

/// Result of [`restore`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Time of the backup, in RFC 3339; `None` for a copy that [`back_up`](crate::back_up) did not make.
    pub made_at: Option<String>,
    pub requests: u64,
    /// Requests that ran or were due, and are held.
    pub held: usize,
    /// Files of the store; `None` if the copy has none, and the store stays as it is.
    pub files: Option<u64>,
    /// Directory with the former ledger and store.
    pub former: Option<PathBuf>,
}

/// Replaces the ledger of the data directory, and its store if the backup has one. Holds what ran or was due. Checks the whole
/// backup and puts everything together before it changes the directory, and moves everything back if a part of it cannot be moved. Fails
/// if a server runs on it.
pub fn restore(options: &Restore) -> anyhow::Result<Restored> {
    let Restore { from, data, overwrite, run_due } = options;
    ensure!(from.is_file(), "there is no file {}: name a backup with --from", from.display());
    ledger::check(from)?;
    let _lock = data_dir::lock(data)?;
    data_dir::delete_staging(data)?;
    let replaces = |name| data.join(name).exists();
    ensure!(
        *overwrite || !(replaces(LEDGER_FILE) || has_files(&ledger::read_only(from)?)? && replaces(STORE_DIR)),
        "{} has a ledger or a store already: with --overwrite, they are moved aside and replaced",
        data.display()
    );
    let staged = data.join(STAGING_DIR);
    fs::create_dir(&staged).with_context(|| format!("cannot make {}", staged.display()))?;
    let put = || -> anyhow::Result<Restored> {
        let restored = stage(from, &staged, *run_due)?;
        Ok(Restored { former: swap(data, &staged)?, ..restored })
    };
    put().inspect_err(|_| drop(fs::remove_dir_all(&staged)))
}

/// Puts ledger and store together in the directory `staged`.
fn stage(from: &Path, staged: &Path, run_due: bool) -> anyhow::Result<Restored> {
    let path = staged.join(LEDGER_FILE);
    ledger::copy(from, &path)?;
    let mut ledger = ledger::open_copy(&path)?;
    let made_at: Option<String> = ledger.query_row("SELECT value FROM settings WHERE name = ?1", [MADE_AT], |row| row.get(0)).optional()?;
    let files = write_files(&ledger, &staged.join(STORE_DIR))?;
    ledger.execute_batch(&format!("DROP TABLE IF EXISTS {FILES_TABLE}; DELETE FROM settings WHERE name = '{MADE_AT}'"))?;
    let reason = match &made_at {
        Some(made_at) => format!("restored from a backup of {made_at}: it may have run since"),
        None => "restored from a copy of the ledger: it may have run since".to_owned(),
    };
    let held = if run_due {
        0
    } else {
        let now = now_of(&ledger)?;
        ledger::hold_due(&mut ledger, now, &reason)?
    };
    let requests: i64 = ledger.query_row("SELECT count(*) FROM requests", [], |row| row.get(0))?;
    // Moves everything to the database file, and is not needed for the result.
    ledger.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(Restored { made_at, requests: requests.unsigned_abs(), held, files, former: None })
}

/// Writes the files of a backup into the new directory `store`. Returns their number, or `None` if the backup has none.
fn write_files(backup: &Connection, store: &Path) -> anyhow::Result<Option<u64>> {
    if !has_files(backup)? {
        return Ok(None);
    }
    fs::create_dir(store)?;
    let mut select = backup.prepare(&format!("SELECT path, content FROM {FILES_TABLE} ORDER BY rowid"))?;
    let mut rows = select.query([])?;
    let (mut files, mut open): (u64, Option<(String, File)>) = (0, None);
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let mut file = match open.take() {
            Some((last, file)) if last == name => file,
            last => {
                last.map(|(_, file)| file.sync_all()).transpose()?;
                files += 1;
                create(store, &name)?
            }
        };
        file.write_all(row.get_ref(1)?.as_blob()?).with_context(|| format!("cannot write {name}"))?;
        open = Some((name, file));
    }
    open.map(|(_, file)| file.sync_all()).transpose()?;
    Ok(Some(files))
}

fn has_files(backup: &Connection) -> rusqlite::Result<bool> {
    backup.query_row("SELECT count(*) FROM sqlite_schema WHERE name = ?1", [FILES_TABLE], |row| row.get(0))
}

/// Creates a file below the store with its directories. Fails for a name that leads out of the store.
fn create(store: &Path, name: &str) -> anyhow::Result<File> {
    let is_below = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    ensure!(is_below && !name.is_empty(), "the backup has a file {name:?}, which is not below the store");
    let path = store.join(name);
    let cannot_write = || format!("cannot write {}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(store)).with_context(cannot_write)?;
    OpenOptions::new().write(true).create_new(true).open(&path).with_context(cannot_write)
}

/// Moves the former ledger and store aside, and the new ones into their place. Returns the directory of the former ones. If a move
/// fails, takes back the others, so that the restore can be repeated.
fn swap(data: &Path, staged: &Path) -> anyhow::Result<Option<PathBuf>> {
    let former = data.join(format!("replaced-{}", Utc::now().format("%Y%m%dT%H%M%S%3fZ")));
    // The store first: it may be a mount point, which cannot be moved.
    let mut replaced = vec![STORE_DIR, LEDGER_FILE, WAL_FILE, SHM_FILE];
    replaced.retain(|name| data.join(name).exists() && (*name != STORE_DIR || staged.join(name).exists()));
    let aside = replaced.iter().map(|name| (data.join(name), former.join(name)));
    let new = [STORE_DIR, LEDGER_FILE].map(|name| (staged.join(name), data.join(name)));
    let moves: Vec<(PathBuf, PathBuf)> = aside.chain(new.into_iter().filter(|(from, _)| from.exists())).collect();
    let marker = data.join(RESTORING_DIR);
    // A marker of a restore that was cut off stays until another one succeeds.
    let was_whole = !marker.exists();
    let replace = || -> anyhow::Result<()> {
        fs::create_dir_all(&marker).with_context(|| format!("cannot make {}", marker.display()))?;
        sync(data)?;
        if !replaced.is_empty() {
            fs::create_dir(&former).with_context(|| format!("cannot make {}", former.display()))?;
        }
        move_all(&moves)
    };
    if let Err(error) = replace() {
        let is_as_before = moves.iter().all(|(from, _)| from.exists());
        if !is_as_before {
            let place = former.display();
            return Err(error.context(format!("a part of the former ledger and store is in {place}: repeat the restore with --overwrite")));
        }
        let _ = fs::remove_dir(&former);
        if was_whole {
            let _ = fs::remove_dir(&marker);
        }
        return Err(error);
    }
    let is_in_place = || format!("the backup is in its place, and the former ledger and store in {}", former.display());
    sync(data).with_context(is_in_place)?;
    fs::remove_dir_all(&marker).with_context(|| format!("cannot delete {}: delete it", marker.display())).with_context(is_in_place)?;
    // A write-ahead log beside the new ledger would be read as part of it, so the rest of the staging is deleted, not moved.
    data_dir::delete_staging(data)?;
    sync(data)?;
    Ok((!replaced.is_empty()).then_some(former))
}

/// Makes the moves in their order. If one fails, takes back the earlier ones, as far as that is possible.
fn move_all(moves: &[(PathBuf, PathBuf)]) -> anyhow::Result<()> {
    for (done, (from, to)) in moves.iter().enumerate() {
        if let Err(error) = fs::rename(from, to) {
            for (from, to) in moves[..done].iter().rev() {
                let _ = fs::rename(to, from);
            }
            return Err(error).with_context(|| format!("cannot move {} to {}", from.display(), to.display()));
        }
    }
    Ok(())
}

fn sync(directory: &Path) -> anyhow::Result<()> {
    File::open(directory).and_then(|file| file.sync_all()).with_context(|| format!("cannot sync {}", directory.display()))
}

#[cfg(test)]
mod tests;
