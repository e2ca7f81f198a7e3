//! Names of rules and schedules: `{prefix}{use case}-{correlation id}`, and for a schedule `-{attempts so far}` behind it.
//!
//! Who finds one knows its request. A schedule's attempt is in its name because a fired one is deleted by the service
//! some time later, when the next attempt may have been scheduled.

use postdate_core::id::CorrelationId;

/// Longest name of a rule or a schedule, in characters (EventBridge, `PutRule`; EventBridge Scheduler, `CreateSchedule`).
pub const MAX_CHARACTERS: usize = 64;
/// Longest prefix: leaves a few characters of the use case beside an id and a number.
pub const MAX_PREFIX_CHARACTERS: usize = 20;
/// A correlation id in the hyphenated form.
const ID_CHARACTERS: usize = 36;
/// Numbers of attempts start again here, far beyond what any retry policy takes, so that they have five digits at most.
const ATTEMPTS: u32 = 100_000;

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    pub id: CorrelationId,
    /// Attempts before this one; a schedule's only.
    pub attempts: Option<u32>,
}

pub fn of_rule(prefix: &str, use_case: &str, id: CorrelationId) -> String {
    compose(prefix, use_case, &format!("-{id}"))
}

pub fn of_schedule(prefix: &str, use_case: &str, id: CorrelationId, attempts: u32) -> String {
    compose(prefix, use_case, &format!("-{id}-{}", attempts % ATTEMPTS))
}

fn compose(prefix: &str, use_case: &str, end: &str) -> String {
    let room = MAX_CHARACTERS.saturating_sub(prefix.len() + end.len());
    let cut = use_case.floor_char_boundary(room.min(use_case.len()));
    format!("{prefix}{}{end}", &use_case[..cut])
}

/// Reads a name that was made here; none for any other, however it begins.
pub fn parse(name: &str, prefix: &str) -> Option<Name> {
    let rest = name.strip_prefix(prefix)?;
    if let Some(id) = id_at_end(rest) {
        return Some(Name { id, attempts: None });
    }
    let (rest, digits) = rest.rsplit_once('-')?;
    let attempts: u32 = digits.parse().ok().filter(|number: &u32| *number < ATTEMPTS && number.to_string() == digits)?;
    Some(Name { id: id_at_end(rest)?, attempts: Some(attempts) })
}

/// The request that a rule or a schedule is for; none where the name only looks like ours.
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
