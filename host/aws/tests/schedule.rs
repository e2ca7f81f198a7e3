//! The scheduler with rules and with schedules, held to one contract, against moto behind a proxy with the limits of AWS.

#![expect(clippy::similar_names, reason = "a scheduler makes schedules")]

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use chrono::{DateTime, TimeDelta, Utc};
use postdate_aws::clients::Lazy;
use postdate_aws::config::{Backend, HostAddress};
use postdate_aws::ports::Timing as _;
use postdate_aws::schedule::{AwsScheduler, ScheduleSettings};
use postdate_core::envelope::Envelope;
use postdate_core::ports::{Arming, ScheduleError, Scheduler};
use postdate_core::request::Request;
use postdate_core::testing::{moment, new_request, sample_id};
use postdate_core::use_case::{Target, UseCase};
use postdate_tests::aws::REGION;
use postdate_tests::fault_proxy::Fault;
use postdate_tests::moto::Account;
use serde_json::Value;

const GROUP: &str = "postdate";

struct Scene {
    scheduler: AwsScheduler,
    account: Account,
    queue: String,
    is_rules: bool,
}

/// A rule or a schedule, in one form for both.
#[derive(Debug)]
struct Armed {
    name: String,
    expression: String,
    target: Value,
}

async fn scene(is_rules: bool, with_queue: bool) -> Scene {
    let account = Account::new().await;
    let aws = &account.aws;
    let queue = aws.create_queue("delay").await;
    if !is_rules {
        aws.create_schedule_group(GROUP).await;
    }
    let role_arn = format!("arn:aws:iam::{}:role/postdate-scheduler", aws.account);
    let big = HostAddress { arn: aws.arn("lambda", "function:big"), queue_url: None };
    let settings = ScheduleSettings {
        prefix: "postdate-".to_owned(),
        target_arn: aws.arn("lambda", "function:target:live"),
        queue_url: with_queue.then(|| queue.clone()),
        hosts: BTreeMap::from([("big".to_owned(), big)]),
        backend: if is_rules { Backend::Rules } else { Backend::OneTimeSchedules { group: GROUP.to_owned(), role_arn } },
        dead_letter_arn: aws.arn("sqs", "dead-letters"),
        max_event_age: Duration::from_hours(1),
    };
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
    let scheduler = AwsScheduler::new(settings, Lazy::new(|| events), Lazy::new(|| schedules), Lazy::new(|| queues), moment);
    Scene { scheduler, account, queue, is_rules }
}

