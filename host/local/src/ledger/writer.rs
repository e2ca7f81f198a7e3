//! Group commit: one thread commits all queued changes in one transaction.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use postdate_core::ports::LedgerError;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::condition::{Condition, is_locked};
use super::failed;
use crate::metrics::Metrics;

/// Maximum number of changes in one transaction. Limits how long the first waits for the last.
const MAX_BATCH: usize = 512;
/// Capacity of the queue. Callers wait while it is full.
const QUEUE: usize = 4096;

pub struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Work>>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// How long a stop waits for readers in order to move all pages to the database file.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// A queued change.
trait Work: Send {
    /// Applies the change. Runs a second time, in a transaction of its own, if the shared transaction failed.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// Sends the result to the caller, after the commit or its failure.
    fn answer(self: Box<Self>, committed: Result<(), LedgerError>);
}

struct Task<F, T> {
    work: F,
    output: Option<T>,
    reply: oneshot::Sender<Result<T, LedgerError>>,
}

impl<T: Send, F: FnMut(&Connection) -> rusqlite::Result<T> + Send> Work for Task<F, T> {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        // Of a transaction that failed.
        self.output = None;
        self.output = Some((self.work)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), LedgerError>) {
        let Self { work, output, reply } = *self;
        // Frees what the change shares with its caller.
        drop(work);
        let not_run = || LedgerError::Failed("the change was not run".to_owned());
        // The change stays committed if its caller no longer waits.
        let _ = reply.send(committed.and_then(|()| output.ok_or_else(not_run)));
    }
}

impl Writer {
    /// Starts the thread. A panic of a change is fatal: the changes after it would never be made.
    pub fn start(mut connection: Connection, condition: Arc<Condition>, metrics: Metrics) -> Result<Self, LedgerError> {
        let (queue, mut waiting) = mpsc::channel::<Box<dyn Work>>(QUEUE);
        let fatal = condition.fatal.clone();
        let run = move || {
            while let Some(first) = waiting.blocking_recv() {
                let mut batch = vec![first];
                while batch.len() < MAX_BATCH
                    && let Ok(next) = waiting.try_recv()
                {
                    batch.push(next);
                }
                commit(&mut connection, &condition, &metrics, batch);
                if condition.is_asked_to_complete() {
                    // Passive: waits for no reader. The checkpointer retries a failure.
                    let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                }
            }
            // The queue is closed and empty: move everything to the database file, unless a reader prevents that for long.
            let _ = connection.busy_timeout(STOP_WAIT);
            let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        };
        let thread = fatal
            .thread("ledger-writer", run)
            .map_err(|error| LedgerError::Failed(format!("cannot start the ledger's writer thread: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Returns a way to test whether the ledger can be written again. Does not keep the writer running.
    pub fn prober(&self) -> Prober {
        Prober(self.queue.as_ref().map(mpsc::Sender::downgrade))
    }

    /// Queues `work` and returns after its commit.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let stopped = || LedgerError::Unavailable("the ledger is closing".to_owned());
        let (reply, answer) = oneshot::channel();
        let task = Box::new(Task { work, output: None, reply });
        self.queue.as_ref().ok_or_else(stopped)?.send(task).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// Queues a write that needs space on the disk and leaves nothing behind.
pub struct Prober(Option<mpsc::WeakSender<Box<dyn Work>>>);

impl Prober {
    /// Queues the write, unless the queue is full or closed.
    pub fn probe(&self) {
        let Some(queue) = self.0.as_ref().and_then(mpsc::WeakSender::upgrade) else { return };
        let work = |connection: &Connection| {
            // Longer than a page, so that it takes new ones.
            connection.execute("INSERT OR REPLACE INTO settings VALUES ('probe', hex(zeroblob(8192)))", [])?;
            connection.execute("DELETE FROM settings WHERE name = 'probe'", []).map(drop)
        };
        let (reply, _) = oneshot::channel();
        let _ = queue.try_send(Box::new(Task { work, output: None, reply }));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn commit(connection: &mut Connection, condition: &Condition, metrics: &Metrics, mut batch: Vec<Box<dyn Work>>) {
    let (changed, begun) = (connection.total_changes(), Instant::now());
    condition.begin_write(begun);
    let result = transact(connection, &mut batch);
    condition.end_write(&result);
    match &result {
        // A transaction without a change writes nothing, so its success proves nothing.
        Ok(()) if connection.total_changes() != changed => {
            metrics.committed(begun, batch.len());
            condition.wrote();
        }
        Ok(()) => {}
        Err(error) => condition.failed(error),
    }
    match result {
        // A lock concerns all of them.
        Err(error) if batch.len() > 1 && !is_locked(&error) => {
            // At least one change is faulty. Run each in its own transaction, so that only the faulty ones fail.
            for work in batch {
                commit(connection, condition, metrics, vec![work]);
            }
        }
        result => {
            let result = result.map_err(|error| failed(&error));
            for work in batch {
                work.answer(result.clone());
            }
        }
    }
}

fn transact(connection: &mut Connection, batch: &mut [Box<dyn Work>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for work in batch {
        work.run(&transaction)?;
    }
    transaction.commit()
}
