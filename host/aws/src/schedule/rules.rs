//! One-time rules of EventBridge's default bus, each with one target.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{
    AssignPublicIp, AwsVpcConfiguration, DeadLetterConfig, EcsParameters, LaunchType, NetworkConfiguration, RetryPolicy, RuleState,
    SqsParameters, Target,
};
use aws_smithy_types::error::operation::BuildError;
use aws_smithy_types::retry::RetryConfig;
use chrono::{DateTime, Utc};
use postdate_core::ports::ScheduleError;

use super::aim::{Aim, Delivery};
use super::retry::patiently;
use super::{cron, limits, schedule_error};
use crate::clients::Lazy;
use crate::fault::{Class, Fault};

/// The only target of a rule.
const TARGET_ID: &str = "postdate";

#[derive(Debug, Clone)]
pub struct Rules {
    pub(super) client: Lazy<Client>,
}

impl Rules {
    /// `client` with its tries taken from it: see [`super::retry`].
    pub fn new(client: Lazy<Client>) -> Self {
        let without_tries = move || Client::from_conf(client.config().to_builder().retry_config(RetryConfig::disabled()).build());
        Self { client: Lazy::new(without_tries) }
    }

    /// Makes the rule, or moves it.
    pub async fn put(&self, name: &str, minute: DateTime<Utc>, about: &str, aim: &Aim<'_>) -> Result<(), ScheduleError> {
        let expression = cron::cron(minute).map_err(|fault| ScheduleError::Failed(fault.to_string()))?;
        limits::check_rule_input(&aim.input)?;
        let target = target(aim).map_err(|error| ScheduleError::Failed(format!("no target can be made of it: {error}")))?;

        patiently(|| self.put_rule(name, &expression, about)).await.map_err(|fault| schedule_error(&fault))?;
        patiently(|| self.put_target(name, &target)).await.map_err(|fault| match fault.class {
            // Deleted by somebody between the two calls: another try makes it again.
            Class::Missing => ScheduleError::Unavailable { message: fault.to_string(), retry_after: None },
            _ => schedule_error(&fault),
        })
    }

    /// Deletes the rule with its target. One that is not there is deleted already. A managed rule is refused by
    /// EventBridge, since it is never forced.
    pub async fn delete(&self, name: &str) -> Result<(), ScheduleError> {
        for result in [patiently(|| self.remove_target(name)).await, patiently(|| self.delete_rule(name)).await] {
            match result {
                Ok(()) => {}
                Err(fault) if fault.class == Class::Missing => {}
                Err(fault) => return Err(schedule_error(&fault)),
            }
        }
        Ok(())
    }

    async fn put_rule(&self, name: &str, expression: &str, about: &str) -> Result<(), Fault> {
        let call = self.client.put_rule().name(name).schedule_expression(expression).state(RuleState::Enabled).description(about);
        call.send().await.map(drop).map_err(|error| Fault::of("PutRule", &error))
    }

    async fn put_target(&self, name: &str, target: &Target) -> Result<(), Fault> {
        let call = self.client.put_targets().rule(name).targets(target.clone());
        let answer = call.send().await.map_err(|error| Fault::of("PutTargets", &error))?;
        if answer.failed_entry_count() == 0 {
            return Ok(());
        }
        let entry = answer.failed_entries().first();
        Err(Fault::of_entry("PutTargets", entry.and_then(|entry| entry.error_code()), entry.and_then(|entry| entry.error_message())))
    }

    async fn remove_target(&self, name: &str) -> Result<(), Fault> {
        let call = self.client.remove_targets().rule(name).ids(TARGET_ID);
        let answer = call.send().await.map_err(|error| Fault::of("RemoveTargets", &error))?;
        if answer.failed_entry_count() == 0 {
            return Ok(());
        }
        let entry = answer.failed_entries().first();
        Err(Fault::of_entry("RemoveTargets", entry.and_then(|entry| entry.error_code()), entry.and_then(|entry| entry.error_message())))
    }

    async fn delete_rule(&self, name: &str) -> Result<(), Fault> {
        self.client.delete_rule().name(name).send().await.map(drop).map_err(|error| Fault::of("DeleteRule", &error))
    }
}

fn target(aim: &Aim<'_>) -> Result<Target, BuildError> {
    let Delivery { dead_letter_arn, event_age_seconds } = aim.delivery;
    let retries = RetryPolicy::builder().maximum_event_age_in_seconds(event_age_seconds).maximum_retry_attempts(limits::RETRY_ATTEMPTS);
    let group = aim.message_group.map(|group| SqsParameters::builder().message_group_id(group).build());
    Target::builder()
        .id(TARGET_ID)
        .arn(aim.arn)
        .set_role_arn(aim.role.map(str::to_owned))
        .input(&aim.input)
        .retry_policy(retries.build())
        .dead_letter_config(DeadLetterConfig::builder().arn(dead_letter_arn).build())
        .set_sqs_parameters(group)
        .set_ecs_parameters(aim.task.map(|task| task_parameters(task.definition, task.subnets)).transpose()?)
        .build()
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