impl Scene {
    async fn timers(&self) -> Vec<Armed> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut timers = Vec::new();
        if self.is_rules {
            for rule in self.account.aws.list_rules().await {
                let name = text(&rule["Name"]);
                let mut targets = self.account.aws.list_targets_by_rule(&name).await;
                assert!(targets.len() <= 1, "{targets:?}");
                timers.push(Armed { name, expression: text(&rule["ScheduleExpression"]), target: targets.pop().unwrap_or_default() });
            }
        } else {
            for name in self.account.aws.list_schedules(GROUP).await {
                let mut schedule = self.account.aws.get_schedule(GROUP, &name).await.unwrap();
                assert_eq!(schedule["ActionAfterCompletion"], "DELETE");
                timers.push(Armed { name, expression: text(&schedule["ScheduleExpression"]), target: schedule["Target"].take() });
            }
        }
        timers
    }

    async fn only_timer(&self) -> Armed {
        let mut timers = self.timers().await;
        assert_eq!(timers.len(), 1, "{timers:?}");
        timers.remove(0)
    }

    async fn schedule(&self, request: &Request) -> Result<(), ScheduleError> {
        self.scheduler.schedule(Arming { request, target: None, body: Some(r#"{"n":1}"#) }).await
    }

    fn expression(&self, cron: &str, at: &str) -> String {
        if self.is_rules { cron.to_owned() } else { at.to_owned() }
    }
}

fn request(id: u64, due_in: TimeDelta) -> Request {
    new_request(sample_id(id), "orders", moment() + due_in).request
}

fn moved(request: &Request, due_at: DateTime<Utc>) -> Request {
    Request { due_at, trigger_at: due_at, ..request.clone() }
}

async fn contract(is_rules: bool) {
    let scene = scene(is_rules, true).await;
    let first = request(1, TimeDelta::days(424));
    scene.scheduler.schedule(Arming { request: &first, target: None, body: Some(r#"{"n":1}"#) }).await.unwrap();

    // 424 days after 2027-01-01 is 2028-02-29. The timer fires in the minute before.
    let timer = scene.only_timer().await;
    assert_eq!(timer.expression, scene.expression("cron(59 23 28 2 ? 2028)", "at(2028-02-28T23:59:00)"));
    assert_eq!(timer.target["Arn"], scene.account.aws.arn("lambda", "function:target:live"));
    assert_eq!(timer.target["DeadLetterConfig"]["Arn"], scene.account.aws.arn("sqs", "dead-letters"));
    assert_eq!(timer.target["RetryPolicy"]["MaximumEventAgeInSeconds"], 3600);
    assert_eq!(timer.target["RetryPolicy"]["MaximumRetryAttempts"], 185);
    let envelope = Envelope::parse(timer.target["Input"].as_str().unwrap()).unwrap();
    assert_eq!((envelope.correlation_id, envelope.attempt, envelope.body()), (first.id, 1, Some(r#"{"n":1}"#)));
    assert_eq!(envelope.rule.as_deref(), Some(timer.name.as_str()));
    assert_eq!(scene.scheduler.id_of(&timer.name), Some(first.id));

    scene.schedule(&first).await.unwrap();
    let later = moved(&first, moment() + TimeDelta::days(365));
    scene.schedule(&later).await.unwrap();
    let timer = scene.only_timer().await;
    assert_eq!(timer.expression, scene.expression("cron(59 23 31 12 ? 2027)", "at(2027-12-31T23:59:00)"));
    assert!(timer.target["Input"].as_str().unwrap().contains("2028-01-01T00:00:00.000Z"));

    scene.scheduler.unschedule(&later).await.unwrap();
    assert!(scene.timers().await.is_empty());
    scene.scheduler.unschedule(&later).await.unwrap();
    scene.scheduler.clean_rule(&timer.name).await.unwrap();

    // A request that is due soon goes to the delay queue only.
    scene.schedule(&request(2, TimeDelta::seconds(0))).await.unwrap();
    scene.schedule(&request(3, TimeDelta::milliseconds(90_900))).await.unwrap();
    assert!(scene.timers().await.is_empty());
    let sent = scene.account.proxy.calls("sqs", "SendMessage");
    assert_eq!(sent.iter().map(|call| call.body["DelaySeconds"].clone()).collect::<Vec<_>>(), [0, 90]);
    let messages = scene.account.aws.take_messages(&scene.queue).await;
    let envelope = Envelope::parse(&messages[0].body).unwrap();
    assert_eq!((messages.len(), envelope.correlation_id, envelope.rule), (1, sample_id(2), None));
    scene.account.proxy.assert_lawful();
}

#[tokio::test]
async fn rules_keep_the_contract() {
    contract(true).await;
}

#[tokio::test]
async fn schedules_keep_the_contract() {
    contract(false).await;
}

#[tokio::test]
async fn an_envelope_can_be_parked_in_the_queue_for_up_to_900_seconds() {
    let scene = scene(true, true).await;
    let envelope = Envelope::of(&request(1, TimeDelta::hours(1)), Some("a-rule".to_owned()));
    let park = |due_in| scene.scheduler.park(&envelope, moment() + due_in, moment());
    assert!(!park(TimeDelta::milliseconds(900_001)).await.unwrap());
    assert!(park(TimeDelta::seconds(900)).await.unwrap());
    assert!(park(TimeDelta::seconds(-5)).await.unwrap());
    let sent = scene.account.proxy.calls("sqs", "SendMessage");
    assert_eq!(sent.iter().map(|call| call.body["DelaySeconds"].clone()).collect::<Vec<_>>(), [900, 0]);
    let messages = scene.account.aws.take_messages(&scene.queue).await;
    assert_eq!(Envelope::parse(&messages[0].body).unwrap().rule.as_deref(), Some("a-rule"));
}

#[tokio::test]
async fn a_request_without_a_delay_queue_is_scheduled_at_the_next_whole_minute() {
    for is_rules in [true, false] {
        let scene = scene(is_rules, false).await;
        scene.schedule(&request(1, TimeDelta::milliseconds(61_001))).await.unwrap();
        let expected = scene.expression("cron(2 0 1 1 ? 2027)", "at(2027-01-01T00:02:00)");
        assert_eq!(scene.only_timer().await.expression, expected);
        let envelope = Envelope::of(&request(1, TimeDelta::seconds(1)), None);
        assert!(!scene.scheduler.park(&envelope, moment(), moment()).await.unwrap());
    }
}

fn target(toml: &str) -> Target {
    let manifest = format!("name = \"orders\"\n[process]\nplugin = \"p.wasm\"\n[targets]\nit = {{ {toml} }}\n");
    UseCase::parse(&manifest).unwrap().targets.get("it").unwrap().1.clone()
}

#[tokio::test]
async fn a_direct_target_gets_the_body_from_the_rule_itself() {
    let body = r#"{"n":1}"#;
    for is_rules in [true, false] {
        let scene = scene(is_rules, true).await;
        let fifo = target(&format!(r#"kind = "sqs", direct = true, group = "g", arn = "{}""#, scene.account.aws.arn("sqs", "orders.fifo")));
        let near = request(1, TimeDelta::seconds(90));
        scene.scheduler.schedule(Arming { request: &near, target: Some(&fifo), body: Some(body) }).await.unwrap();
        let timer = scene.only_timer().await;
        assert_eq!(timer.expression, scene.expression("cron(2 0 1 1 ? 2027)", "at(2027-01-01T00:02:00)"), "no queue, though it is near");
        assert_eq!(timer.target["Arn"], scene.account.aws.arn("sqs", "orders.fifo"));
        assert_eq!(timer.target["Input"], body);
        assert_eq!(timer.target["SqsParameters"]["MessageGroupId"], "g");

        let role = "arn:aws:iam::123456789012:role/postdate-direct-flow";
        let arn = scene.account.aws.arn("states", "stateMachine:flow");
        let flow = target(&format!(r#"kind = "step-functions", direct = true, role = "{role}", arn = "{arn}""#));
        scene.scheduler.unschedule(&near).await.unwrap();
        scene.scheduler.schedule(Arming { request: &near, target: Some(&flow), body: Some(body) }).await.unwrap();
        assert_eq!(scene.only_timer().await.target["RoleArn"], role);

        let nothing = scene.scheduler.schedule(Arming { request: &near, target: Some(&flow), body: None }).await;
        assert!(matches!(nothing, Err(ScheduleError::Failed(_))));
        if is_rules {
            let long = format!("\"{}\"", "a".repeat(8191));
            let refused = scene.scheduler.schedule(Arming { request: &near, target: Some(&flow), body: Some(&long) }).await;
            assert!(refused.unwrap_err().to_string().contains("8193 characters"));
        }
        scene.account.proxy.assert_lawful();
    }
}

#[tokio::test]
async fn a_target_with_a_host_is_scheduled_on_that_host_and_an_unknown_host_is_refused() {
    let scene = scene(true, true).await;
    let request = request(1, TimeDelta::seconds(90));
    let big = Target::Plugin { host: Some("big".to_owned()) };
    scene.scheduler.schedule(Arming { request: &request, target: Some(&big), body: None }).await.unwrap();
    let timer = scene.only_timer().await;
    assert_eq!(timer.target["Arn"], scene.account.aws.arn("lambda", "function:big"));
    assert_eq!(timer.expression, "cron(2 0 1 1 ? 2027)", "it has no queue");
    let lost = Target::Plugin { host: Some("lost".to_owned()) };
    assert!(scene.scheduler.serves(&big).is_ok());
    assert!(scene.scheduler.serves(&lost).unwrap_err().contains("big"));
    let refused = scene.scheduler.schedule(Arming { request: &request, target: Some(&lost), body: None }).await;
    assert!(matches!(refused, Err(ScheduleError::Failed(_))));
}

#[tokio::test]
async fn direct_targets_that_a_backend_cannot_reach_are_not_served() {
    let (rules, schedules) = (scene(true, true).await, scene(false, true).await);
    let role = r#"role = "arn:aws:iam::123456789012:role/r""#;
    let topic = target(r#"kind = "sns", direct = true, arn = "arn:aws:sns:eu-central-1:123456789012:t.fifo""#);
    assert!(rules.scheduler.serves(&topic).is_err() && schedules.scheduler.serves(&topic).is_err());
    let hook =
        target(&format!(r#"kind = "api-destination", direct = true, {role}, arn = "arn:aws:events:eu-central-1:1:api-destination/d/1""#));
    assert!(rules.scheduler.serves(&hook).is_ok() && schedules.scheduler.serves(&hook).is_err());
    let foreign = target(&format!(r#"kind = "event-bus", direct = true, {role}, arn = "arn:aws:events:eu-central-1:1:event-bus/b""#));
    assert!(rules.scheduler.serves(&foreign).is_err() && schedules.scheduler.serves(&foreign).is_ok());
    let bus = rules.account.aws.arn("events", "event-bus/b");
    let own = target(&format!(r#"kind = "event-bus", direct = true, {role}, arn = "{bus}""#));
    assert!(rules.scheduler.serves(&own).is_ok());
    let delivered = target(r#"kind = "sns", arn = "arn:aws:sns:eu-central-1:123456789012:t.fifo""#);
    assert!(rules.scheduler.serves(&delivered).is_ok());
}

/// A delay that needs a rule or a schedule.
const FAR: TimeDelta = TimeDelta::days(10);

#[tokio::test]
async fn a_transient_fault_of_a_scheduling_call_is_retried() {
    for (is_rules, service, action) in [(true, "events", "PutRule"), (true, "events", "PutTargets"), (false, "scheduler", "CreateSchedule")]
    {
        for fault in [Fault::Throttled, Fault::Internal, Fault::ConcurrentModification, Fault::LostResponse] {
            if fault == Fault::ConcurrentModification && !is_rules {
                continue;
            }
            let scene = scene(is_rules, true).await;
            scene.account.proxy.fail_once(service, action, fault);
            scene.schedule(&request(1, FAR)).await.unwrap_or_else(|error| panic!("{action} {fault:?}: {error}"));
            assert_eq!(scene.account.proxy.calls(service, action)[0].fault, Some(fault));
            assert!(scene.only_timer().await.target["Input"].is_string(), "{action} {fault:?}");
            scene.account.proxy.assert_lawful();
        }
    }
    let scene = scene(true, true).await;
    scene.account.proxy.fail_once("events", "PutTargets", Fault::PartFailed);
    scene.schedule(&request(1, FAR)).await.unwrap();
    assert_eq!(scene.account.proxy.names(0), ["events.PutRule", "events.PutTargets", "events.PutTargets"]);
}

#[tokio::test]
async fn a_lasting_fault_is_returned_and_a_partly_created_rule_can_be_removed() {
    for (fault, passing) in [
        (Fault::Throttled, true),
        (Fault::Internal, true),
        (Fault::AccessDenied, false),
        (Fault::ExpiredToken, true),
        (Fault::LimitExceeded, true),
    ] {
        for action in ["PutRule", "PutTargets"] {
            let scene = scene(true, true).await;
            scene.account.proxy.fail_always("events", action, fault);
            let error = scene.schedule(&request(1, FAR)).await.unwrap_err();
            assert_eq!(matches!(error, ScheduleError::Unavailable { .. }), passing, "{action} {fault:?}: {error}");
            let retry_after = if let ScheduleError::Unavailable { retry_after, .. } = &error { *retry_after } else { None };
            assert_eq!(retry_after.map(|wait| wait.as_secs()), (fault == Fault::LimitExceeded).then_some(60));
            assert!(error.to_string().contains(action), "{error}");
            assert!(scene.account.proxy.calls("events", action).len() <= 5);
            scene.scheduler.unschedule(&request(1, FAR)).await.unwrap();
            assert!(scene.timers().await.is_empty(), "{action} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_failed_rescheduling_does_not_remove_the_existing_rule() {
    let scene = scene(true, true).await;
    let first = request(1, FAR);
    scene.schedule(&first).await.unwrap();
    scene.account.proxy.fail_always("events", "PutTargets", Fault::AccessDenied);
    for request in [moved(&first, moment() + TimeDelta::days(20)), first] {
        let again = Arming { request: &request, target: None, body: None };
        scene.scheduler.schedule(again).await.unwrap_err();
    }
    assert!(scene.only_timer().await.target["Input"].is_string());
}

#[tokio::test]
async fn only_rules_named_after_a_request_of_this_deployment_are_cleaned() {
    let scene = scene(true, true).await;
    for name in ["postdate-janitor", "other-orders-01941f29-7c00-7000-8000-000000000001", "postdate-*", ""] {
        scene.scheduler.clean_rule(name).await.unwrap_err();
    }
    assert!(scene.account.proxy.records().is_empty(), "nothing was called");
    scene.schedule(&request(1, FAR)).await.unwrap();
    scene.schedule(&request(2, FAR)).await.unwrap();
    let page = scene.scheduler.list_rules(None, 1).await.unwrap();
    assert_eq!((page.listed.len(), page.next_token.is_some()), (1, true));
    assert_eq!(scene.scheduler.rules().await.unwrap().len(), 2);
    // A clean-up that fails after `RemoveTargets` leaves a rule without a target, which a later clean-up deletes.
    let name = page.listed[0].name.clone();
    scene.account.proxy.fail_always("events", "DeleteRule", Fault::AccessDenied);
    scene.scheduler.clean_rule(&name).await.unwrap_err();
    scene.account.proxy.heal();
    scene.scheduler.clean_rule(&name).await.unwrap();
    assert_eq!(scene.timers().await.len(), 1);
}
