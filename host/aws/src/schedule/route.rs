//! The way by which a request comes back, and the time. Never early, and as little late as the ways allow.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// Longest delay of a message (SQS, `SendMessage`: 900 seconds).
pub const MAX_DELAY: TimeDelta = TimeDelta::seconds(900);
/// A rule fires some time within its minute, and a rule made a moment ago may miss a minute that is nearer than this.
const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// How a request comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// As a message that appears after whole seconds, less than a second before the request is due, or later; the target
    /// waits for the rest.
    Queue { delay_seconds: i32 },
    /// By a rule or a one-time schedule of this whole minute, which fires some time within it.
    At(DateTime<Utc>),
}

impl Route {
    /// Chooses the route of a request that is due at `due`.
    ///
    /// With a queue a rule fires in the minute before, one to two minutes ahead of the time, and the target parks the rest.
    /// Without a queue the rule fires on the first whole minute that is not before the time, up to two minutes late. The same
    /// holds for a `direct` target: the rule reaches it itself, and no host could wait for the rest of the minute.
    pub fn of(due: DateTime<Utc>, now: DateTime<Utc>, has_queue: bool, direct: bool) -> Self {
        if !has_queue || direct {
            return Self::At(ceil_to_minute(due.max(now + MINUTE)));
        }
        match delay_seconds(due, now) {
            Some(delay_seconds) => Self::Queue { delay_seconds },
            None => Self::At(floor_to_minute(due - MINUTE)),
        }
    }
}

/// Returns the whole seconds until `due`, rounded down; `None` beyond [`MAX_DELAY`].
pub fn delay_seconds(due: DateTime<Utc>, now: DateTime<Utc>) -> Option<i32> {
    let rest = (due - now).max(TimeDelta::zero());
    if rest > MAX_DELAY { None } else { i32::try_from(rest.num_seconds()).ok() }
}

fn floor_to_minute(at: DateTime<Utc>) -> DateTime<Utc> {
    // Fails beyond the range of nanoseconds, some 290 years from 1970; no expression has such a year either.
    at.duration_trunc(MINUTE).unwrap_or(at)
}

fn ceil_to_minute(at: DateTime<Utc>) -> DateTime<Utc> {
    let floor = floor_to_minute(at);
    if floor == at { at } else { floor + MINUTE }
}

#[cfg(test)]
mod tests;
