//! What a rule or a schedule points at, in the terms that both services share.

use std::time::Duration;

use postdate_core::ports::{Arming, ScheduleError};
use postdate_core::use_case::{AwsTarget, Target};

use super::{ScheduleSettings, limits};

/// One target of a rule or a schedule.
#[derive(Debug)]
pub struct Aim<'a> {
    pub arn: &'a str,
    pub role: Option<&'a str>,
    /// The envelope; of a direct target, the accepted body itself.
    pub input: String,
    pub delivery: Delivery<'a>,
    /// A FIFO queue's.
    pub message_group: Option<&'a str>,
    /// An event bus's.
    pub event: Option<EventNames<'a>>,
    /// A stream's: records of one request stay in order.
    pub partition_key: Option<String>,
    /// An ECS cluster's.
    pub task: Option<Task<'a>>,
}

/// What becomes of an event that cannot be delivered.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    pub dead_letter_arn: &'a str,
    pub event_age_seconds: i32,
}

#[derive(Debug, Clone, Copy)]
pub struct EventNames<'a> {
    pub source: &'a str,
    pub detail_type: &'a str,
}

#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    pub definition: &'a str,
    pub subnets: &'a [String],
}

impl<'a> Aim<'a> {
    /// At a target host, which gets the envelope.
    pub fn at_host(settings: &'a ScheduleSettings, arn: &'a str, envelope: String) -> Result<Self, ScheduleError> {
        let (message_group, event, partition_key, task) = (None, None, None, None);
        Ok(Self { arn, role: None, input: envelope, delivery: delivery(settings)?, message_group, event, partition_key, task })
    }

    /// At the target itself, which gets the body.
    pub fn direct(
        settings: &'a ScheduleSettings,
        arming: &Arming<'a>,
        target: &'a Target,
        aws: &'a AwsTarget,
    ) -> Result<Self, ScheduleError> {
        let request = arming.request;
        let Some(body) = arming.body else {
            return Err(ScheduleError::Failed(format!("the body of request {} is not at hand, and a direct target needs it", request.id)));
        };
        let group = aws.group.as_deref().unwrap_or(&request.use_case);
        let names = EventNames {
            source: aws.source.as_deref().unwrap_or("postdate"),
            detail_type: aws.detail_type.as_deref().unwrap_or(&request.use_case),
        };
        let task = |definition| Task { definition, subnets: &aws.subnets };
        Ok(Self {
            arn: &aws.arn,
            role: aws.role.as_deref(),
            input: body.to_owned(),
            delivery: delivery(settings)?,
            message_group: (matches!(target, Target::Sqs(_)) && is_fifo(&aws.arn)).then_some(group),
            event: matches!(target, Target::EventBus(_)).then_some(names),
            partition_key: matches!(target, Target::Kinesis(_)).then(|| request.id.to_string()),
            task: aws.task_definition.as_deref().filter(|_| matches!(target, Target::EcsTask(_))).map(task),
        })
    }
}

fn delivery(settings: &ScheduleSettings) -> Result<Delivery<'_>, ScheduleError> {
    let age: Duration = settings.max_event_age;
    Ok(Delivery { dead_letter_arn: &settings.dead_letter_arn, event_age_seconds: limits::event_age(age)? })
}

/// FIFO queues and topics say so in their names.
pub fn is_fifo(arn: &str) -> bool {
    arn.rsplit_once('.').is_some_and(|(_, end)| end == "fifo")
}

/// The fifth part of `arn:partition:service:region:account:resource`.
pub fn account_of(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}
