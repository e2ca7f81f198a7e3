//! The places of a target whose functions share them through a table, and the line of the requests that wait for one. Pure decisions: a
//! host reads the [`Places`], makes the [`Step`] in one conditional write, and decides again with what it then reads.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::id::CorrelationId;

/// Limit of requests in the line, which is part of an item that each attempt writes. The others ask again, and find room in it.
pub const MOST_IN_LINE: usize = 50;
/// Time for which a place is kept for the request that it was given to: for the way of its message, and the start of a function.
pub const KEPT: TimeDelta = TimeDelta::seconds(30);

/// A request that wants a place. Of two, the lesser one was due first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiter {
    /// Time from which the request could have run.
    pub since: DateTime<Utc>,
    pub id: CorrelationId,
}

/// How a request asks for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// After those that wait in the line, and into the line if there is no place for it.
    InLine,
    /// Past the line, into which it goes if no place is free. For a request whose start at a rate has come, which was woken, or which has
    /// found a place whose lease has ended: it is awake, and the first of the line may be out of reach.
    PastLine,
    /// Past the line, and never into it: no queue could wake the request.
    Alone,
}

/// The places of one target as a host reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The names of the places that are taken or kept, with the ends of their leases.
    pub taken: BTreeMap<String, DateTime<Utc>>,
    /// The requests that wait, with [`Waiter::since`]. At most [`MOST_IN_LINE`].
    pub line: BTreeMap<CorrelationId, DateTime<Utc>>,
}

/// The next write of a host that wants a place, or that has left one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These places are free, since their leases have ended. A request that asks [in line](Manner::InLine) goes on past the line.
    Free(Vec<String>),
    /// The asking request takes a place, and leaves the line.
    Take,
    /// The first request of the line gets a place, which is kept for it for [`KEPT`], and leaves the line. The host wakes it.
    HandOver(CorrelationId),
    /// The asking request joins the line. `instead` leaves it, since the line is full.
    Join { instead: Option<CorrelationId> },
    /// Nothing is left to write. A request that asks must wait.
    Done,
}

impl Places {
    /// Returns the next step of a host for whose request it `asks`, or that has left a place. After [`Step::Take`] the host goes on without
    /// asking. After the last step, no place is free while a request is in the line, and a request without a place is in the line, unless
    /// that is full of earlier ones.
    pub fn next(&self, places: u32, asks: Option<(Waiter, Manner)>, now: DateTime<Utc>) -> Step {
        let lapsed: Vec<String> = self.taken.iter().filter(|(_, until)| **until <= now).map(|(name, _)| name.clone()).collect();
        if !lapsed.is_empty() {
            return Step::Free(lapsed);
        }
        let first = self.waiters().min();
        if self.taken.len() < usize::try_from(places).unwrap_or(usize::MAX) {
            let may_take = |(asking, manner): (Waiter, Manner)| {
                manner != Manner::InLine || first.is_none_or(|first| asking <= first || asking.id == first.id)
            };
            return match first {
                _ if asks.is_some_and(may_take) => Step::Take,
                Some(first) => Step::HandOver(first.id),
                None => Step::Done,
            };
        }
        let joins = |(asking, manner): &(Waiter, Manner)| *manner != Manner::Alone && !self.line.contains_key(&asking.id);
        let Some((asking, _)) = asks.filter(joins) else { return Step::Done };
        if self.line.len() < MOST_IN_LINE {
            return Step::Join { instead: None };
        }
        match self.waiters().max() {
            Some(last) if asking < last => Step::Join { instead: Some(last.id) },
            _ => Step::Done,
        }
    }

    /// Makes a step. `name` and `until` are of the place that is taken or handed over.
    pub fn make(&mut self, step: &Step, asks: Option<Waiter>, name: &str, until: DateTime<Utc>) {
        match step {
            Step::Free(names) => self.taken.retain(|name, _| !names.contains(name)),
            Step::Take => {
                self.taken.insert(name.to_owned(), until);
                self.line.retain(|id, _| asks.is_none_or(|asking| asking.id != *id));
            }
            Step::HandOver(id) => {
                self.taken.insert(name.to_owned(), until);
                self.line.remove(id);
            }
            Step::Join { instead } => {
                self.line.retain(|id, _| Some(*id) != *instead);
                self.line.extend(asks.map(|asking| (asking.id, asking.since)));
            }
            Step::Done => {}
        }
    }

    fn waiters(&self) -> impl Iterator<Item = Waiter> {
        self.line.iter().map(|(id, since)| Waiter { since: *since, id: *id })
    }
}

#[cfg(test)]
mod tests;
