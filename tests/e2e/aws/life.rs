//! The lifecycle of a request on AWS: scheduled by a rule, by EventBridge Scheduler, and by the delay queue alone.

use std::collections::BTreeSet;

use chrono::{DurationRound, TimeDelta};
use postdate_tests::driver::Source;
use postdate_tests::stack::Options;
use reqwest::Method;
use serde_json::{Value, json};

use super::scene::Scene;
use crate::harness::{PAYLOAD, events, text, time};

/// Follows one request: accepted, fired in the minute before its time, parked in the delay queue, processed, cleaned up.
async fn lives(options: Options, source: Source) {
    let scene = Scene::start(options).await;
    let (id, due) = scene.post(json!({ "process": { "do": "succeed", "result": "done" } }), "PT2H30M10S").await;
    let pending = scene.stack.driver.pending().await;
    assert_eq!(pending.len(), 1, "{pending:?}");
    let timer = &pending[0];
    assert_eq!((timer.source, &timer.target), (source, &scene.stack.target_arn));
    assert!(timer.name.starts_with("postdate-puppet-") && timer.name.contains(&id) && timer.name.len() <= 64, "{}", timer.name);
    let minute = (due - TimeDelta::minutes(1)).duration_trunc(TimeDelta::minutes(1)).unwrap();
    assert_eq!(timer.at, minute, "due {due}");
    let envelope = &timer.event;
    assert_eq!((envelope["v"].as_u64(), envelope["attempt"].as_u64()), (Some(1), Some(1)));
    assert_eq!((&envelope["correlationId"], &envelope["rule"]), (&json!(id), &json!(timer.name)));
    assert_eq!((&envelope["useCase"], &envelope["payload"]["note"]), (&json!("puppet"), &json!(PAYLOAD)));

    let delivered = scene.settle().await;
    assert!(delivered.iter().all(|one| one.outcome.is_ok()), "{delivered:?}");
    let sources: Vec<Source> = delivered.iter().map(|one| one.due.source).collect();
    assert_eq!(sources, [source, Source::Message], "the timer fires early in its minute, then the delay queue delivers");

    let request = scene.api.request(&id).await;
    assert_eq!((&request["status"], &request["result"], &request["attempts"]), (&json!("succeeded"), &json!("done"), &json!(1)));
    assert_eq!(events(&request), ["accepted", "started", "succeeded"]);
    assert!(time(&request["history"][1]["at"]) >= due, "started early: {request}");
    scene.assert_clean().await;
    // No log shows the payload, and each function logs the id.
    for function in [&scene.processor, &scene.target] {
        assert!(!function.log().text().contains(PAYLOAD), "{}", function.log().text());
        assert!(function.log_lines().iter().any(|line| line.to_string().contains(&id)), "the log of {} lacks the id", function.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_scheduled_by_a_rule_runs_once_and_is_cleaned_up() {
    lives(Options::default(), Source::Rule).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_scheduled_by_eventbridge_scheduler_runs_once_and_is_cleaned_up() {
    lives(Options { scheduler: true, ..Options::default() }, Source::Schedule).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_due_soon_is_scheduled_by_the_delay_queue_alone() {
    let scene = Scene::new().await;
    let (id, due) = scene.post(json!({}), "PT30S").await;
    assert_eq!(scene.timers().await, Vec::<String>::new());
    let delivered = scene.settle().await;
    assert_eq!(delivered.len(), 1, "{delivered:?}");
    let request = scene.api.reaches(&id, "succeeded").await;
    assert!(time(&request["history"][1]["at"]) >= due, "started early: {request}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_delay_queue_runs_at_the_next_whole_minute() {
    let scene = Scene::start(Options { without_queue: true, ..Options::default() }).await;
    let (id, due) = scene.post(json!({}), "PT30S").await;
    let pending = scene.stack.driver.pending().await;
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert_eq!(pending[0].at, pending[0].at.duration_trunc(TimeDelta::minutes(1)).unwrap());
    assert!(pending[0].at >= due && pending[0].at - due <= TimeDelta::minutes(2), "{} for {due}", pending[0].at);
    scene.settle().await;
    assert_eq!(events(&scene.api.reaches(&id, "succeeded").await), ["accepted", "started", "succeeded"]);
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_runs_as_its_items_would_alone() {
    let scene = Scene::new().await;
    let good = json!({ "delay": "PT30S", "process": { "do": "succeed", "result": 1 }, "validate": { "do": "accept" } });
    let items = json!([good, { "triggerAt": "2020-01-01T00:00:00Z" }, good]);
    let answer = scene.api.post("/requests/puppet/batch", &items).await.expect(200);
    let outcomes = answer["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.iter().map(|outcome| &outcome["status"]).collect::<Vec<_>>(), [&json!(202), &json!(422), &json!(202)]);
    scene.settle().await;
    for outcome in [&outcomes[0], &outcomes[2]] {
        let request = scene.api.request(text(&outcome["body"], "correlationId")).await;
        assert_eq!((&request["status"], &request["attempts"]), (&json!("succeeded"), &json!(1)));
    }
    scene.processor.logged("that counts the batch", |line| line["Accepted"] == 2.0).await;
    scene.assert_clean().await;
}

/// A batch of 500, the most, takes the emulator minutes: its transactions copy the whole table.
#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_a_large_batch_are_stored_once_under_one_key() {
    let scene = Scene::new().await;
    let past = json!({ "triggerAt": "2020-01-01T00:00:00Z" });
    let items: Vec<Value> = (0..150).map(|n| if n == 7 { past.clone() } else { json!({ "delay": "PT10M", "n": n }) }).collect();
    let call_once = async || {
        let call = scene.api.call(Method::POST, "/requests/puppet/batch").header("idempotency-key", "batch").json(&items);
        let mut answer = scene.api.send(call).await.expect(200);
        serde_json::from_value::<Vec<Value>>(answer["outcomes"].take()).expect("a list")
    };
    let first = call_once().await;
    let statuses: Vec<&Value> = first.iter().map(|outcome| &outcome["status"]).collect();
    assert_eq!(statuses, (0..150).map(|n| if n == 7 { 422 } else { 202 }).collect::<Vec<_>>());
    let transactions = scene.stack.proxy.calls("dynamodb", "TransactWriteItems").len();
    assert_eq!(transactions, 3, "149 requests and their keys, 100 items in each");
    assert_eq!(scene.stack.driver.pending().await.len(), 149);
    let accepted = |outcomes: Vec<Value>| outcomes.into_iter().filter(|outcome| outcome["status"] == 202).collect::<Vec<_>>();
    assert_eq!(accepted(call_once().await), accepted(first));
    let stored = scene.api.get("/requests?useCase=puppet&limit=500").await.expect(200);
    let ids: BTreeSet<&str> = stored["requests"].as_array().unwrap().iter().map(|request| text(request, "correlationId")).collect();
    assert_eq!((ids.len(), stored.get("nextCursor")), (149, None));
}
