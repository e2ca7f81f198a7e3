//! A semaphore whose permits are shared fairly among the callers, for calls that hold much or for long: batches and long polls.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postdate_core::access::Caller;
use postdate_core::fair::Shares;
use tokio::sync::Notify;
use tokio::time::timeout;

/// A semaphore of whose permits a caller may have as many as are free for all others: a caller that is alone gets half.
pub struct FairSemaphore {
    shares: Mutex<Shares<Option<String>>>,
    freed: Notify,
}

/// A permit. Given back when dropped.
pub struct Permit<'a> {
    of: &'a FairSemaphore,
    who: Option<String>,
}

impl FairSemaphore {
    pub fn new(total: usize) -> Self {
        Self { shares: Mutex::new(Shares::new(total as u64)), freed: Notify::new() }
    }

    /// Returns a permit, if one is free for the caller.
    pub fn take(&self, caller: &Caller) -> Option<Permit<'_>> {
        self.shares().take(&caller.name, 1).then(|| Permit { of: self, who: caller.name.clone() })
    }

    /// Returns a permit, after a wait of up to `patience` if need be.
    pub async fn wait(&self, caller: &Caller, patience: Duration) -> Option<Permit<'_>> {
        let taken = async {
            loop {
                // Before the look, so that no permit is missed that is given back after it.
                let mut freed = pin!(self.freed.notified());
                freed.as_mut().enable();
                if let Some(permit) = self.take(caller) {
                    return permit;
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

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.of.shares().give_back(&self.who, 1);
        self.of.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
