//! Places for calls. A validator is called while a client waits, so no use case may keep those of others from running: its
//! validators get half of all places at the most. Processors are held to a number by who starts them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use postdate_core::host_fault::HostFault;
use postdate_core::plugin::Role;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::logs::Identity;

pub struct Slots {
    all: Arc<Semaphore>,
    count: u32,
    /// What one use case's validators may take.
    share: u32,
    /// By use case, whatever its version.
    shares: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A place, for as long as it is held.
pub struct Slot {
    _place: OwnedSemaphorePermit,
    _share: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub fn new(count: u32) -> Self {
        Self { all: Arc::new(Semaphore::new(count as usize)), count, share: count.div_ceil(2), shares: Mutex::default() }
    }

    /// Waits for a place, so long at the most; otherwise says what there was none of.
    pub async fn take(&self, plugin: &Identity, wait: Duration) -> Result<Slot, HostFault> {
        let until = Instant::now() + wait;
        let share = match plugin.role {
            Role::Process => None,
            // Before the place: who waits for its share takes nothing from others.
            Role::Validate => match timeout_at(until, self.share_of(&plugin.use_case).acquire_owned()).await {
                Ok(Ok(share)) => Some(share),
                _ => return Err(busy(self.share, "the validators of one use case")),
            },
        };
        match timeout_at(until, Arc::clone(&self.all).acquire_owned()).await {
            Ok(Ok(place)) => Ok(Slot { _place: place, _share: share }),
            _ => Err(busy(self.count, "plugins")),
        }
    }

    fn share_of(&self, use_case: &str) -> Arc<Semaphore> {
        // A map of semaphores is whole whatever its holder did.
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(use_case) {
            return Arc::clone(share);
        }
        let share = Arc::new(Semaphore::new(self.share as usize));
        shares.insert(use_case.to_owned(), Arc::clone(&share));
        share
    }
}

fn busy(count: u32, whose: &str) -> HostFault {
    HostFault::new(format!("a free slot for {whose} (all {count} busy)"), format!("all {count} slots for {whose} were busy"))
}

#[cfg(test)]
mod tests;
