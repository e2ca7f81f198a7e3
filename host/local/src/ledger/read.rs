//! Readers: threads with a connection each. They are not tokio's blocking threads, which a plugin's look-ups of names can fill.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use postdate_core::ports::LedgerError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{failed, open};

/// Capacity of the queue. Callers wait while it is full.
const QUEUE: usize = 64;

/// A read, on the thread's connection, which is opened again after a read that panicked.
type Job = Box<dyn FnOnce(&mut Option<Connection>) + Send>;

pub struct Readers {
    queue: Option<mpsc::Sender<Job>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Readers {
    /// Starts `count` threads, which is the maximum number of concurrent reads. Opens their connections, so that reads go on when the
    /// process has no file descriptor left.
    pub fn start(path: &Path, count: usize) -> Result<Self, LedgerError> {
        let (queue, waiting) = mpsc::channel::<Job>(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        let opened = (0..count).map(|_| {
            let connection = open(path)?;
            // SQLite opens the write-ahead log at the first read.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(connection)
        });
        let opened: Vec<Connection> = opened.collect::<rusqlite::Result<_>>().map_err(|error| failed(&error))?;
        let reader = |connection| {
            let waiting = Arc::clone(&waiting);
            thread::Builder::new().name("ledger-reader".to_owned()).spawn(move || {
                let mut connection = Some(connection);
                // One idle thread waits for the next job, and the others wait for the lock.
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                while let Some(job) = next() {
                    // The caller gets an error, and the connection is opened again.
                    if catch_unwind(AssertUnwindSafe(|| job(&mut connection))).is_err() {
                        connection = None;
                    }
                }
            })
        };
        let threads = opened.into_iter().map(reader).collect::<std::io::Result<_>>();
        let threads = threads.map_err(|error| LedgerError::Failed(format!("cannot start a thread for the ledger's reads: {error}")))?;
        Ok(Self { queue: Some(queue), threads })
    }

    /// Runs `work` on a thread of the pool. Waits while all of them are in use.
    pub async fn read<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let stopped = || LedgerError::Unavailable("the ledger is closing".to_owned());
        let (reply, answer) = oneshot::channel();
        let path = path.to_owned();
        let job = move |idle: &mut Option<Connection>| {
            let read = || -> rusqlite::Result<T> {
                let connection = match idle.take() {
                    Some(connection) => connection,
                    None => open(&path)?,
                };
                let result = work(&connection);
                *idle = Some(connection);
                result
            };
            // The caller may no longer wait.
            let _ = reply.send(read().map_err(|error| failed(&error)));
        };
        self.queue.as_ref().ok_or_else(stopped)?.send(Box::new(job)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| LedgerError::Failed("a read of the ledger was aborted".to_owned()))?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
