//! One-time rules of EventBridge's default bus, each with one target.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{DeadLetterConfig, RetryPolicy, Rule, RuleState, SqsParameters, Target};
use aws_smithy_types::error::operation::BuildError;
use chrono::{DateTime, Utc};
use postdate_core::ports::ScheduleError;

use super::aim::{Aim, DeliveryPolicy, Task, ecs_parameters};
use super::{cron, limits};
use crate::aws_error::{AwsError, Class};
use crate::clients::{Lazy, retrying, without_retries};

/// Id of a rule's only target.
const TARGET_ID: &str = "postdate";

/// A rule in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRule {
    pub name: String,
    pub schedule_expression: String,
    /// The AWS service that created the rule, if one did.
    pub managed_by: Option<String>,
}

/// One page of a list of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePage {
    pub listed: Vec<ListedRule>,
    /// Token of the next page; `None` on the last page.
    pub next_token: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Rules {
    pub(super) client: Lazy<Client>,
}

impl Rules {
    pub fn new(client: Lazy<Client>) -> Self {
        Self { client: without_retries!(aws_sdk_eventbridge, client) }
    }

    /// Creates or moves the rule. Returns the service's error if the bus takes no further rule, now or for some seconds. Nothing that
    /// sends an event was made then, but a rule that existed keeps its time.
    pub async fn put(&self, name: &str, minute: DateTime<Utc>, about: &str, aim: &Aim<'_>) -> Result<Option<AwsError>, ScheduleError> {
        let expression = cron::cron(minute)?;
        limits::check_rule_input(&aim.input)?;
        let target = target(aim).map_err(|error| ScheduleError::Failed(format!("the rule's target is not valid: {error}")))?;

        match retrying(|| self.put_rule(name, &expression, about)).await {
            Err(error) if error.class == Class::Full || error.is_throttled() => return Ok(Some(error)),
            put => put?,
        }
        retrying(|| self.put_target(name, &target)).await.map_err(|error| match error.class {
            // The rule was deleted between the two calls. A repetition of both calls creates it again.
            Class::Missing => AwsError { class: Class::Again, ..error },
            _ => error,
        })?;
        Ok(None)
    }

    /// Returns the minute of a rule with a target. `None` if there is no rule, or if it has no target and therefore sends nothing.
    pub async fn minute(&self, name: &str) -> Result<Option<DateTime<Utc>>, ScheduleError> {
        let read = || async {
            let targets = self.client.list_targets_by_rule().rule(name).send().await;
            if targets.map_err(|error| AwsError::of("ListTargetsByRule", &error))?.targets().is_empty() {
                return Ok(None);
            }
            let rule = self.client.describe_rule().name(name).send().await.map_err(|error| AwsError::of("DescribeRule", &error))?;
            Ok::<_, AwsError>(rule.schedule_expression().and_then(cron::parse_cron))
        };
        match retrying(read).await {
            Err(error) if error.class == Class::Missing => Ok(None),
            read => Ok(read?),
        }
    }

    /// Deletes the rule with its target; idempotent. Does not set `Force`, so EventBridge refuses to delete a managed rule.
    pub async fn delete(&self, name: &str) -> Result<(), ScheduleError> {
        for result in [retrying(|| self.remove_target(name)).await, retrying(|| self.delete_rule(name)).await] {
            match result {
                Err(error) if error.class != Class::Missing => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns a page of the rules whose names begin with `prefix`; `limit` is 1 to 100.
    pub async fn list(&self, prefix: &str, token: Option<&str>, limit: i32) -> Result<RulePage, ScheduleError> {
        let call = || async {
            let call = self.client.list_rules().name_prefix(prefix).set_next_token(token.map(str::to_owned)).limit(limit);
            call.send().await.map_err(|error| AwsError::of("ListRules", &error))
        };
        let page = retrying(call).await?;
        Ok(RulePage { listed: page.rules().iter().map(ListedRule::of).collect(), next_token: page.next_token().map(str::to_owned) })
    }

    async fn put_rule(&self, name: &str, expression: &str, about: &str) -> Result<(), AwsError> {
        let call = self.client.put_rule().name(name).schedule_expression(expression).state(RuleState::Enabled).description(about);
        call.send().await.map(drop).map_err(|error| AwsError::of("PutRule", &error))
    }

    async fn put_target(&self, name: &str, target: &Target) -> Result<(), AwsError> {
        let call = self.client.put_targets().rule(name).targets(target.clone());
        let answer = call.send().await.map_err(|error| AwsError::of("PutTargets", &error))?;
        if answer.failed_entry_count() == 0 {
            return Ok(());
        }
        let entry = answer.failed_entries().first();
        Err(AwsError::of_entry("PutTargets", entry.and_then(|entry| entry.error_code()), entry.and_then(|entry| entry.error_message())))
    }

    async fn remove_target(&self, name: &str) -> Result<(), AwsError> {
        let call = self.client.remove_targets().rule(name).ids(TARGET_ID);
        let answer = call.send().await.map_err(|error| AwsError::of("RemoveTargets", &error))?;
        if answer.failed_entry_count() == 0 {
            return Ok(());
        }
        let entry = answer.failed_entries().first();
        Err(AwsError::of_entry("RemoveTargets", entry.and_then(|entry| entry.error_code()), entry.and_then(|entry| entry.error_message())))
    }

    async fn delete_rule(&self, name: &str) -> Result<(), AwsError> {
        self.client.delete_rule().name(name).send().await.map(drop).map_err(|error| AwsError::of("DeleteRule", &error))
    }
}

impl ListedRule {
    fn of(rule: &Rule) -> Self {
        Self {
            name: rule.name().unwrap_or_default().to_owned(),
            schedule_expression: rule.schedule_expression().unwrap_or_default().to_owned(),
            managed_by: rule.managed_by().map(str::to_owned),
        }
    }
}

fn target(aim: &Aim<'_>) -> Result<Target, BuildError> {
    let DeliveryPolicy { dead_letter_arn, event_age_seconds } = aim.delivery;
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
        .set_ecs_parameters(aim.task.map(|task| ecs_parameters!(aws_sdk_eventbridge, task)).transpose()?)
        .build()
}
