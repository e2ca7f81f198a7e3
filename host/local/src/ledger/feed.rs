//! The feed of changes: each request after its change is stored, for those who wait for it.

use std::sync::Arc;
use std::time::Duration;

use postdate_core::id::CorrelationId;
use postdate_core::request::Request;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::SqliteLedger;

/// Changes that a slow reader may be behind. A reader further behind misses some, and gets an error for it.
const CAPACITY: usize = 1024;

pub struct Feed {
    changes: Sender<Arc<Request>>,
    /// Cancelled when the server stops.
    closing: CancellationToken,
}

impl Default for Feed {
    fn default() -> Self {
        Self { changes: channel(CAPACITY).0, closing: CancellationToken::new() }
    }
}

impl Feed {
    /// Sends a request to the readers. Without a reader, it costs one look at a counter.
    pub fn send(&self, after: &Request) {
        if self.changes.receiver_count() > 0 {
            // Fails if the last reader has just left.
            let _ = self.changes.send(Arc::new(after.clone()));
        }
    }
}

impl SqliteLedger {
    /// Returns the changes that are stored from now on. A change of a request may be there before the call that made it is answered.
    pub fn changes(&self) -> Receiver<Arc<Request>> {
        self.inner.feed.changes.subscribe()
    }

    /// Ends every wait for a change, so that none delays the stop of the server.
    pub fn stop_waiting(&self) {
        self.inner.feed.closing.cancel();
    }

    /// Returns once the server stops.
    pub async fn closing(&self) {
        self.inner.feed.closing.cancelled().await;
    }

    /// Waits for the end of a request. Returns early if the ledger cannot tell: the caller looks anyway.
    pub(super) async fn end_of(&self, id: CorrelationId, time: Duration) {
        let mut changes = self.changes();
        let is_open = async || self.request(id).await.is_ok_and(|found| found.is_some_and(|request| !request.status.is_end()));
        let ended = async {
            // After the subscription, so that no end is missed.
            while is_open().await {
                loop {
                    match changes.recv().await {
                        Ok(request) if request.id == id && request.status.is_end() => return,
                        Ok(_) => {}
                        Err(RecvError::Lagged(_)) => break,
                        Err(RecvError::Closed) => return,
                    }
                }
            }
        };
        // The time is over: the caller shows the request as it is.
        let _ = timeout(time, self.inner.feed.closing.run_until_cancelled(ended)).await;
    }
}
