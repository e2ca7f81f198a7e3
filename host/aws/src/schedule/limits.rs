//! Checks limits of AWS before a rule or a one-time schedule is created. Emulators check nearly none of them.

use std::time::Duration;

use postdate_core::ports::{BodyTooLarge, ScheduleError};
use postdate_core::request::{Request, ScheduleKind};
use postdate_core::use_case::Target;

use super::name;

/// A rule target's `Input`, in characters (EventBridge, `PutTargets`).
pub const MAX_RULE_INPUT_CHARACTERS: usize = 8192;
/// A one-time schedule's `Input`, in bytes (EventBridge Scheduler, quota "payload size": 256 KB).
pub const MAX_SCHEDULE_INPUT_BYTES: usize = 256 << 10;
/// Name of the attribute with which a message carries the correlation id. The attribute counts towards the size of the message.
pub const CORRELATION_ATTRIBUTE: &str = "correlation-id";
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

/// Checks a request's body against the limit of its target's service. The services count bytes of UTF-8, ECS characters.
pub fn check_body(target: &Target, request: &Request, body: &str) -> Result<(), BodyTooLarge> {
    let direct = target.is_direct();
    // A message counts with the names, types and values of its attributes. A direct one has none.
    let attribute = if direct { 0 } else { CORRELATION_ATTRIBUTE.len() + "String".len() + request.id.to_string().len() };
    let aws = target.aws();
    let names = || aws.and_then(|aws| aws.source.as_ref()).map_or("postdate".len(), String::len) + detail_type(target, request).len();
    let (limit, service, source_page) = match target {
        Target::Lambda(_) if direct => {
            (1 << 20, "an asynchronous invocation by Lambda", "docs.aws.amazon.com/lambda/latest/api/API_Invoke.html")
        }
        Target::Lambda(_) => (6 << 20, "an invocation by Lambda", "docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"),
        Target::Sqs(_) => {
            ((1 << 20) - attribute, "SQS", "docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html")
        }
        Target::Sns(_) => ((256 << 10) - attribute, "SNS", "docs.aws.amazon.com/sns/latest/api/API_Publish.html"),
        // "The total entry size must be less than 1 MB": source, detail type and detail count.
        Target::EventBus(_) => {
            ((1 << 20) - 1 - names(), "an event of EventBridge", "docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html")
        }
        Target::StepFunctions(_) => {
            (256 << 10, "an execution of Step Functions", "docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html")
        }
        Target::EcsTask(_) => {
            return within(
                body.chars().count(),
                8192,
                "characters",
                "ECS",
                "docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html",
            );
        }
        Target::Plugin { .. } | Target::Http { .. } | Target::Kinesis(_) | Target::ApiDestination(_) => return Ok(()),
    };
    within(body.len(), limit, "bytes", service, source_page)
}

/// Checks the body of a direct target, which the rule or the schedule carries. Another target's envelope fits without its body.
pub fn check_input(kind: ScheduleKind, target: &Target, body: &str) -> Result<(), BodyTooLarge> {
    if !target.is_direct() {
        return Ok(());
    }
    match kind {
        ScheduleKind::Rule => within(
            body.encode_utf16().count(),
            MAX_RULE_INPUT_CHARACTERS,
            "characters",
            "a rule of EventBridge, which delivers to a direct target,",
            "docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html",
        ),
        ScheduleKind::Schedule | ScheduleKind::KeptSchedule => within(
            body.len(),
            MAX_SCHEDULE_INPUT_BYTES,
            "bytes",
            "a schedule of EventBridge Scheduler, which delivers to a direct target,",
            "docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html",
        ),
    }
}

fn within(size: usize, limit: usize, unit: &'static str, service: &str, source_page: &'static str) -> Result<(), BodyTooLarge> {
    if size <= limit { Ok(()) } else { Err(BodyTooLarge { size, limit, unit, service: service.to_owned(), source_page }) }
}

fn detail_type<'a>(target: &'a Target, request: &'a Request) -> &'a str {
    target.aws().and_then(|aws| aws.detail_type.as_deref()).unwrap_or(&request.use_case)
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
