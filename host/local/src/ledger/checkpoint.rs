//! Checkpoints: moves committed pages from the WAL to the database file in a thread of its own. A checkpoint takes some milliseconds
//! of fsync, which the writer's callers would otherwise wait for.
//!
//! Every checkpoint is a passive one, which waits for nobody; that which empties the log after an erasure also keeps the writer out for a
//! moment. SQLite starts the WAL again from its beginning once all of it is in the database file and no reader is in it. Under a steady
//! load the writer is always some pages ahead. The writer then moves the last pages itself, between two transactions. SQLite syncs the
//! database file only in a checkpoint that leaves nothing, and the pages of many would take the writer tens of milliseconds, so this thread
//! syncs the file before. A reader with a long transaction prevents the restart: the WAL grows, which [`Condition`] reports, and nobody
//! waits for the reader.

use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use postdate_core::ports::LedgerError;
use rusqlite::{Connection, Row};

use super::condition::{Condition, Measure};
use super::writer::Prober;
use super::{BUSY, connect, pragma};

const INTERVAL: Duration = Duration::from_millis(500);
/// WAL size in bytes below which no checkpoint is made, unless the disk is nearly full.
const WORTHWHILE: u64 = 4 << 20;
/// Length of the WAL in bytes of pages above which the writer completes a checkpoint.
const COMPLETED_ABOVE: u64 = 64 << 20;
/// Size in bytes to which SQLite cuts the file when the WAL starts again. The WAL is seldom longer then, and the cut takes milliseconds.
pub const CUT_TO: u64 = 2 * COMPLETED_ABOVE;
/// Most pages that a checkpoint leaves to the writer.
const LEFT_TO_THE_WRITER: i64 = 1024;

pub struct Checkpointer {
    stop: Option<Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread. `database` is the file at `path`.
    pub fn start(
        path: &Path,
        database: Arc<File>,
        condition: &Arc<Condition>,
        measure: Measure,
        prober: Prober,
    ) -> Result<Self, LedgerError> {
        let (stop, stopped) = channel::<()>();
        let keeper = Keeper {
            connection: connect(path)?,
            database,
            synced: Cell::default(),
            wal: log_of(path),
            condition: Arc::clone(condition),
            measure,
            prober,
        };
        keeper.measured();
        let run = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(INTERVAL) {
                keeper.look();
            }
        };
        let thread = condition
            .fatal
            .thread("ledger-checkpoint", run)
            .map_err(|error| LedgerError::Failed(format!("cannot start the ledger's checkpoint thread: {error}")))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Keeper {
    connection: Connection,
    database: Arc<File>,
    /// Pages of the log that had been moved at the last sync.
    synced: Cell<i64>,
    wal: PathBuf,
    condition: Arc<Condition>,
    measure: Measure,
    prober: Prober,
}

/// Result of a passive checkpoint.
struct Passive {
    /// Length of the log in bytes of pages.
    log: u64,
    /// Pages of the log that readers or the writer kept in it.
    left: i64,
}

impl Keeper {
    /// Records the sizes. Returns the WAL's in bytes, and whether the disk is nearly full.
    fn measured(&self) -> (u64, bool) {
        let wal = size(&self.wal);
        (wal, self.condition.measured(wal, (self.measure)()))
    }

    fn look(&self) {
        if self.condition.is_broken() {
            self.prober.probe();
        }
        let (wal, is_low) = self.measured();
        if self.condition.has_erased() && !self.truncate() {
            // The next look tries again.
            self.condition.erased();
        }
        if wal < WORTHWHILE && !(is_low && wal > 0) {
            return;
        }
        if let Err(error) = self.checkpoint() {
            tracing::warn!(%error, "the ledger's checkpoint failed and will be retried");
        }
    }

    /// Returns whether the disk has room for the pages that the database file lacks. A checkpoint that finds it full half-way has used the
    /// last space, which the writer needs, and has freed none.
    fn has_room(&self) -> anyhow::Result<bool> {
        let (pages, page) = (pragma(&self.connection, "page_count")?, pragma(&self.connection, "page_size")?);
        let growth = (u64::from(pages) * u64::from(page)).saturating_sub(self.database.metadata()?.len());
        Ok((self.measure)().is_none_or(|free| free >= growth))
    }

    /// Makes a passive checkpoint, and syncs the database file after one that moved pages of a long log.
    fn passive(&self) -> anyhow::Result<Passive> {
        let pages = |row: &Row<'_>| Ok((row.get(1)?, row.get(2)?));
        let (all, moved): (i64, i64) = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], pages)?;
        let Ok(pages) = u64::try_from(all) else {
            // Another connection makes a checkpoint.
            return Ok(Passive { log: 0, left: i64::MAX });
        };
        let log = pages * u64::from(pragma(&self.connection, "page_size")?);
        if log >= WORTHWHILE && self.synced.get() != moved {
            self.database.sync_data().context("cannot sync the database file")?;
            self.synced.set(moved);
        }
        Ok(Passive { log, left: all - moved })
    }

    /// Empties the write-ahead log. Returns false if that fails, if the disk has no room, or if a reader or the writer is in it. Waits for
    /// none of them.
    fn truncate(&self) -> bool {
        let empty = || {
            if !self.has_room()? {
                return Ok(false);
            }
            self.passive()?;
            // The last checkpoint keeps the writer out, so little must be left to it.
            if !self.has_room()? || self.passive()?.left > LEFT_TO_THE_WRITER {
                return Ok(false);
            }
            self.connection.busy_timeout(Duration::ZERO)?;
            let is_busy = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
            self.connection.busy_timeout(BUSY)?;
            Ok(!is_busy?)
        };
        empty().unwrap_or_else(|error: anyhow::Error| {
            tracing::warn!(%error, "the log with what was erased could not be emptied, which will be retried");
            false
        })
    }

    fn checkpoint(&self) -> anyhow::Result<()> {
        if !self.has_room()? || self.passive()?.log <= COMPLETED_ABOVE {
            return Ok(());
        }
        // Moves what was written during the first, so that the writer has little to move and to sync.
        if self.has_room()? && self.passive()?.left <= LEFT_TO_THE_WRITER {
            self.condition.ask_to_complete();
        }
        Ok(())
    }
}

/// Returns the path of a ledger's write-ahead log.
pub fn log_of(ledger: &Path) -> PathBuf {
    let mut log = ledger.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Returns the size of a file in bytes, 0 if there is none.
pub fn size(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}
