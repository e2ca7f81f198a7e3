//! Names: of a rule `{prefix}{use case}-{correlation id}`, of a one-time schedule the same with `-{attempts so far}` appended.
//!
//! The name of a leftover tells its request. A one-time schedule's name has the attempt because the service deletes a fired
//! one some time later, when the next attempt may have been scheduled.

use postdate_core::id::CorrelationId;

/// Longest name of a rule or a one-time schedule, in characters (EventBridge, `PutRule`; EventBridge Scheduler, `CreateSchedule`).
pub const MAX_CHARACTERS: usize = 64;
/// Longest prefix: leaves a few characters for the use case beside an id and a number.
pub const MAX_PREFIX_CHARACTERS: usize = 20;
/// A correlation id in the hyphenated form.
const ID_CHARACTERS: usize = 36;
/// Attempt numbers wrap here, far beyond any retry policy, and so have five digits at most.
const ATTEMPTS: u32 = 100_000;

/// The parts of a name that identify what it is for.
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

/// Parses a name of this deployment; `None` for any other, however it begins.
pub fn parse(name: &str, prefix: &str) -> Option<Name> {
    let rest = name.strip_prefix(prefix)?;
    if let Some(id) = id_at_end(rest) {
        return Some(Name { id, attempts: None });
    }
    let (rest, digits) = rest.rsplit_once('-')?;
    let attempts: u32 = digits.parse().ok().filter(|number: &u32| *number < ATTEMPTS && number.to_string() == digits)?;
    Some(Name { id: id_at_end(rest)?, attempts: Some(attempts) })
}

/// Returns the request that a rule or a one-time schedule is for; `None` where the name is not of this deployment.
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
