//! Pauses: a use case, or one target of it, whose requests are accepted and not fired.

use chrono::{DateTime, TimeDelta, Utc};

/// Beginning of what a request of a paused target waits for, for metrics.
pub const RESUME: &str = "the end of the pause of ";
/// Limit of the time after the end of a pause over which its requests are spread, in milliseconds.
const SPREAD_MS: i64 = 60_000;
/// A second between the times of two requests becomes 10 ms between their releases, as after a call of `resume`.
const COMPRESSION: i64 = 100;

/// A pause. One use case has at most one for all of its targets, and one for each target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub use_case: String,
    /// `None` for all targets.
    pub target: Option<String>,
    pub since: DateTime<Utc>,
    /// End of the pause; `None` for one that only a call ends.
    pub until: Option<DateTime<Utc>>,
    /// Name of the caller.
    pub by: Option<String>,
}

impl Pause {
    /// Returns whether the pause has not ended by itself.
    pub fn is_on(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Returns whether requests for this target are held up at `now`.
    pub fn covers(&self, use_case: &str, target: &str, now: DateTime<Utc>) -> bool {
        self.use_case == use_case && self.target.as_ref().is_none_or(|paused| paused == target) && self.is_on(now)
    }

    /// Returns the time after `until` at which a request that became due at `due` may begin, on a host whose queue keeps no order. The
    /// times have the order of the due times, and the last is at most a minute after `until`.
    pub fn release(&self, until: DateTime<Utc>, due: DateTime<Utc>) -> DateTime<Utc> {
        // Rounded up, so that the limit holds.
        let compression = (((until - self.since).num_milliseconds() + SPREAD_MS - 1) / SPREAD_MS).max(COMPRESSION);
        let held_up = due.clamp(self.since, until.max(self.since)) - self.since;
        until + TimeDelta::milliseconds(held_up.num_milliseconds() / compression)
    }

    /// Returns what a request waits for, as clients see it.
    pub fn waits_for(&self) -> String {
        match &self.target {
            None => format!("{RESUME}use case {}", self.use_case),
            Some(target) => format!("{RESUME}target {target}"),
        }
    }
}

/// Returns the pause that holds up requests for this target; of two, the one that ends last.
pub fn pause_of<'a>(pauses: &'a [Pause], use_case: &str, target: &str, now: DateTime<Utc>) -> Option<&'a Pause> {
    let covering = pauses.iter().filter(|pause| pause.covers(use_case, target, now));
    covering.max_by_key(|pause| pause.until.unwrap_or(DateTime::<Utc>::MAX_UTC))
}

#[cfg(test)]
mod tests;
