//! The scheduler with rules and with schedules, held to one contract, against moto behind a proxy with the limits of AWS.

mod kinds;
mod scene;

use chrono::TimeDelta;
use postdate_aws::ports::Timing as _;
use postdate_core::envelope::Envelope;
use postdate_core::ports::{Arming, ScheduleError, Scheduler as _};
use postdate_core::request::{Request, ScheduleKind};
use postdate_core::testing::{moment, sample_id};
use postdate_core::use_case::Target;
use postdate_tests::fault_proxy::Fault;

use scene::{FAR, moved, request, scene, target};

async fn contract(is_rules: bool) {
    let scene = scene(is_rules, true).await;
    let kind = if is_rules { ScheduleKind::Rule } else { ScheduleKind::Schedule };
    let first = Request { schedule: Some(kind), ..request(1, TimeDelta::days(424)) };
    scene.scheduler.schedule(Arming { request: &first, target: None, before: None, body: Some(r#"{"n":1}"#) }).await.unwrap();

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
    let later = scene.moved(&first, moment() + TimeDelta::days(365)).await;
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

#[tokio::test]
async fn a_direct_target_gets_the_body_from_the_rule_itself() {
    let body = r#"{"n":1}"#;
    for is_rules in [true, false] {
        let scene = scene(is_rules, true).await;
        let fifo = target(&format!(r#"kind = "sqs", direct = true, group = "g", arn = "{}""#, scene.account.aws.arn("sqs", "orders.fifo")));
        let near = request(1, TimeDelta::seconds(90));
        assert_eq!(scene.plan(&near, &fifo), Some(if is_rules { ScheduleKind::Rule } else { ScheduleKind::KeptSchedule }));
        scene.scheduler.schedule(Arming { request: &near, target: Some(&fifo), before: None, body: Some(body) }).await.unwrap();
        let timer = scene.only_timer().await;
        assert_eq!(timer.expression, scene.expression("cron(2 0 1 1 ? 2027)", "at(2027-01-01T00:02:00)"), "no queue, though it is near");
        assert_eq!(timer.target["Arn"], scene.account.aws.arn("sqs", "orders.fifo"));
        assert_eq!(timer.target["Input"], body);
        assert_eq!(timer.target["SqsParameters"]["MessageGroupId"], "g");

        let role = format!("arn:aws:iam::{}:role/postdate-direct-flow", scene.account.aws.account);
        let arn = scene.account.aws.arn("states", "stateMachine:flow");
        let flow = target(&format!(r#"kind = "step-functions", direct = true, role = "{role}", arn = "{arn}""#));
        scene.scheduler.unschedule(&near).await.unwrap();
        scene.scheduler.schedule(Arming { request: &near, target: Some(&flow), before: None, body: Some(body) }).await.unwrap();
        assert_eq!(scene.only_timer().await.target["RoleArn"], role);

        scene.scheduler.unschedule(&near).await.unwrap();
        let nothing = scene.scheduler.schedule(Arming { request: &near, target: Some(&flow), before: None, body: None }).await;
        assert!(matches!(nothing, Err(ScheduleError::Failed(_))));
        if is_rules {
            let long = format!("\"{}\"", "a".repeat(8191));
            let refused = scene.scheduler.schedule(Arming { request: &near, target: Some(&flow), before: None, body: Some(&long) }).await;
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
    scene.scheduler.schedule(Arming { request: &request, target: Some(&big), before: None, body: None }).await.unwrap();
    let timer = scene.only_timer().await;
    assert_eq!(timer.target["Arn"], scene.account.aws.arn("lambda", "function:postdate-target-big"));
    assert_eq!(timer.expression, "cron(2 0 1 1 ? 2027)", "it has no queue");
    let lost = Target::Plugin { host: Some("lost".to_owned()) };
    assert!(scene.scheduler.serves(&big).is_ok());
    assert!(scene.scheduler.serves(&lost).unwrap_err().contains("big"));
    let refused = scene.scheduler.schedule(Arming { request: &request, target: Some(&lost), before: None, body: None }).await;
    assert!(matches!(refused, Err(ScheduleError::Failed(_))));
}

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
        let again = Arming { request: &request, target: None, before: None, body: None };
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
