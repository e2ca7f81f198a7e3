//! One-time schedules of the service EventBridge Scheduler, which deletes them after they have fired.

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, EventBridgeParameters, FlexibleTimeWindow, FlexibleTimeWindowMode, KinesisParameters,
    RetryPolicy, ScheduleState, SqsParameters, Target,
};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::operation::BuildError;
use chrono::{DateTime, Utc};
use postdate_core::ports::ScheduleError;

use super::aim::{Aim, DeliveryPolicy, Task, ecs_parameters};
use super::{cron, limits};
use crate::aws_error::{AwsError, Class};
use crate::clients::{Lazy, retrying, without_retries};
use crate::config::ScheduleService;

#[derive(Debug, Clone)]
pub struct OneTimeSchedules {
    pub(super) client: Lazy<Client>,
    service: ScheduleService,
}

/// The arguments that creating and updating have in common.
struct ScheduleSpec<'a> {
    name: &'a str,
    expression: String,
    about: &'a str,
    window: FlexibleTimeWindow,
    target: Target,
    after: ActionAfterCompletion,
    token: &'a str,
}

/// Sets the members that `CreateSchedule` and `UpdateSchedule` share. The SDK has a type for each of the two calls.
macro_rules! specified {
    ($call:expr, $group:expr, $spec:expr) => {
        $call
            .group_name(&$group)
            .name($spec.name)
            .schedule_expression(&$spec.expression)
            .schedule_expression_timezone("UTC")
            .description($spec.about)
            .state(ScheduleState::Enabled)
            .flexible_time_window($spec.window.clone())
            .action_after_completion($spec.after.clone())
            .target($spec.target.clone())
            .client_token($spec.token)
    };
}

impl OneTimeSchedules {
    pub fn new(client: Lazy<Client>, service: &ScheduleService) -> Self {
        Self { client: without_retries!(aws_sdk_scheduler, client), service: service.clone() }
    }

    /// Creates or moves the schedule. The service deletes it after it has fired, unless `is_kept`. `token`, 1 to 64 of
    /// `[a-zA-Z0-9-_]`, is the same only in repetitions of one call.
    pub async fn put(
        &self,
        name: &str,
        minute: DateTime<Utc>,
        about: &str,
        aim: &Aim<'_>,
        is_kept: bool,
        token: &str,
    ) -> Result<(), ScheduleError> {
        let expression = cron::at(minute)?;
        limits::check_schedule_input(&aim.input)?;
        let impossible = |error: BuildError| ScheduleError::Failed(format!("the arguments of the schedule are not valid: {error}"));
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().map_err(impossible)?;
        let target = self.target(aim).map_err(impossible)?;
        let after = if is_kept { ActionAfterCompletion::None } else { ActionAfterCompletion::Delete };
        let spec = ScheduleSpec { name, expression, about, window, target, after, token };
        if retrying(|| self.create(&spec)).await? {
            return Ok(());
        }
        // The schedule exists: an earlier call created it, or an earlier attempt of this call, whose answer was lost.
        Ok(retrying(|| self.update(&spec)).await.map_err(|error| match error.class {
            // The schedule fired and was deleted between the two calls. A repetition creates it again.
            Class::Missing => AwsError { class: Class::Again, ..error },
            _ => error,
        })?)
    }

    /// Returns the minute of a schedule that exists.
    pub async fn minute(&self, name: &str) -> Result<Option<DateTime<Utc>>, ScheduleError> {
        let call = || async {
            let call = self.client.get_schedule().group_name(&self.service.group).name(name);
            call.send().await.map_err(|error| AwsError::of("GetSchedule", &error))
        };
        match retrying(call).await {
            Err(error) if error.class == Class::Missing => Ok(None),
            schedule => Ok(schedule?.schedule_expression().and_then(cron::parse_at)),
        }
    }

    /// Deletes the schedule; idempotent.
    pub async fn delete(&self, name: &str) -> Result<(), ScheduleError> {
        let call = || async {
            let call = self.client.delete_schedule().group_name(&self.service.group).name(name);
            call.send().await.map(drop).map_err(|error| AwsError::of("DeleteSchedule", &error))
        };
        match retrying(call).await {
            Err(error) if error.class != Class::Missing => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Creates the schedule. Returns false if a schedule with this name exists.
    async fn create(&self, spec: &ScheduleSpec<'_>) -> Result<bool, AwsError> {
        let call = specified!(self.client.create_schedule(), self.service.group, spec);
        match call.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if error.err().is_conflict_exception() => Ok(false),
            Err(error) => Err(AwsError::of("CreateSchedule", &error)),
        }
    }

    async fn update(&self, spec: &ScheduleSpec<'_>) -> Result<(), AwsError> {
        let call = specified!(self.client.update_schedule(), self.service.group, spec);
        match call.send().await {
            Ok(_) => Ok(()),
            // Two writers collided.
            Err(SdkError::ServiceError(error)) if error.err().is_conflict_exception() => {
                Err(AwsError { class: Class::Again, ..AwsError::of("UpdateSchedule", &SdkError::ServiceError(error)) })
            }
            Err(error) => Err(AwsError::of("UpdateSchedule", &error)),
        }
    }

    fn target(&self, aim: &Aim<'_>) -> Result<Target, BuildError> {
        let DeliveryPolicy { dead_letter_arn, event_age_seconds } = aim.delivery;
        let retries = RetryPolicy::builder().maximum_event_age_in_seconds(event_age_seconds).maximum_retry_attempts(limits::RETRY_ATTEMPTS);
        let group = aim.message_group.map(|group| SqsParameters::builder().message_group_id(group).build());
        let event = aim.event.map(|names| EventBridgeParameters::builder().source(names.source).detail_type(names.detail_type).build());
        let stream = aim.partition_key.as_ref().map(|key| KinesisParameters::builder().partition_key(key).build());
        Target::builder()
            .arn(aim.arn)
            .role_arn(aim.role.unwrap_or(&self.service.role_arn))
            .input(&aim.input)
            .retry_policy(retries.build())
            .dead_letter_config(DeadLetterConfig::builder().arn(dead_letter_arn).build())
            .set_sqs_parameters(group)
            .set_event_bridge_parameters(event.transpose()?)
            .set_kinesis_parameters(stream.transpose()?)
            .set_ecs_parameters(aim.task.map(|task| ecs_parameters!(aws_sdk_scheduler, task)).transpose()?)
            .build()
    }
}
