//! Places for calls that hold much or for long: batches and long polls. They are shared fairly among the callers, so that none takes all.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postdate_core::access::Caller;
use postdate_core::fair::Shares;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Places of which a caller may have as many as are free for all others: one caller gets half of them.
pub struct Places {
    shares: Mutex<Shares<Option<String>>>,
    freed: Notify,
}

/// A place. Free again when dropped.
pub struct Held<'a> {
    of: &'a Places,
    who: Option<String>,
}

impl Places {
    pub fn new(total: usize) -> Self {
        Self { shares: Mutex::new(Shares::new(total as u64)), freed: Notify::new() }
    }

    /// Returns a place, if one is free for the caller.
    pub fn take(&self, caller: &Caller) -> Option<Held<'_>> {
        self.shares().take(&caller.name, 1).then(|| Held { of: self, who: caller.name.clone() })
    }

    /// Returns a place, after a wait of up to `patience` if need be.
    pub async fn wait(&self, caller: &Caller, patience: Duration) -> Option<Held<'_>> {
        let taken = async {
            loop {
                // Before the look, so that no place is missed that is given back after it.
                let mut freed = pin!(self.freed.notified());
                freed.as_mut().enable();
                if let Some(place) = self.take(caller) {
                    return place;
                }
                freed.await;
            }
        };
        timeout(patience, taken).await.ok()
    }

    fn shares(&self) -> MutexGuard<'_, Shares<Option<String>>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.of.shares().give_back(&self.who, 1);
        self.of.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
