//! `POSTDATE_SCHEDULER=auto`: a bus that takes no further rule while requests are accepted, moved, retried and cancelled.

use chrono::TimeDelta;
use postdate_tests::driver::Source;
use postdate_tests::fault_proxy::Fault;
use postdate_tests::stack::{GROUP, Stack};
use serde_json::{Value, json};

use super::scene::Scene;
use crate::harness::{events, text};

const TARGETS: &str = "[targets]
default = 'here'
here = { kind = 'plugin' }
queue = { kind = 'sqs', direct = true, arn = 'arn:aws:sqs:eu-central-1:500000000001:orders' }
";

async fn scene() -> Scene {
    Scene::with(TARGETS, Stack::auto()).await
}

/// Returns the numbers of rules and of schedules.
async fn counts(scene: &Scene) -> (usize, usize) {
    (scene.stack.aws.list_rules().await.len(), scene.stack.aws.list_schedules(GROUP).await.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_accepted_and_run_while_the_bus_is_full() {
    let scene = scene().await;
    let (by_rule, _) = scene.post(json!({}), "PT2H").await;
    assert_eq!(counts(&scene).await, (1, 0));
    scene.stack.proxy.fail_always("events", "PutRule", Fault::LimitExceeded);
    let mut ids = vec![by_rule];
    for _ in 0..3 {
        ids.push(scene.post(json!({}), "PT2H").await.0);
    }
    assert_eq!(counts(&scene).await, (1, 3));
    assert_eq!(scene.stack.proxy.calls("events", "PutRule").len(), 2, "the processor knows that the bus is full");
    let (direct, _) = scene.post(json!({ "target": "queue" }), "PT2H").await;
    let delivered = scene.settle().await;
    assert_eq!(delivered.iter().filter(|one| one.due.source == Source::Schedule).count(), 4, "{delivered:?}");
    for id in &ids {
        assert_eq!(events(&scene.api.request(id).await), ["accepted", "started", "succeeded"]);
    }
    for _ in 0..2 {
        scene.sweep(TimeDelta::minutes(80)).await;
    }
    assert_eq!(scene.api.request(&direct).await["status"], "succeeded");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_moved_or_retried_while_the_bus_is_full_gets_a_schedule() {
    let scene = scene().await;
    // A near request has no rule, and its move needs one.
    let (near, _) = scene.post(json!({}), "PT5M").await;
    let (retried, _) = scene.post(json!({ "process": { "do": "retry", "retryAfterSeconds": 3600, "untilAttempt": 2 } }), "PT1M").await;
    scene.stack.proxy.fail_always("events", "PutRule", Fault::LimitExceeded);
    scene.api.patch(&format!("/requests/{near}"), &json!({ "delay": "PT5H" })).await.expect(200);
    assert_eq!(counts(&scene).await, (0, 1));
    let names = scene.timers().await;
    // Another move replaces the schedule by one of another name.
    scene.api.patch(&format!("/requests/{near}"), &json!({ "delay": "PT7H" })).await.expect(200);
    let moved = scene.timers().await;
    assert!(moved.len() == 1 && moved != names, "{names:?} {moved:?}");
    scene.settle().await;
    assert_eq!(events(&scene.api.request(&retried).await), ["accepted", "started", "attempt-failed", "started", "succeeded"]);
    assert_eq!(events(&scene.api.request(&near).await), ["accepted", "moved", "moved", "started", "succeeded"]);
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_loses_the_kind_of_schedule_that_it_has() {
    let scene = scene().await;
    let cancelled = async |id: &str| -> Vec<String> {
        let since = scene.stack.proxy.records().len();
        let answer = scene.api.delete(&format!("/requests/{id}")).await.expect(200);
        assert_eq!(answer["status"], "cancelled");
        scene.stack.proxy.names(since).into_iter().filter(|name| !name.starts_with("dynamodb")).collect()
    };
    let (by_rule, _) = scene.post(json!({}), "PT2H").await;
    scene.stack.proxy.fail_always("events", "PutRule", Fault::LimitExceeded);
    let (by_schedule, _) = scene.post(json!({}), "PT2H").await;
    let (direct, _) = scene.post(json!({ "target": "queue" }), "PT2H").await;
    assert_eq!(counts(&scene).await, (1, 2));
    assert_eq!(cancelled(&by_rule).await, ["events.RemoveTargets", "events.DeleteRule"]);
    assert_eq!(cancelled(&by_schedule).await, ["scheduler.DeleteSchedule"]);
    // A direct request loses its schedule before the ledger is changed, and is unscheduled once more.
    assert_eq!(cancelled(&direct).await, ["scheduler.DeleteSchedule", "scheduler.DeleteSchedule"]);
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_with_room_gets_rules_again_after_some_minutes() {
    let scene = scene().await;
    scene.stack.proxy.fail_always("events", "PutRule", Fault::LimitExceeded);
    scene.post(json!({}), "PT2H").await;
    scene.stack.proxy.heal();
    scene.post(json!({}), "PT2H").await;
    assert_eq!(counts(&scene).await, (0, 2), "the bus counts as full for five minutes");
    scene.stack.clock.advance(TimeDelta::minutes(6));
    scene.post(json!({}), "PT2H").await;
    assert_eq!(counts(&scene).await, (1, 2));
    scene.settle().await;
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_throttles_gets_no_rule_for_some_seconds() {
    let scene = scene().await;
    scene.stack.proxy.fail_always("events", "PutRule", Fault::Throttled);
    scene.post(json!({}), "PT2H").await;
    scene.stack.proxy.heal();
    scene.post(json!({}), "PT2H").await;
    assert_eq!(counts(&scene).await, (0, 2));
    scene.stack.clock.advance(TimeDelta::seconds(11));
    let (repeated, _) = scene.post(json!({ "target": "queue" }), "PT2H").await;
    assert_eq!(counts(&scene).await, (1, 2));
    // The rule of a direct request may be there already, and a schedule beside it would deliver once more.
    scene.stack.proxy.fail_always("events", "PutRule", Fault::Throttled);
    scene.api.patch(&format!("/requests/{repeated}"), &json!({ "delay": "PT3H" })).await.expect_fault(503, "scheduler-unavailable");
    scene.stack.proxy.heal();
    assert_eq!(counts(&scene).await, (1, 2));
    scene.settle().await;
    for _ in 0..2 {
        scene.sweep(TimeDelta::minutes(80)).await;
    }
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unscheduled_request_of_a_full_bus_is_undone_like_any_other() {
    let scene = scene().await;
    scene.stack.proxy.fail_always("events", "PutRule", Fault::LimitExceeded);
    scene.stack.proxy.fail_always("scheduler", "CreateSchedule", Fault::AccessDenied);
    let refused: Value = scene.api.post("/requests/puppet", &json!({ "delay": "PT2H" })).await.expect_fault(500, "scheduler-failed");
    scene.stack.proxy.heal();
    assert_eq!(scene.api.request(text(&refused, "correlationId")).await["status"], "cancelled");
    scene.assert_clean().await;
}
