//! Names: of a rule `{prefix}{use case}-{correlation id}`, of a one-time schedule the same with `-{attempts so far}` appended.
//!
//! The name of an orphaned rule identifies its request. The name of a one-time schedule has the attempt, because the service deletes
//! a fired schedule with a delay, and the next attempt may be scheduled before that.

use postdate_core::id::CorrelationId;

/// Longest name of a rule or a one-time schedule, in characters (EventBridge, `PutRule`; EventBridge Scheduler, `CreateSchedule`).
pub const MAX_CHARACTERS: usize = 64;
/// Longest prefix, in characters. The rest of the name has room for an id, a number and a few characters of the use case.
pub const MAX_PREFIX_CHARACTERS: usize = 20;
/// A correlation id in the hyphenated form.
const ID_CHARACTERS: usize = 36;
/// Attempt numbers wrap at this value, so that they have at most five digits. No retry policy allows as many attempts.
const ATTEMPTS: u32 = 100_000;

/// The parts of a name that identify the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    pub id: CorrelationId,
    /// Attempts before this one; `None` for a rule.
    pub attempts: Option<u32>,
}

/// Returns the name of a request's rule.
pub fn of_rule(prefix: &str, use_case: &str, id: CorrelationId) -> String {
    compose(prefix, use_case, &format!("-{id}"))
}

/// Returns the name of the one-time schedule of a request's next attempt.
pub fn of_one_time_schedule(prefix: &str, use_case: &str, id: CorrelationId, attempts: u32) -> String {
    compose(prefix, use_case, &format!("-{id}-{}", attempts % ATTEMPTS))
}

fn compose(prefix: &str, use_case: &str, end: &str) -> String {
    let room = MAX_CHARACTERS.saturating_sub(prefix.len() + end.len());
    let cut = use_case.floor_char_boundary(room.min(use_case.len()));
    format!("{prefix}{}{end}", &use_case[..cut])
}

/// Parses a name of this deployment. Returns `None` for any other name, also if it has the same prefix.
pub fn parse(name: &str, prefix: &str) -> Option<Name> {
    let rest = name.strip_prefix(prefix)?;
    if let Some(id) = id_at_end(rest) {
        return Some(Name { id, attempts: None });
    }
    let (rest, digits) = rest.rsplit_once('-')?;
    let attempts: u32 = digits.parse().ok().filter(|number: &u32| *number < ATTEMPTS && number.to_string() == digits)?;
    Some(Name { id: id_at_end(rest)?, attempts: Some(attempts) })
}

/// Returns the request of a rule or a one-time schedule; `None` if the name is not one of this deployment's.
pub fn id_of(name: &str, prefix: &str) -> Option<CorrelationId> {
    parse(name, prefix).map(|name| name.id)
}

fn id_at_end(text: &str) -> Option<CorrelationId> {
    let (use_case, id) = text.split_at_checked(text.len().checked_sub(ID_CHARACTERS)?)?;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let named = use_case.strip_suffix('-').is_some_and(|use_case| !use_case.is_empty() && use_case.chars().all(legal));
    let parsed: CorrelationId = id.parse().ok()?;
    (named && parsed.to_string() == id).then_some(parsed)
}

#[cfg(test)]
mod tests;
