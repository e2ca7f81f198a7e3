//! The ledger's condition: what its threads know about disk and write-ahead log, for `GET /health` and for new requests.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use postdate_core::ports::LedgerState;
use rusqlite::{Error, ErrorCode};

use crate::supervise::Fatal;

/// Size of the write-ahead log in bytes above which `GET /health` and the log warn. The log is reset when it is in the database file as a
/// whole, which a long transaction of a reader prevents.
const LARGE_WAL: u64 = 256 << 20;

/// Time of a write after which `GET /health` says that writes wait: much longer than a slow disk takes.
const LONG_WRITE: Duration = Duration::from_secs(3);

/// Measures the free space of the ledger's disk in bytes; `None` if that is not known.
pub type Measure = Box<dyn Fn() -> Option<u64> + Send>;

/// Returns the measure of the disk that has this directory.
pub fn disk(directory: PathBuf) -> Measure {
    Box::new(move || rustix::fs::statvfs(&directory).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)))
}

/// Shared by the writer, the checkpointer and the API.
pub struct Condition {
    /// Free bytes of the disk below which no new request is stored, so that due ones can be fired.
    reserve: u64,
    known: Mutex<Known>,
    /// True if the writer should complete the checkpoint, see [`super::checkpoint`].
    completes: AtomicBool,
    /// True if the write-ahead log may have an erased body.
    erased: AtomicBool,
    pub fatal: Fatal,
}

#[derive(Default)]
struct Known {
    free: Option<u64>,
    wal: u64,
    /// Error of the last write, until a write succeeds.
    broken: Option<String>,
    /// Since when a write waits: the begin of the transaction that is being written, or of the first one in a row that found a lock.
    write_begun: Option<Instant>,
    is_low: bool,
    /// Size of the write-ahead log at the last warning.
    warned: u64,
}

impl Condition {
    pub fn new(reserve: u64, fatal: Fatal) -> Self {
        Self { reserve, known: Mutex::default(), completes: AtomicBool::new(false), erased: AtomicBool::new(false), fatal }
    }

    /// Returns the reason why no new request is stored.
    pub fn refusal(&self) -> Option<String> {
        let known = self.known();
        let free = known.free.filter(|_| known.is_low)?;
        Some(format!("its disk has {free} bytes free, and the last {} are kept for accepted requests", self.reserve))
    }

    pub fn state(&self) -> LedgerState {
        let refuses = self.fatal.get().or_else(|| self.known().broken.clone()).or_else(|| self.stuck()).or_else(|| self.refusal());
        let known = self.known();
        let warning = (known.wal > LARGE_WAL).then(|| large_wal(known.wal));
        LedgerState { refuses, warning, free_bytes: known.free, wal_bytes: Some(known.wal) }
    }

    /// Returns a text if a write waits for longer than [`LONG_WRITE`].
    pub fn stuck(&self) -> Option<String> {
        let waits = self.known().write_begun?.elapsed();
        let text =
            || format!("a write has waited for {} s: another program locks ledger.sqlite, or its disk is slow or hangs", waits.as_secs());
        (waits > LONG_WRITE).then(text)
    }

    pub fn begin_write(&self, now: Instant) {
        self.known().write_begun.get_or_insert(now);
    }

    pub fn end_write(&self, result: &rusqlite::Result<()>) {
        if !result.as_ref().is_err_and(is_locked) {
            self.known().write_begun = None;
        }
    }

    /// Returns whether only another write can show that the ledger can be written again.
    pub fn is_broken(&self) -> bool {
        self.known().broken.is_some() || self.stuck().is_some()
    }

    /// Records the sizes that the checkpointer sees, and logs what changed. Returns whether the disk is nearly full.
    pub fn measured(&self, wal: u64, free: Option<u64>) -> bool {
        let mut known = self.known();
        (known.wal, known.free) = (wal, free);
        let is_low = free.is_some_and(|free| free < self.reserve);
        if is_low && !known.is_low {
            tracing::error!(free, reserve = self.reserve, "the ledger's disk is nearly full: new requests are refused, accepted ones fire");
        } else if known.is_low && !is_low {
            tracing::warn!(free, "the ledger's disk has space again: new requests are accepted");
        }
        known.is_low = is_low;
        if wal <= LARGE_WAL {
            known.warned = 0;
        } else if wal >= known.warned.saturating_mul(2) {
            known.warned = wal;
            tracing::warn!("{}", large_wal(wal));
        }
        is_low
    }

    /// Records the end of a transaction that changed rows.
    pub fn wrote(&self) {
        if self.known().broken.take().is_some() {
            tracing::warn!("the ledger can be written again");
        }
    }

    /// Records the error of a transaction, if it says that the ledger cannot be written.
    pub fn failed(&self, error: &Error) {
        use ErrorCode::{CannotOpen, DatabaseCorrupt, DiskFull, NotADatabase, ReadOnly, SystemIoFailure};
        let what = match error.sqlite_error_code() {
            Some(DiskFull) => "its disk is full",
            Some(SystemIoFailure) => "its disk fails",
            Some(ReadOnly) => "its file is read-only",
            Some(CannotOpen) => "its file cannot be opened",
            Some(DatabaseCorrupt | NotADatabase) => "its file is corrupt",
            _ => return,
        };
        let before = self.known().broken.replace(format!("the ledger cannot be written: {what}"));
        if before.is_none() {
            tracing::error!(%error, "the ledger cannot be written: {what}");
        }
    }

    pub fn ask_to_complete(&self) {
        self.completes.store(true, Ordering::SeqCst);
    }

    /// Returns whether the writer was asked to complete a checkpoint since the last call.
    pub fn is_asked_to_complete(&self) -> bool {
        self.completes.swap(false, Ordering::SeqCst)
    }

    /// Records that the write-ahead log may have what was erased.
    pub fn erased(&self) {
        self.erased.store(true, Ordering::SeqCst);
    }

    /// Returns whether the write-ahead log has had something erased since the last call.
    pub fn has_erased(&self) -> bool {
        self.erased.swap(false, Ordering::SeqCst)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether another program holds the lock of the file.
pub fn is_locked(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn large_wal(bytes: u64) -> String {
    format!(
        "the ledger's write-ahead log has {bytes} bytes and grows while a program has a transaction open on ledger.sqlite: end that program"
    )
}

#[cfg(test)]
mod tests;
