//! Slots for calls. A client waits while its validator runs, so the validators of one use case must not block those of the others.
//! They get at most half of all slots. The caller bounds the number of processors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use postdate_core::plugin::Role;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::call::logs::Identity;

pub struct Slots {
    all: Arc<Semaphore>,
    count: u32,
    /// The most slots that the validators of one use case may take.
    share: u32,
    /// The slots of validators, by use case; all versions share them.
    shares: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A call waited for a slot until its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSlot {
    #[error("all {slots} slots for plugins were busy")]
    All { slots: u32 },
    #[error("all {slots} slots that the validators of one use case may take were busy")]
    Share { slots: u32 },
}

/// A slot, which is free again when this value is dropped.
pub struct Slot {
    _slot: OwnedSemaphorePermit,
    _share: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub fn new(count: u32) -> Self {
        Self { all: Arc::new(Semaphore::new(count as usize)), count, share: count.div_ceil(2), shares: Mutex::default() }
    }

    /// Waits for a slot for at most `wait`.
    pub async fn take(&self, plugin: &Identity, wait: Duration) -> Result<Slot, NoSlot> {
        let until = Instant::now() + wait;
        let share = match plugin.role {
            Role::Process => None,
            // The share is taken first, so that a call that waits for it holds no slot.
            Role::Validate => match timeout_at(until, self.share_of(&plugin.use_case).acquire_owned()).await {
                Ok(Ok(share)) => Some(share),
                _ => return Err(NoSlot::Share { slots: self.share }),
            },
        };
        match timeout_at(until, Arc::clone(&self.all).acquire_owned()).await {
            Ok(Ok(slot)) => Ok(Slot { _slot: slot, _share: share }),
            _ => Err(NoSlot::All { slots: self.count }),
        }
    }

    fn share_of(&self, use_case: &str) -> Arc<Semaphore> {
        // The map of semaphores is valid even after a panic of its holder.
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(use_case) {
            return Arc::clone(share);
        }
        let share = Arc::new(Semaphore::new(self.share as usize));
        shares.insert(use_case.to_owned(), Arc::clone(&share));
        share
    }
}

#[cfg(test)]
mod tests;
