//! By which way a request comes back, and when. Never early, and as little late as the ways allow.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// Longest delay of a message (SQS, `SendMessage`: 900 seconds).
pub const MAX_DELAY: TimeDelta = TimeDelta::seconds(900);
/// A rule fires some time within its minute, and one that was made a moment ago may miss a minute that is nearer.
const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// How a request is to be brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// As a message that appears after so many whole seconds, less than a second before it is due, or later; the target
    /// waits for the rest.
    Queue { delay_seconds: i32 },
    /// By a rule or a schedule of this whole minute, which fires some time within it.
    At(DateTime<Utc>),
}

/// `direct` targets are reached by the rule itself, so nobody could wait for the rest of a minute.
///
/// With a queue a rule fires in the minute before, one to two minutes ahead of the time, and the target parks the rest.
/// Without one it fires on the first whole minute that is not before the time, up to two minutes late.
pub fn plan(due: DateTime<Utc>, now: DateTime<Utc>, has_queue: bool, direct: bool) -> Plan {
    if !has_queue || direct {
        return Plan::At(ceil_to_minute(due.max(now + MINUTE)));
    }
    match delay_seconds(due, now) {
        Some(delay_seconds) => Plan::Queue { delay_seconds },
        None => Plan::At(floor_to_minute(due - MINUTE)),
    }
}

/// Whole seconds until then, rounded down; none where a message cannot be held for so long.
pub fn delay_seconds(due: DateTime<Utc>, now: DateTime<Utc>) -> Option<i32> {
    let rest = (due - now).max(TimeDelta::zero());
    if rest > MAX_DELAY { None } else { i32::try_from(rest.num_seconds()).ok() }
}

fn floor_to_minute(at: DateTime<Utc>) -> DateTime<Utc> {
    // Outside of what nanoseconds can count, some 290 years from 1970; no expression has such a year either.
    at.duration_trunc(MINUTE).unwrap_or(at)
}

fn ceil_to_minute(at: DateTime<Utc>) -> DateTime<Utc> {
    let floor = floor_to_minute(at);
    if floor == at { at } else { floor + MINUTE }
}

#[cfg(test)]
mod tests;
