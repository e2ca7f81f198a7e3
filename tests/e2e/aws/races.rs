//! Deliveries that come twice, late, or for a request that was cancelled or moved.

use chrono::TimeDelta;
use postdate_tests::stack::Options;
use serde_json::json;

use super::scene::Scene;
use crate::harness::{events, text, time};

/// Entries of the history with which an attempt begins.
fn runs(request: &serde_json::Value) -> usize {
    events(request).iter().filter(|&&event| event == "started").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_deliveries_at_once_one_runs() {
    let scene = Scene::new().await;
    let (id, due) = scene.post(json!({ "process": { "do": "sleep", "ms": 300 } }), "PT1H").await;
    let rule = scene.stack.driver.pending().await.remove(0);
    scene.stack.clock.set(due + TimeDelta::seconds(1));
    let (_two, _three) = tokio::join!(scene.stack.target(), scene.stack.target());
    let all: Vec<_> = (0..10).map(|_| scene.target.invoke_beside(&rule.event)).collect();
    for delivery in all {
        assert!(delivery.await.unwrap().is_ok(), "a delivery too many is no failure");
    }
    let request = scene.api.reaches(&id, "succeeded").await;
    assert_eq!((runs(&request), &request["attempts"]), (1, &json!(1)), "{request}");
    // Those that met the running one look again when its lease would have ended.
    scene.settle().await;
    assert_eq!(scene.api.request(&id).await, request);
    scene.assert_clean().await;
}

/// Cancelled: the timer is gone, and its event, should it be on its way already, runs nothing.
async fn cancelled(options: Options) {
    let scene = Scene::start(options).await;
    let (id, due) = scene.post(json!({}), "PT1H").await;
    let timer = scene.stack.driver.pending().await.remove(0);
    let answer = scene.api.delete(&format!("/requests/{id}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    scene.assert_clean().await;
    scene.stack.clock.set(due);
    assert!(scene.stack.driver.deliver(&timer, &[&scene.target]).await.outcome.is_ok());
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "cancelled"]);
    scene.api.delete(&format!("/requests/{id}")).await.expect_fault(409, "not-scheduled");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_never_runs_by_a_rule() {
    cancelled(Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_never_runs_by_a_schedule() {
    cancelled(Options { scheduler: true, ..Options::default() }).await;
}

/// Moved from an hour to `delay`: runs once, then, though the first event comes as well.
async fn moved(options: Options, delay: &str) {
    let scene = Scene::start(options).await;
    let (id, _) = scene.post(json!({}), "PT1H").await;
    let first = scene.stack.driver.pending().await.remove(0);
    let answer = scene.api.patch(&format!("/requests/{id}"), &json!({ "delay": delay })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let due = time(&answer.body["triggerAt"]);
    if due > first.at {
        scene.stack.clock.set(first.at);
        assert!(scene.stack.driver.deliver(&first, &[&scene.target]).await.outcome.is_ok());
        assert_eq!(text(&scene.api.request(&id).await, "status"), "scheduled", "not at the old time");
    }
    scene.settle().await;
    let request = scene.api.request(&id).await;
    assert_eq!((text(&request, "status"), runs(&request)), ("succeeded", 1), "{request}");
    let started = request["history"].as_array().unwrap().iter().find(|entry| entry["event"] == "started").unwrap();
    let late = time(&started["at"]) - due;
    assert!(late >= TimeDelta::zero() && late < TimeDelta::seconds(30), "{late}: {request}");
    scene.stack.clock.advance(TimeDelta::hours(2));
    assert!(scene.stack.driver.deliver(&first, &[&scene.target]).await.outcome.is_ok());
    assert_eq!(runs(&scene.api.request(&id).await), 1);
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_moved_to_later_runs_then_by_a_rule() {
    moved(Options::default(), "PT3H").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_moved_to_later_runs_then_by_a_schedule() {
    moved(Options { scheduler: true, ..Options::default() }, "PT3H").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_moved_to_soon_runs_then() {
    moved(Options::default(), "PT20S").await;
}
