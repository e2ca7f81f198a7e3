//! Checkpoints: moves committed pages from the WAL to the database file in a thread of its own. A checkpoint takes some milliseconds
//! of fsync, which the writer's callers would otherwise wait for.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use postdate_core::ports::LedgerError;
use rusqlite::Connection;

use super::connect;

const INTERVAL: Duration = Duration::from_millis(500);
/// WAL size in bytes below which no checkpoint is made.
const WORTHWHILE: u64 = 4 << 20;
/// WAL size in bytes above which a checkpoint blocks the writer in order to truncate the file.
const TOO_LARGE: u64 = 256 << 20;

pub struct Checkpointer {
    stop: Option<Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Checkpointer {
    pub fn start(path: &Path) -> Result<Self, LedgerError> {
        let connection = connect(path)?;
        let wal = PathBuf::from(format!("{}-wal", path.display()));
        let (stop, stopped) = channel::<()>();
        let run = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(INTERVAL) {
                checkpoint(&connection, &wal);
            }
        };
        let thread = thread::Builder::new()
            .name("ledger-checkpoint".to_owned())
            .spawn(run)
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

fn checkpoint(connection: &Connection, wal: &Path) {
    let size = std::fs::metadata(wal).map_or(0, |metadata| metadata.len());
    if size < WORTHWHILE {
        return;
    }
    let mode = if size > TOO_LARGE { "TRUNCATE" } else { "PASSIVE" };
    if let Err(error) = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())) {
        tracing::warn!(%error, "the ledger's checkpoint failed and will be retried");
    }
}
