//! A scheduler in an account of moto, behind a proxy with the limits of AWS.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use chrono::{DateTime, TimeDelta, Utc};
use postdate_aws::clients::Lazy;
use postdate_aws::config::{Backend, HostAddress, ScheduleService};
use postdate_aws::schedule::{AwsScheduler, ScheduleSettings};
use postdate_core::ports::{Arming, ScheduleError, Scheduler as _};
use postdate_core::request::{NewRequest, Request, ScheduleKind};
use postdate_core::testing::{moment, new_request, sample_id};
use postdate_core::use_case::{Target, UseCase};
use postdate_tests::aws::REGION;
use postdate_tests::moto::Account;
use serde_json::Value;

pub const GROUP: &str = "postdate";

pub struct Scene {
    pub scheduler: AwsScheduler,
    pub account: Account,
    pub queue: String,
    pub is_rules: bool,
}

/// A rule or a schedule, in one form for both.
#[derive(Debug)]
pub struct Armed {
    pub name: String,
    pub expression: String,
    pub target: Value,
}

pub async fn scene(is_rules: bool, with_queue: bool) -> Scene {
    let backend: fn(ScheduleService) -> Backend = if is_rules { |_| Backend::Rules(None) } else { Backend::Schedules };
    Scene { is_rules, ..scene_of(backend, with_queue, moment).await }
}

/// Returns a scene with rules and schedules.
pub async fn auto(with_queue: bool, now: fn() -> DateTime<Utc>) -> Scene {
    scene_of(Backend::Auto, with_queue, now).await
}

pub async fn scene_of(backend: fn(ScheduleService) -> Backend, with_queue: bool, now: fn() -> DateTime<Utc>) -> Scene {
    let account = Account::new().await;
    let aws = &account.aws;
    let queue = aws.create_queue("delay").await;
    aws.create_schedule_group(GROUP).await;
    let role_arn = format!("arn:aws:iam::{}:role/postdate-scheduler", aws.account);
    let service = ScheduleService { group: GROUP.to_owned(), role_arn };
    let big = HostAddress { arn: aws.arn("lambda", "function:postdate-target-big"), queue_url: None };
    let settings = ScheduleSettings {
        prefix: "postdate-".to_owned(),
        target_arn: aws.arn("lambda", "function:target:live"),
        queue_url: with_queue.then(|| queue.clone()),
        hosts: BTreeMap::from([("big".to_owned(), big)]),
        delivery_targets: postdate_tests::stack::delivery_targets(),
        backend: backend(service),
        dead_letter_arn: aws.arn("sqs", "dead-letters"),
        max_event_age: Duration::from_hours(1),
    };
    let scheduler = scheduler(settings, &account, now);
    Scene { scheduler, account, queue, is_rules: true }
}

/// Returns the scheduler of a process in the account.
pub fn scheduler(settings: ScheduleSettings, account: &Account, now: fn() -> DateTime<Utc>) -> AwsScheduler {
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "test")))
        .endpoint_url(account.proxy.url())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(5)).build())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let (events, schedules, queues) =
        (aws_sdk_eventbridge::Client::new(&sdk), aws_sdk_scheduler::Client::new(&sdk), aws_sdk_sqs::Client::new(&sdk));
    AwsScheduler::new(settings, Lazy::new(|| events), Lazy::new(|| schedules), Lazy::new(|| queues), now)
}

impl Scene {
    /// Returns all rules, then all schedules.
    pub async fn timers(&self) -> Vec<Armed> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut timers = Vec::new();
        for rule in self.account.aws.list_rules().await {
            let name = text(&rule["Name"]);
            let mut targets = self.account.aws.list_targets_by_rule(&name).await;
            assert!(targets.len() <= 1, "{targets:?}");
            timers.push(Armed { name, expression: text(&rule["ScheduleExpression"]), target: targets.pop().unwrap_or_default() });
        }
        for name in self.account.aws.list_schedules(GROUP).await {
            let mut schedule = self.account.aws.get_schedule(GROUP, &name).await.unwrap();
            // A kept schedule has the number 0.
            let after = if name.ends_with("-0") { "NONE" } else { "DELETE" };
            assert_eq!(schedule["ActionAfterCompletion"], after, "{name}");
            timers.push(Armed { name, expression: text(&schedule["ScheduleExpression"]), target: schedule["Target"].take() });
        }
        timers
    }

    pub async fn only_timer(&self) -> Armed {
        let mut timers = self.timers().await;
        assert_eq!(timers.len(), 1, "{timers:?}");
        timers.remove(0)
    }

    pub async fn moved(&self, before: &Request, due_at: DateTime<Utc>) -> Request {
        let request = moved(before, due_at);
        let arming = Arming { request: &request, target: None, before: Some(before), body: Some(r#"{"n":1}"#) };
        self.scheduler.schedule(arming).await.unwrap();
        request
    }

    pub async fn schedule(&self, request: &Request) -> Result<(), ScheduleError> {
        self.scheduler.schedule(Arming { request, target: None, before: None, body: Some(r#"{"n":1}"#) }).await
    }

    /// Returns the scheduler of another process, which has seen nothing of the bus.
    pub fn other_process(&self) -> AwsScheduler {
        self.at(moment)
    }

    /// Returns the scheduler of another process whose clock stands at `now`.
    pub fn at(&self, now: fn() -> DateTime<Utc>) -> AwsScheduler {
        scheduler(self.scheduler.settings().clone(), &self.account, now)
    }

    pub fn plan(&self, request: &Request, target: &Target) -> Option<ScheduleKind> {
        self.scheduler.plan(&of(request), target).unwrap()
    }

    pub fn expression(&self, cron: &str, at: &str) -> String {
        if self.is_rules { cron.to_owned() } else { at.to_owned() }
    }
}

pub fn request(id: u64, due_in: TimeDelta) -> Request {
    new_request(sample_id(id), "orders", moment() + due_in).request
}

pub fn of(request: &Request) -> NewRequest {
    NewRequest { request: request.clone(), ..new_request(request.id, "orders", moment()) }
}

pub fn moved(request: &Request, due_at: DateTime<Utc>) -> Request {
    Request { due_at, trigger_at: due_at, ..request.clone() }
}

pub fn target(toml: &str) -> Target {
    let manifest = format!("name = \"orders\"\n[process]\nplugin = \"p.wasm\"\n[targets]\nit = {{ {toml} }}\n");
    UseCase::parse(&manifest).unwrap().targets.get("it").unwrap().1.clone()
}

/// A delay that needs a rule or a schedule.
pub const FAR: TimeDelta = TimeDelta::days(10);
