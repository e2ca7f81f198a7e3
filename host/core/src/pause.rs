//! Pauses: a use case, or one target of it, whose requests are accepted and not fired.

use chrono::{DateTime, Utc};

/// Beginning of what a request of a paused target waits for, for metrics.
pub const RESUME: &str = "the end of the pause of ";

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
