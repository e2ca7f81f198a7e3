//! Gates: what keeps a lane from its next attempt although a place is free. Its target is over a limit, or paused.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use postdate_core::limits::{Limits, Over, Rate, RateSlot, TargetUsage};
use postdate_core::pause::Pause;

use crate::ledger::{Lane, Paused};

/// The gates of all lanes. Knows the use of a target's limits from when its lane was first claimed under them.
#[derive(Debug, Default)]
pub struct Gates {
    paused: Paused,
    lanes: HashMap<(String, String), Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    limits: Limits,
    usage: TargetUsage,
}

/// The reason why a gate is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    Over(Over),
    Paused(Pause),
}

impl Closed {
    /// Returns the time at which the gate opens by itself. A place becomes free at the end of an attempt.
    pub fn until(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Over(Over::Rate { until, .. }) => Some(*until),
            Self::Over(Over::Concurrency(_)) => None,
            Self::Paused(pause) => pause.until,
        }
    }

    fn waits_for(&self, target: &str) -> String {
        match self {
            Self::Over(over) => over.waits_for(target),
            Self::Paused(pause) => pause.waits_for(),
        }
    }
}

impl Gates {
    /// Returns the gates with the slots that the ledger remembers.
    pub fn new(paused: Paused, rates: Vec<(String, String, Rate, RateSlot)>) -> Self {
        let gate = |(use_case, target, rate, free)| {
            let usage = TargetUsage { running: 0, free, rate: Some(rate) };
            ((use_case, target), Gate { limits: Limits { concurrency: None, rate: Some(rate) }, usage })
        };
        Self { paused, lanes: rates.into_iter().map(gate).collect() }
    }

    /// Returns the reason why nothing of this lane may begin now. `limits` are those of the version that serves.
    pub fn closed(&mut self, lane: &Lane, limits: Limits, now: DateTime<Utc>) -> Option<Closed> {
        if let Some(pause) = self.paused.pause_of(&lane.use_case, &lane.target, now) {
            return Some(Closed::Paused(pause));
        }
        if limits.is_none() {
            return None;
        }
        let gate = self.lanes.entry((lane.use_case.clone(), lane.target.clone())).or_default();
        gate.limits = limits;
        gate.usage.over(limits, now).map(Closed::Over)
    }

    /// Counts an attempt that begins. Returns the rate and its next free slot, which the ledger remembers.
    pub fn begin(&mut self, lane: &Lane, limits: Limits, now: DateTime<Utc>) -> Option<(Rate, RateSlot)> {
        if limits.is_none() {
            return None;
        }
        let gate = self.lanes.entry((lane.use_case.clone(), lane.target.clone())).or_default();
        gate.usage.begin(limits, now);
        limits.rate.map(|rate| (rate, gate.usage.free))
    }

    /// Counts the end of an attempt that [`Self::begin`] counted. One that did not begin leaves its slot of the rate to another.
    pub fn end(&mut self, use_case: &str, target: &str, limits: Limits, has_begun: bool) {
        if let Some(gate) = self.lanes.get_mut(&(use_case.to_owned(), target.to_owned())) {
            if has_begun { gate.usage.end() } else { gate.usage.undo(limits) }
        }
    }

    /// Returns what due requests of a lane wait for, as clients see it.
    pub fn waits_for(&self, use_case: &str, target: &str, now: DateTime<Utc>) -> Option<String> {
        self.known(use_case, target, now).map(|closed| closed.waits_for(target))
    }

    /// Returns the kind of what due requests of a lane wait for.
    pub fn reason(&self, use_case: &str, target: &str, now: DateTime<Utc>) -> Option<&'static str> {
        self.known(use_case, target, now).map(|closed| match closed {
            Closed::Over(Over::Concurrency(_)) => "concurrency",
            Closed::Over(Over::Rate { .. }) => "rate",
            Closed::Paused(_) => "pause",
        })
    }

    /// Returns the time at which the gate of a lane opens by itself: its due time if the gate is open.
    pub fn opens(&self, lane: &Lane, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.known(&lane.use_case, &lane.target, now) {
            None => Some(lane.due_at),
            Some(closed) => closed.until(),
        }
    }

    /// Returns the reason why a gate is closed, by the limits that it had at the last look.
    fn known(&self, use_case: &str, target: &str, now: DateTime<Utc>) -> Option<Closed> {
        if let Some(pause) = self.paused.pause_of(use_case, target, now) {
            return Some(Closed::Paused(pause));
        }
        let gate = self.lanes.get(&(use_case.to_owned(), target.to_owned()))?;
        gate.usage.over(gate.limits, now).map(Closed::Over)
    }
}

#[cfg(test)]
mod tests;
