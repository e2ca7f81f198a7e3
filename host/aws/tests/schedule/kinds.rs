//! Rules and schedules side by side: `auto`, a switch between them, and direct requests that are scheduled again.

use chrono::{DateTime, TimeDelta, Utc};
use postdate_aws::config::Backend;
use postdate_aws::ports::Timing as _;
use postdate_core::arm;
use postdate_core::envelope::Envelope;
use postdate_core::lifecycle::{Change, Outcome};
use postdate_core::ports::{Arming, Changes as _, Intake as _, Requests as _, Scheduler as _};
use postdate_core::request::{NewRequest, Request, ScheduleKind};
use postdate_core::testing::{MemoryLedger, claim, moment};
use postdate_core::use_case::Target;
use postdate_tests::fault_proxy::Fault;

use super::scene::{FAR, GROUP, Scene, auto, moved, of, request, scene, scene_of, target};

/// The time at which the clock of [`late`] stands.
const LATE: TimeDelta = TimeDelta::days(10);

fn late() -> DateTime<Utc> {
    moment() + LATE
}

const BUS_FULL: Fault = Fault::LimitExceeded;

/// Stores a request, and schedules it as the API does.
async fn accepted(scene: &Scene, ledger: &MemoryLedger, id: u64, due_in: TimeDelta) -> Request {
    let mut new = of(&request(id, due_in));
    new.request.schedule = scene.plan(&new.request, &Target::Plugin { host: None });
    ledger.insert(new.clone().into()).await.unwrap();
    armed(scene, ledger, &new.request, None).await
}

/// Schedules a stored request as the API does. Returns it as the ledger has it then.
async fn armed(scene: &Scene, ledger: &MemoryLedger, request: &Request, before: Option<&Request>) -> Request {
    let arming = Arming { request, target: None, before, body: None };
    arm::schedule(ledger, &scene.scheduler, arming, moment()).await.unwrap();
    ledger.find(request.id).await.unwrap().unwrap().0
}

#[tokio::test]
async fn a_full_bus_makes_schedules_until_it_has_room_and_each_kind_is_cleaned_up() {
    let (scene, ledger) = (auto(true, moment).await, MemoryLedger::default());
    let proxy = &scene.account.proxy;
    let by_rule = accepted(&scene, &ledger, 1, FAR).await;
    assert_eq!(by_rule.schedule, Some(ScheduleKind::Rule));

    proxy.fail_always("events", "PutRule", BUS_FULL);
    let discovered = accepted(&scene, &ledger, 2, FAR).await;
    assert_eq!((discovered.schedule, proxy.calls("events", "PutRule").len()), (Some(ScheduleKind::Schedule), 2));
    let known = accepted(&scene, &ledger, 3, FAR).await;
    assert_eq!((known.schedule, proxy.calls("events", "PutRule").len()), (Some(ScheduleKind::Schedule), 2), "the bus is known to be full");
    assert_eq!((scene.account.aws.list_rules().await.len(), scene.account.aws.list_schedules(GROUP).await.len()), (1, 2));

    // A clone that knows nothing of the full bus, minutes later: rules again.
    proxy.heal();
    let later = Scene { scheduler: scene.other_process(), ..scene };
    assert_eq!(accepted(&later, &ledger, 4, FAR).await.schedule, Some(ScheduleKind::Rule));
    assert_eq!((later.account.aws.list_rules().await.len(), later.account.aws.list_schedules(GROUP).await.len()), (2, 2));

    let since = later.account.proxy.records().len();
    later.scheduler.unschedule(&discovered).await.unwrap();
    assert_eq!(later.account.proxy.names(since), ["scheduler.DeleteSchedule"]);
    later.scheduler.unschedule(&by_rule).await.unwrap();
    assert_eq!(later.account.proxy.names(since)[1..], ["events.RemoveTargets", "events.DeleteRule"]);
    // The target host cleans up by the envelope's name.
    for timer in later.timers().await {
        let envelope = Envelope::parse(timer.target["Input"].as_str().unwrap()).unwrap();
        assert_eq!(envelope.rule.as_ref(), Some(&timer.name));
        later.scheduler.clean_rule(&timer.name).await.unwrap();
    }
    assert!(later.timers().await.is_empty());
    later.account.proxy.assert_lawful();
}

#[tokio::test]
async fn a_full_bus_makes_a_schedule_for_a_retry_and_for_a_move_of_a_request_without_a_rule() {
    let (scene, ledger) = (auto(true, moment).await, MemoryLedger::default());
    // A near request has no rule.
    let near = accepted(&scene, &ledger, 1, TimeDelta::minutes(5)).await;
    assert!(scene.timers().await.is_empty() && near.schedule == Some(ScheduleKind::Rule));
    scene.account.proxy.fail_always("events", "PutRule", BUS_FULL);
    ledger.change(near.id, Change::Move { to: moment() + FAR, by: None }, moment()).await.unwrap();
    let far = armed(&scene, &ledger, &moved(&near, moment() + FAR), Some(&near)).await;
    assert_eq!(far.schedule, Some(ScheduleKind::Schedule));
    let first = scene.only_timer().await;

    // A move changes the name: the service may be deleting the earlier schedule.
    ledger.change(near.id, Change::Move { to: moment() + FAR * 2, by: None }, moment()).await.unwrap();
    let farther = armed(&scene, &ledger, &moved(&far, moment() + FAR * 2), Some(&far)).await;
    let second = scene.only_timer().await;
    assert_ne!(second.name, first.name);
    scene.scheduler.unschedule(&farther).await.unwrap();
    assert!(scene.timers().await.is_empty());

    // A retry after more than the queue's longest delay.
    let retried = accepted(&scene, &ledger, 2, TimeDelta::minutes(5)).await;
    let rule = Change::ScheduleBy { kind: ScheduleKind::Rule };
    let outcome = Outcome::Retry { failure: "busy".to_owned(), at: moment() + TimeDelta::hours(1) };
    for change in [rule, claim(), Change::Finish { claim: 1, outcome }] {
        ledger.change(retried.id, change, moment() + TimeDelta::minutes(5)).await.unwrap();
    }
    let again = ledger.find(retried.id).await.unwrap().unwrap().0;
    assert_eq!(armed(&scene, &ledger, &again, None).await.schedule, Some(ScheduleKind::Schedule));
    assert_eq!(scene.account.aws.list_schedules(GROUP).await.len(), 1);
    scene.account.proxy.assert_lawful();
}

