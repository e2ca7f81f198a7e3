//! Slots and memory for calls, shared by the rule of [`postdate_core::fair`]. Validators and processors have slots apart, because a client
//! waits while its validator runs. Their memory is one budget. A call takes a slot of its role and the memory limit of its plugin.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postdate_core::fair::{Rank, Shares};
use postdate_core::plugin::Role;
use tokio::sync::oneshot;

use crate::call::logs::Identity;

/// A handle on the slots; clones share them.
#[derive(Clone)]
pub struct Slots(Arc<Mutex<State>>);

/// All versions of a use case share what one role of it may take.
type Holder = (Role, String);

struct State {
    /// Slots of each role.
    count: u32,
    validators: Shares<Holder>,
    processors: Shares<Holder>,
    /// In bytes. Both roles of a use case share what it may take.
    memory: Shares<String>,
    /// In bytes.
    total_memory: u64,
    /// Calls that wait, oldest first.
    waiting: BTreeMap<Holder, VecDeque<Waiter>>,
}

struct Waiter {
    memory: u64,
    grant: oneshot::Sender<Slot>,
}

/// Returns the most memory that one call of several may take of a budget, in bytes: an eighth stays free for small calls.
#[must_use]
pub fn without_reserve(memory: u64) -> u64 {
    memory - memory / 8
}

/// A call waited for a slot until its deadline. `slots` is the number of the role's slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSlot {
    #[error("all {slots} slots for {role} plugins were busy")]
    All { role: Role, slots: u32 },
    #[error("the {role} plugin of the use case had as many of the {slots} slots as were free for all others")]
    Share { role: Role, slots: u32 },
    /// In bytes: what the call needs, what was free, and the budget.
    #[error(
        "the {role} plugin needs {needed} bytes of memory; {free} of the host's {total} bytes were free, and a use case may hold as much as is free for all others"
    )]
    Memory { role: Role, needed: u64, free: u64, total: u64 },
}

/// The part of a limited quantity that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub used: u64,
    pub total: u64,
}

/// A slot with its memory, which are free again when this value is dropped.
pub struct Slot {
    slots: Slots,
    holder: Holder,
    memory: u64,
}

impl Slots {
    /// Makes `count` slots for each role. `memory` is the budget of all calls together, in bytes.
    pub fn new(count: u32, memory: u64) -> Self {
        let slots = || Shares::new(count.into());
        let (validators, processors, waiting) = (slots(), slots(), BTreeMap::new());
        let shares = Shares::with_reserve(memory, memory - without_reserve(memory));
        Self(Arc::new(Mutex::new(State { count, validators, processors, memory: shares, total_memory: memory, waiting })))
    }

    /// Returns the used slots of a role.
    pub fn usage(&self, role: Role) -> Usage {
        let mut state = self.state();
        Usage { used: state.slots(role).used(), total: state.count.into() }
    }

    /// Returns the memory in use, in bytes.
    pub fn memory_usage(&self) -> Usage {
        let state = self.state();
        Usage { used: state.memory.used(), total: state.total_memory }
    }

    /// Waits for a slot and `memory` bytes, or for the whole budget if that is less, for at most `wait`.
    pub async fn take(&self, plugin: &Identity, memory: u64, wait: Duration) -> Result<Slot, NoSlot> {
        let holder = (plugin.role, plugin.use_case.clone());
        let (memory, granted) = {
            let mut state = self.state();
            let memory = memory.min(state.total_memory);
            if !state.has_waiting(&holder) && state.take(&holder, memory) {
                return Ok(Slot { slots: self.clone(), holder, memory });
            }
            let (grant, granted) = oneshot::channel();
            state.queue(&holder).push_back(Waiter { memory, grant });
            (memory, granted)
        };
        match tokio::time::timeout(wait, granted).await {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(self.state().missing(&holder, memory)),
        }
    }

    /// Serves those who wait, as far as the rule lets it.
    fn grant(&self) {
        loop {
            let Some((holder, Waiter { memory, grant })) = self.state().next() else { return };
            // Without a receiver, the slot comes back and is free again.
            let _ = grant.send(Slot { slots: self.clone(), holder, memory });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A change of the state does not panic between its parts, so the state is valid even after a panic of its holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn slots(&mut self, role: Role) -> &mut Shares<Holder> {
        match role {
            Role::Validate => &mut self.validators,
            Role::Process => &mut self.processors,
        }
    }

    /// Returns whether a call of the holder waits. Makes no queue, since almost no call waits.
    fn has_waiting(&mut self, holder: &Holder) -> bool {
        self.waiting.contains_key(holder) && !self.queue(holder).is_empty()
    }

    /// Returns the queue of a holder, without the calls that no longer wait.
    fn queue(&mut self, holder: &Holder) -> &mut VecDeque<Waiter> {
        let queue = self.waiting.entry(holder.clone()).or_default();
        queue.retain(|waiter| !waiter.grant.is_closed());
        queue
    }

    fn may_take(&mut self, holder: &Holder, memory: u64) -> bool {
        self.slots(holder.0).may_take(holder, 1) && self.memory.may_take(&holder.1, memory)
    }

    /// Takes a slot and memory, or neither. Returns whether it took.
    fn take(&mut self, holder: &Holder, memory: u64) -> bool {
        self.may_take(holder, memory) && self.slots(holder.0).take(holder, 1) && self.memory.take(&holder.1, memory)
    }

    /// Takes a slot for the waiting call whose turn it is, if the rule lets it have one.
    fn next(&mut self) -> Option<(Holder, Waiter)> {
        let holders: Vec<Holder> = self.waiting.keys().cloned().collect();
        let mut first: Option<(Rank, Holder, u64)> = None;
        for holder in holders {
            let Some(memory) = self.queue(&holder).front().map(|waiter| waiter.memory) else {
                self.waiting.remove(&holder);
                continue;
            };
            let rank = self.slots(holder.0).rank(&holder);
            if self.may_take(&holder, memory) && first.as_ref().is_none_or(|(least, ..)| rank < *least) {
                first = Some((rank, holder, memory));
            }
        }
        let (_, holder, memory) = first?;
        self.take(&holder, memory);
        let waiter = self.queue(&holder).pop_front()?;
        Some((holder, waiter))
    }

    /// Returns what a call lacks.
    fn missing(&mut self, holder: &Holder, memory: u64) -> NoSlot {
        let (role, slots) = (holder.0, self.count);
        if self.slots(role).free() == 0 {
            NoSlot::All { role, slots }
        } else if self.slots(role).may_take(holder, 1) {
            NoSlot::Memory { role, needed: memory, free: self.memory.free(), total: self.total_memory }
        } else {
            NoSlot::Share { role, slots }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        {
            let mut state = self.slots.state();
            state.slots(self.holder.0).give_back(&self.holder, 1);
            state.memory.give_back(&self.holder.1, self.memory);
        }
        self.slots.grant();
    }
}

#[cfg(test)]
mod tests;
