//! The feed of changes: each request after its change is stored, for those who wait for it.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postdate_core::id::CorrelationId;
use postdate_core::request::Request;
use tokio::sync::Notify;
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::SqliteLedger;

/// Changes that a slow reader may be behind. A reader further behind misses some, and gets an error for it.
const CAPACITY: usize = 1024;

pub struct Feed {
    changes: Sender<Arc<Request>>,
    /// Requests whose ends are awaited, each with the number of those who wait. Apart from the changes: a change would wake each of
    /// them, and most changes are of no request that one of them waits for.
    ends: Mutex<HashMap<CorrelationId, (usize, Arc<Notify>)>>,
    /// Cancelled when the server stops.
    closing: CancellationToken,
}

impl Default for Feed {
    fn default() -> Self {
        Self { changes: channel(CAPACITY).0, ends: Mutex::default(), closing: CancellationToken::new() }
    }
}

impl Feed {
    /// Sends a request to the readers, and wakes those who wait for its end. Without a reader, it costs one look at a counter, and at
    /// the awaited requests for an end.
    pub fn send(&self, after: &Request) {
        if after.status.is_end()
            && let Some((_, ended)) = self.ends().get(&after.id)
        {
            ended.notify_waiters();
        }
        if self.changes.receiver_count() > 0 {
            // Fails if the last reader has just left.
            let _ = self.changes.send(Arc::new(after.clone()));
        }
    }

    /// Returns a wait for ends of a request after this call.
    fn wait_for_end(&self, id: CorrelationId) -> EndWait<'_> {
        let mut ends = self.ends();
        let (waiting, ended) = ends.entry(id).or_default();
        *waiting += 1;
        EndWait { feed: self, id, ended: Arc::clone(ended) }
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<CorrelationId, (usize, Arc<Notify>)>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for the end of a request.
struct EndWait<'a> {
    feed: &'a Feed,
    id: CorrelationId,
    ended: Arc<Notify>,
}

impl Drop for EndWait<'_> {
    fn drop(&mut self) {
        let mut ends = self.feed.ends();
        if let Some((waiting, _)) = ends.get_mut(&self.id) {
            *waiting -= 1;
            if *waiting == 0 {
                ends.remove(&self.id);
            }
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
        let wait = self.inner.feed.wait_for_end(id);
        let mut end = pin!(wait.ended.notified());
        // Before the look at the request, so that no end is missed.
        end.as_mut().enable();
        let ended = async {
            if self.request(id).await.is_ok_and(|found| found.is_some_and(|request| !request.status.is_end())) {
                end.await;
            }
        };
        // The time is over: the caller shows the request as it is.
        let _ = timeout(time, self.inner.feed.closing.run_until_cancelled(ended)).await;
    }
}

#[cfg(test)]
mod tests;
