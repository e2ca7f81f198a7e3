//! Names: of a rule `{prefix}{use case}-{correlation id}`, of a one-time schedule the same with `-{number}` appended.
//!
//! The name of an orphaned rule identifies its request. The number of a one-time schedule follows from the request's time and from its
//! claims, because the service deletes a fired schedule with a delay: the schedule of the next attempt, or after a move, needs
//! another name. No later schedule of a request has the number of one that has fired. A kept schedule has the number 0: it is not
//! deleted after it has fired, and a move changes it in place.

use postdate_core::id::CorrelationId;
use postdate_core::request::{Request, ScheduleKind};

/// Longest name of a rule or a one-time schedule, in characters (EventBridge, `PutRule`; EventBridge Scheduler, `CreateSchedule`).
pub const MAX_CHARACTERS: usize = 64;
/// Longest prefix, in characters. The rest of the name has room for an id, a number and a few characters of the use case.
pub const MAX_PREFIX_CHARACTERS: usize = 20;
/// A correlation id in the hyphenated form.
const ID_CHARACTERS: usize = 36;
/// Digits of a schedule's number, to the base 36.
const DIGITS: usize = 5;
/// Numbers wrap at this value, after 115 years of minutes.
const NUMBERS: i64 = 36_i64.pow(5);
/// Numbers of schedules by earlier versions of Postdate, the attempts so far, had at most five decimal digits.
const EARLIER_NUMBERS: u32 = 100_000;

/// The parts of a name that identify the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    pub id: CorrelationId,
    /// False for a rule.
    pub is_schedule: bool,
}

/// Returns the name of the rule or the schedule of this kind for a request's next attempt.
pub fn of(kind: ScheduleKind, prefix: &str, request: &Request) -> String {
    let (use_case, id) = (&request.use_case, request.id);
    match kind {
        ScheduleKind::Rule => of_rule(prefix, use_case, id),
        ScheduleKind::Schedule => {
            let minutes = request.trigger_at.timestamp().div_euclid(60);
            compose(prefix, use_case, &format!("-{id}-{}", base_36(minutes + i64::from(request.claim()))))
        }
        ScheduleKind::KeptSchedule => of_earlier_schedule(prefix, use_case, id, 0),
    }
}

/// Returns the name of a request's rule.
pub fn of_rule(prefix: &str, use_case: &str, id: CorrelationId) -> String {
    compose(prefix, use_case, &format!("-{id}"))
}

/// Returns the name that earlier versions of Postdate gave to the schedule of a request with this number of claims.
pub fn of_earlier_schedule(prefix: &str, use_case: &str, id: CorrelationId, claims: u32) -> String {
    compose(prefix, use_case, &format!("-{id}-{}", claims % EARLIER_NUMBERS))
}

fn base_36(number: i64) -> String {
    let mut rest = u32::try_from(number.rem_euclid(NUMBERS)).unwrap_or_default();
    let mut digits = ['0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = char::from_digit(rest % 36, 36).unwrap_or('0');
        rest /= 36;
    }
    digits.into_iter().collect()
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
        return Some(Name { id, is_schedule: false });
    }
    let (rest, digits) = rest.rsplit_once('-')?;
    let is_new = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    let is_earlier = || digits.parse().is_ok_and(|number: u32| number < EARLIER_NUMBERS && number.to_string() == digits);
    if is_new || is_earlier() { Some(Name { id: id_at_end(rest)?, is_schedule: true }) } else { None }
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
