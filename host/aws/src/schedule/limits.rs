//! Checks limits of AWS before a rule or a one-time schedule is created. Emulators check nearly none of them.

use std::time::Duration;

use postdate_core::ports::ScheduleError;

use super::name;

/// A rule target's `Input`, in characters (EventBridge, `PutTargets`).
pub const MAX_RULE_INPUT_CHARACTERS: usize = 8192;
/// A one-time schedule's `Input`, in bytes (EventBridge Scheduler, quota "payload size": 256 KB).
pub const MAX_SCHEDULE_INPUT_BYTES: usize = 256 << 10;
/// `MaximumEventAgeInSeconds` of either service.
const EVENT_AGES: std::ops::RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24);
/// Largest `MaximumRetryAttempts` of either service, so that only the event's age ends the retries.
pub const RETRY_ATTEMPTS: i32 = 185;

/// Accepts 1 to 64 of `[.\-_A-Za-z0-9]` in the form of [`name`], by which the janitor recognizes the rule.
pub fn check_name(name: &str, prefix: &str) -> Result<(), ScheduleError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if name.len() > name::MAX_CHARACTERS || !name.chars().all(legal) {
        return refuse(format!("{name:?} cannot be the name of a rule: it is 1 to 64 of [A-Za-z0-9._-]"));
    }
    if name::id_of(name, prefix).is_none() {
        return refuse(format!("{name:?} is not a rule of this deployment: {prefix:?}, use case, correlation id"));
    }
    Ok(())
}

/// Checks the constant `Input` of a rule's target. Counts UTF-16 units, which are never fewer than characters.
pub fn check_rule_input(input: &str) -> Result<(), ScheduleError> {
    let length = input.encode_utf16().count();
    if length <= MAX_RULE_INPUT_CHARACTERS {
        return Ok(());
    }
    Err(ScheduleError::TooLarge(format!(
        "what the rule is to carry has {length} characters, and EventBridge takes {MAX_RULE_INPUT_CHARACTERS}; \
         a direct target gets the whole body from the rule: send less, or leave out `direct`"
    )))
}

/// Checks the constant `Input` of a one-time schedule's target.
pub fn check_schedule_input(input: &str) -> Result<(), ScheduleError> {
    if input.len() <= MAX_SCHEDULE_INPUT_BYTES {
        return Ok(());
    }
    Err(ScheduleError::TooLarge(format!(
        "what the schedule is to carry has {} bytes, and EventBridge Scheduler takes {MAX_SCHEDULE_INPUT_BYTES}; \
         a direct target gets the whole body from the schedule: send less, or leave out `direct`",
        input.len()
    )))
}

/// Returns the age in seconds, the unit of both services. Fails outside of 60 s to 86,400 s.
pub fn event_age(age: Duration) -> Result<i32, ScheduleError> {
    match i32::try_from(age.as_secs()) {
        Ok(seconds) if EVENT_AGES.contains(&age) => Ok(seconds),
        _ => refuse(format!("the longest age of an event is {} s: EventBridge accepts 60 s to 86400 s", age.as_secs())),
    }
}

fn refuse<T>(message: String) -> Result<T, ScheduleError> {
    Err(ScheduleError::Failed(message))
}

#[cfg(test)]
mod tests;