/// A deployment that changes its `POSTDATE_SCHEDULER` while requests wait.
#[tokio::test]
async fn schedules_from_before_a_switch_back_to_rules_are_moved_and_deleted() {
    let scene = scene_of(|service| Backend::Rules(Some(service)), true, moment).await;
    let by_schedule = Request { schedule: Some(ScheduleKind::Schedule), ..request(1, FAR) };
    scene.schedule(&by_schedule).await.unwrap();
    let later = scene.moved(&by_schedule, moment() + FAR * 2).await;
    assert!(scene.account.aws.list_rules().await.is_empty());
    scene.scheduler.unschedule(&later).await.unwrap();
    assert!(scene.timers().await.is_empty());
    // A schedule of a version without the record has the attempts in its name.
    let without = scene_of(|_| Backend::Rules(None), true, moment).await;
    assert!(without.scheduler.unschedule(&later).await.unwrap_err().to_string().contains("POSTDATE_SCHEDULER_ROLE_ARN"));
}

#[tokio::test]
async fn a_request_from_before_the_record_had_a_kind_is_cleaned_up_by_either_name() {
    let scene = auto(true, moment).await;
    let old = Request { attempts: 2, ..request(1, FAR) };
    let since = scene.account.proxy.records().len();
    scene.scheduler.unschedule(&old).await.unwrap();
    assert_eq!(scene.account.proxy.names(since), ["events.RemoveTargets", "events.DeleteRule", "scheduler.DeleteSchedule"]);
    let deleted = &scene.account.proxy.calls("scheduler", "DeleteSchedule")[0];
    assert!(format!("{deleted:?}").contains(&format!("{}-2", old.id)), "{deleted:?}");
}

/// A repeat of the call, and the janitor, schedule again what may have been sent: only a rule or a schedule that is there tells.
#[tokio::test]
async fn a_direct_request_is_sent_once_although_it_is_scheduled_again_after_its_time() {
    for kind in [ScheduleKind::Rule, ScheduleKind::KeptSchedule] {
        let before = auto(true, moment).await;
        let queue = target(&format!(r#"kind = "sqs", direct = true, arn = "{}""#, before.account.aws.arn("sqs", "orders")));
        let direct = Request { schedule: Some(kind), ..request(1, LATE) };
        let schedule = async |scene: &Scene, request: &Request| {
            let arming = Arming { request, target: Some(&queue), before: None, body: Some("{}") };
            scene.scheduler.schedule(arming).await.unwrap();
            scene.only_timer().await.expression
        };
        let first = schedule(&before, &direct).await;
        let after = Scene { scheduler: before.at(late), ..before };
        assert_eq!(schedule(&after, &direct).await, first, "{kind:?}: its event was sent");
        // A retry by hand, after the event, sends another.
        let retried = Request { attempts: 1, due_at: late() + TimeDelta::seconds(1), ..direct.clone() };
        let second = schedule(&after, &retried).await;
        assert_ne!(second, first, "{kind:?}");
        assert_eq!(schedule(&after, &retried).await, second, "{kind:?}");
        // A request that never got its rule gets it now.
        after.scheduler.unschedule(&direct).await.unwrap();
        assert!(after.timers().await.is_empty());
        assert_ne!(schedule(&after, &direct).await, first, "{kind:?}");
    }
}

#[tokio::test]
async fn a_rule_without_its_target_has_sent_nothing() {
    let scene = auto(true, moment).await;
    let queue = target(&format!(r#"kind = "sqs", direct = true, arn = "{}""#, scene.account.aws.arn("sqs", "orders")));
    let direct = Request { schedule: Some(ScheduleKind::Rule), ..request(1, LATE) };
    let arming = Arming { request: &direct, target: Some(&queue), before: None, body: Some("{}") };
    scene.account.proxy.fail_always("events", "PutTargets", Fault::AccessDenied);
    scene.scheduler.schedule(arming).await.unwrap_err();
    scene.account.proxy.heal();
    let after = Scene { scheduler: scene.at(late), ..scene };
    after.scheduler.schedule(arming).await.unwrap();
    assert_eq!(after.only_timer().await.target["Input"], "{}");
}

#[tokio::test]
async fn a_body_too_large_for_a_rule_goes_by_a_schedule_where_there_are_both() {
    let auto = auto(true, moment).await;
    let queue = target(&format!(r#"kind = "sqs", direct = true, arn = "{}""#, auto.account.aws.arn("sqs", "orders")));
    let new = |length: usize| NewRequest { body: format!("\"{}\"", "x".repeat(length - 2)), ..of(&request(1, FAR)) };
    assert_eq!(auto.scheduler.plan(&new(8192), &queue), Ok(Some(ScheduleKind::Rule)));
    assert_eq!(auto.scheduler.plan(&new(8193), &queue), Ok(Some(ScheduleKind::KeptSchedule)));
    let rules = scene(true, true).await;
    let error = rules.scheduler.plan(&new(8193), &queue).unwrap_err();
    assert_eq!((error.size, error.limit, error.unit), (8193, 8192, "characters"));
}
