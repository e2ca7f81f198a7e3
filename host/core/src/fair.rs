//! Shares something limited, such as slots or memory, among those who want it.
//!
//! A holder may have at most as much as is free for all others. Therefore nobody takes everything: one holder gets half, two get a third
//! each, and a newcomer still finds some. The rule is that of shared buffers in network switches: A. K. Choudhury, E. L. Hahne, "Dynamic
//! Queue Length Thresholds", 1998, with a factor of 1. A free unit goes first to the waiting holder that has least.

use std::collections::BTreeMap;

/// Returns whether a holder of `held` may take `wanted` more, of which `free` are free.
pub fn may_take(held: u64, wanted: u64, free: u64) -> bool {
    held.saturating_add(wanted) <= free
}

/// A limited quantity, and its holders.
#[derive(Debug, Clone)]
pub struct Shares<K> {
    total: u64,
    free: u64,
    /// A part that only holders of no more than that may take.
    reserve: u64,
    holders: BTreeMap<K, Holder>,
    /// Number of grants so far.
    grants: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Holder {
    held: u64,
    /// Number of the latest grant.
    granted: u64,
}

/// The order in which those who wait are served, the least first: by what they hold, then by the time of their latest grant. The second
/// part alternates between holders where there is only one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    held: u64,
    granted: u64,
}

impl<K: Ord + Clone> Shares<K> {
    pub fn new(total: u64) -> Self {
        Self::with_reserve(total, 0)
    }

    /// Keeps `reserve` for those who hold little, where two large requests could take the whole. A request that needs a part of the
    /// reserve and is larger itself is granted only while nobody holds anything.
    pub fn with_reserve(total: u64, reserve: u64) -> Self {
        Self { total, free: total, reserve, holders: BTreeMap::new(), grants: 0 }
    }

    pub fn free(&self) -> u64 {
        self.free
    }

    pub fn used(&self) -> u64 {
        self.total - self.free
    }

    /// Returns whether the rule lets `who` take this much now.
    pub fn may_take(&self, who: &K, wanted: u64) -> bool {
        let held = self.holder(who).held;
        may_take(held, wanted, self.free)
            && (self.free - wanted >= self.reserve || held.saturating_add(wanted) <= self.reserve || self.free == self.total)
    }

    pub fn rank(&self, who: &K) -> Rank {
        let Holder { held, granted } = self.holder(who);
        Rank { held, granted }
    }

    /// Takes unless [`Self::may_take`] is false, and returns whether it took.
    pub fn take(&mut self, who: &K, wanted: u64) -> bool {
        if !self.may_take(who, wanted) {
            return false;
        }
        self.free -= wanted;
        self.grants += 1;
        let granted = self.grants;
        // A new holder is rare, and only then is the key cloned.
        match self.holders.get_mut(who) {
            Some(holder) => *holder = Holder { held: holder.held + wanted, granted },
            None => drop(self.holders.insert(who.clone(), Holder { held: wanted, granted })),
        }
        true
    }

    /// Gives back a part of what `who` took.
    pub fn give_back(&mut self, who: &K, amount: u64) {
        if let Some(holder) = self.holders.get_mut(who) {
            let amount = amount.min(holder.held);
            holder.held -= amount;
            self.free += amount;
        }
    }

    fn holder(&self, who: &K) -> Holder {
        self.holders.get(who).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
