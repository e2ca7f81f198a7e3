//! A pool of connections for readers, each opened at its first use.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use postdate_core::ports::LedgerError;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{connect, failed};

/// Maximum number of concurrent reads. A few suffice because reads are short.
const READERS: usize = 4;

pub struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Arc::default(), permits: Arc::new(Semaphore::new(READERS)) }
    }

    /// Runs `work` on a pooled connection in a blocking task. Waits while all readers are in use.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|_| LedgerError::Unavailable("the ledger is closing".to_owned()))?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let job = move || {
            let _permit = permit;
            let pooled = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match pooled {
                Some(connection) => connection,
                None => connect(&path)?,
            };
            let result = work(&connection).map_err(|error| failed(&error));
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            result
        };
        tokio::task::spawn_blocking(job).await.map_err(|error| LedgerError::Failed(format!("a read of the ledger was aborted: {error}")))?
    }
}
