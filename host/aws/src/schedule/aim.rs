//! The target of a rule or a one-time schedule, in the terms that both services share.

use std::time::Duration;

use postdate_core::arn::is_fifo;
use postdate_core::json::for_messages;
use postdate_core::ports::{Arming, ScheduleError};
use postdate_core::use_case::{AwsTarget, Target};

use super::{ScheduleSettings, limits};

/// One target of a rule or a one-time schedule.
#[derive(Debug)]
pub struct Aim<'a> {
    pub arn: &'a str,
    pub role: Option<&'a str>,
    /// The envelope; for a direct target, the accepted body.
    pub input: String,
    pub delivery: DeliveryPolicy<'a>,
    /// Message group of a FIFO queue.
    pub message_group: Option<&'a str>,
    /// Source and detail type of an event on an event bus.
    pub event: Option<EventNames<'a>>,
    /// Partition key of a Kinesis stream, which keeps the records of one request in order.
    pub partition_key: Option<String>,
    /// The task to start in an ECS cluster.
    pub task: Option<Task<'a>>,
}

/// Time for which delivery of an event is tried, and the queue for events that could not be delivered.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryPolicy<'a> {
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
    /// Returns an aim at a target host, which gets the envelope.
    pub fn at_host(settings: &'a ScheduleSettings, arn: &'a str, envelope: String) -> Result<Self, ScheduleError> {
        let (message_group, event, partition_key, task) = (None, None, None, None);
        Ok(Self { arn, role: None, input: envelope, delivery: delivery(settings)?, message_group, event, partition_key, task })
    }

    /// Returns an aim at a direct target, which gets the body. Fails without the body.
    pub fn direct(
        settings: &'a ScheduleSettings,
        arming: &Arming<'a>,
        target: &'a Target,
        aws: &'a AwsTarget,
    ) -> Result<Self, ScheduleError> {
        let request = arming.request;
        let Some(body) = arming.body else {
            return Err(ScheduleError::Failed(format!(
                "request {} has no body in the ledger, and its direct target needs the body",
                request.id
            )));
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
            input: for_messages(body).into_owned(),
            delivery: delivery(settings)?,
            message_group: (matches!(target, Target::Sqs(_)) && is_fifo(&aws.arn)).then_some(group),
            event: matches!(target, Target::EventBus(_)).then_some(names),
            partition_key: matches!(target, Target::Kinesis(_)).then(|| request.id.to_string()),
            task: aws.task_definition.as_deref().filter(|_| matches!(target, Target::EcsTask(_))).map(task),
        })
    }
}

fn delivery(settings: &ScheduleSettings) -> Result<DeliveryPolicy<'_>, ScheduleError> {
    let age: Duration = settings.max_event_age;
    Ok(DeliveryPolicy { dead_letter_arn: &settings.dead_letter_arn, event_age_seconds: limits::event_age(age)? })
}

/// Returns the ECS parameters of a [`Task`] in the types of `$krate`. With subnets, the task runs on Fargate, which requires them;
/// without, it starts by the defaults of its cluster.
macro_rules! ecs_parameters {
    ($krate:ident, $task:expr) => {{
        use $krate::types::{AssignPublicIp, AwsVpcConfiguration, EcsParameters, LaunchType, NetworkConfiguration};
        let Task { definition, subnets } = $task;
        let builder = EcsParameters::builder().task_definition_arn(definition).task_count(1);
        if subnets.is_empty() {
            builder.build()
        } else {
            let network = AwsVpcConfiguration::builder().set_subnets(Some(subnets.to_vec()));
            network.assign_public_ip(AssignPublicIp::Disabled).build().and_then(|network| {
                let network = NetworkConfiguration::builder().awsvpc_configuration(network).build();
                builder.launch_type(LaunchType::Fargate).network_configuration(network).build()
            })
        }
    }};
}
pub(crate) use ecs_parameters;
