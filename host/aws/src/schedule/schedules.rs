//! Schedules of EventBridge Scheduler, which deletes them when they have fired.

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, AssignPublicIp, AwsVpcConfiguration, DeadLetterConfig, EcsParameters, EventBridgeParameters, FlexibleTimeWindow,
    FlexibleTimeWindowMode, KinesisParameters, LaunchType, NetworkConfiguration, RetryPolicy, ScheduleState, SqsParameters, Target,
};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::operation::BuildError;
use aws_smithy_types::retry::RetryConfig;
use chrono::{DateTime, Utc};
use postdate_core::ports::ScheduleError;

use super::aim::{Aim, Delivery};
use super::retry::patiently;
use super::{cron, limits, schedule_error};
use crate::clients::Lazy;
use crate::fault::{Class, Fault};

#[derive(Debug, Clone)]
pub struct Schedules {
    pub(super) client: Lazy<Client>,
    pub(super) group: String,
    /// Assumed by the service to deliver, where a target has no role of its own.
    role_arn: String,
}

/// All that a schedule is made of.
struct Plan<'a> {
    name: &'a str,
    expression: String,
    about: &'a str,
    window: FlexibleTimeWindow,
    target: Target,
    token: &'a str,
}

impl Schedules {
    /// `client` with its tries taken from it: see [`super::retry`].
    pub fn new(client: Lazy<Client>, group: &str, role_arn: &str) -> Self {
        let without_tries = move || Client::from_conf(client.config().to_builder().retry_config(RetryConfig::disabled()).build());
        Self { client: Lazy::new(without_tries), group: group.to_owned(), role_arn: role_arn.to_owned() }
    }

    /// Makes the schedule, or moves it. `token`, 1 to 64 of `[a-zA-Z0-9-_]`, is the same only for tries of one call.
    pub async fn put(&self, name: &str, minute: DateTime<Utc>, about: &str, aim: &Aim<'_>, token: &str) -> Result<(), ScheduleError> {
        let expression = cron::at(minute).map_err(|fault| ScheduleError::Failed(fault.to_string()))?;
        limits::check_schedule_input(&aim.input)?;
        let impossible = |error: BuildError| ScheduleError::Failed(format!("no schedule can be made of it: {error}"));
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().map_err(impossible)?;
        let target = self.target(aim).map_err(impossible)?;
        let plan = Plan { name, expression, about, window, target, token };
        if patiently(|| self.create(&plan)).await.map_err(|fault| schedule_error(&fault))? {
            return Ok(());
        }
        // It is there: made by an earlier call, or by a try of this one whose answer was lost.
        patiently(|| self.update(&plan)).await.map_err(|fault| match fault.class {
            // It fired and was deleted in between: another try makes it again.
            Class::Missing => ScheduleError::Unavailable { message: fault.to_string(), retry_after: None },
            _ => schedule_error(&fault),
        })
    }

    /// A schedule that is not there is deleted already.
    pub async fn delete(&self, name: &str) -> Result<(), ScheduleError> {
        let call = || async {
            let call = self.client.delete_schedule().group_name(&self.group).name(name);
            call.send().await.map(drop).map_err(|error| Fault::of("DeleteSchedule", &error))
        };
        match patiently(call).await {
            Err(fault) if fault.class != Class::Missing => Err(schedule_error(&fault)),
            _ => Ok(()),
        }
    }

    /// False where there is a schedule of that name.
    async fn create(&self, plan: &Plan<'_>) -> Result<bool, Fault> {
        let call = self
            .client
            .create_schedule()
            .group_name(&self.group)
            .name(plan.name)
            .schedule_expression(&plan.expression)
            .schedule_expression_timezone("UTC")
            .description(plan.about)
            .state(ScheduleState::Enabled)
            .flexible_time_window(plan.window.clone())
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(plan.target.clone())
            .client_token(plan.token);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if error.err().is_conflict_exception() => Ok(false),
            Err(error) => Err(Fault::of("CreateSchedule", &error)),
        }
    }

    async fn update(&self, plan: &Plan<'_>) -> Result<(), Fault> {
        let call = self
            .client
            .update_schedule()
            .group_name(&self.group)
            .name(plan.name)
            .schedule_expression(&plan.expression)
            .schedule_expression_timezone("UTC")
            .description(plan.about)
            .state(ScheduleState::Enabled)
            .flexible_time_window(plan.window.clone())
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(plan.target.clone())
            .client_token(plan.token);
        match call.send().await {
            Ok(_) => Ok(()),
            // Two writers at once.
            Err(SdkError::ServiceError(error)) if error.err().is_conflict_exception() => {
                Err(Fault { class: Class::Again, ..Fault::of("UpdateSchedule", &SdkError::ServiceError(error)) })
            }
            Err(error) => Err(Fault::of("UpdateSchedule", &error)),
        }
    }

    fn target(&self, aim: &Aim<'_>) -> Result<Target, BuildError> {
        let Delivery { dead_letter_arn, event_age_seconds } = aim.delivery;
        let retries = RetryPolicy::builder().maximum_event_age_in_seconds(event_age_seconds).maximum_retry_attempts(limits::RETRY_ATTEMPTS);
        let group = aim.message_group.map(|group| SqsParameters::builder().message_group_id(group).build());
        let event = aim.event.map(|names| EventBridgeParameters::builder().source(names.source).detail_type(names.detail_type).build());
        let stream = aim.partition_key.as_ref().map(|key| KinesisParameters::builder().partition_key(key).build());
        Target::builder()
            .arn(aim.arn)
            .role_arn(aim.role.unwrap_or(&self.role_arn))
            .input(&aim.input)
            .retry_policy(retries.build())
            .dead_letter_config(DeadLetterConfig::builder().arn(dead_letter_arn).build())
            .set_sqs_parameters(group)
            .set_event_bridge_parameters(event.transpose()?)
            .set_kinesis_parameters(stream.transpose()?)
            .set_ecs_parameters(aim.task.map(|task| task_parameters(task.definition, task.subnets)).transpose()?)
            .build()
    }
}

/// Subnets are what Fargate needs; without them the task starts as its cluster says.
fn task_parameters(definition: &str, subnets: &[String]) -> Result<EcsParameters, BuildError> {
    let builder = EcsParameters::builder().task_definition_arn(definition).task_count(1);
    if subnets.is_empty() {
        return builder.build();
    }
    let network = AwsVpcConfiguration::builder().set_subnets(Some(subnets.to_vec())).assign_public_ip(AssignPublicIp::Disabled).build()?;
    builder
        .launch_type(LaunchType::Fargate)
        .network_configuration(NetworkConfiguration::builder().awsvpc_configuration(network).build())
        .build()
}
