//! Chooses how and when a request is delivered: never early, and as little late as the service allows.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// Longest delay of a message (SQS, `SendMessage`: 900 seconds).
pub const MAX_DELAY: TimeDelta = TimeDelta::seconds(900);
/// Shortest time between now and a rule's minute. A new rule may miss a minute that is nearer.
const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// The way in which a request is delivered to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// By a message with a delay in whole seconds. The message arrives less than a second before the request is due, or later. The
    /// target host waits for the rest.
    Queue { delay_seconds: i32 },
    /// By a rule or a one-time schedule for this whole minute, which fires at any time within the minute.
    At(DateTime<Utc>),
}

impl Route {
    /// Chooses the route of a request that is due at `due`.
    ///
    /// With a queue, a rule fires in the minute before, one to two minutes early, and the target host parks the request for the rest.
    /// Without a queue, the rule fires on the first whole minute that is not before the time, up to two minutes late. A `direct` target
    /// also gets such a rule, because no host can wait for the rest of the minute.
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
    // `duration_trunc` fails beyond the range of nanoseconds, about 290 years from 1970. A rule cannot have such a year either.
    at.duration_trunc(MINUTE).unwrap_or(at)
}

fn ceil_to_minute(at: DateTime<Utc>) -> DateTime<Utc> {
    let floor = floor_to_minute(at);
    if floor == at { at } else { floor + MINUTE }
}

#[cfg(test)]
mod tests;
