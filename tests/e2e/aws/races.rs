//! Deliveries that arrive twice, late, or for a cancelled or moved request.

use chrono::TimeDelta;
use postdate_tests::stack::Options;
use serde_json::json;

use super::scene::Scene;
use crate::harness::{events, text, time};

/// Returns the number of attempts that the history shows.
fn runs(request: &serde_json::Value) -> usize {
    events(request).iter().filter(|&&event| event == "started").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_concurrent_deliveries_run_a_request_once() {
    let scene = Scene::new().await;
    let (id, due) = scene.post(json!({ "process": { "do": "sleep", "ms": 300 } }), "PT1H").await;
    let rule = scene.stack.driver.pending().await.remove(0);
    scene.stack.clock.set(due + TimeDelta::seconds(1));
    let (_two, _three) = tokio::join!(scene.stack.target(), scene.stack.target());
    let all: Vec<_> = (0..10).map(|_| scene.target.invoke_beside(&rule.event)).collect();
    for delivery in all {
        assert!(delivery.await.unwrap().is_ok(), "a duplicate delivery must not be an error");
    }
    let request = scene.api.reaches(&id, "succeeded").await;
    assert_eq!((runs(&request), &request["attempts"]), (1, &json!(1)), "{request}");
    // A delivery that met the running attempt is parked until that attempt's lease ends.
    scene.settle().await;
    assert_eq!(scene.api.request(&id).await, request);
    scene.assert_clean().await;
}

/// Cancels a request: its timer is deleted, and a timer event that is already in flight runs nothing.
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
async fn a_cancelled_request_of_a_rule_never_runs() {
    cancelled(Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_request_of_a_schedule_never_runs() {
    cancelled(Options { scheduler: true, ..Options::default() }).await;
}

/// Moves a request from one hour to `delay`. The request runs once, at its new time, although the former timer fires too.
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
        assert_eq!(text(&scene.api.request(&id).await, "status"), "scheduled", "a moved request must not run at its former time");
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
async fn a_request_moved_to_a_later_rule_runs_once_at_its_new_time() {
    moved(Options::default(), "PT3H").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_moved_to_a_later_schedule_runs_once_at_its_new_time() {
    moved(Options { scheduler: true, ..Options::default() }, "PT3H").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_moved_from_a_rule_to_the_delay_queue_runs_once_at_its_new_time() {
    moved(Options::default(), "PT20S").await;
}
