//! `expire-after` on AWS: the target function or the janitor ends a request whose first attempt does not begin in time.

use chrono::TimeDelta;
use postdate_tests::stack::Options;
use serde_json::{Value, json};

use super::retries::dead_letter;
use super::scene::Scene;
use crate::harness::{events, text, time};

async fn scene() -> Scene {
    Scene::with("[schedule]\nexpire-after = '10m'\n", Options::default()).await
}

/// Checks that operators were notified of the request's expiry once, and that its redriven letter runs it.
async fn told_and_redriven(scene: &Scene, id: &str) {
    let request = scene.api.request(id).await;
    assert_eq!((text(&request, "status"), events(&request)), ("expired", vec!["accepted", "expired"]), "{request}");
    let notices = scene.stack.aws.take_messages(&scene.stack.notices_url).await;
    let notices: Vec<Value> = notices.iter().map(postdate_tests::aws::Message::json).collect();
    let expected = json!({
        "v": 1, "event": "request-expired", "correlationId": id, "useCase": "puppet", "target": "here", "attempts": 0,
        "failure": request["failure"], "at": request["finishedAt"],
    });
    assert_eq!(notices, [expected]);
    assert!(dead_letter(scene, &["show", id]).await.contains("REQUEST_EXPIRED"));
    dead_letter(scene, &["redrive", id]).await;
    scene.settle().await;
    let done = scene.api.request(id).await;
    assert_eq!(events(&done), ["accepted", "expired", "retried", "started", "succeeded"], "{done}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_after_the_expiry_starts_no_attempt() {
    let scene = scene().await;
    let (id, due) = scene.post(json!({}), "PT1H").await;
    assert_eq!(time(&scene.api.request(&id).await["expiresAt"]), due + TimeDelta::minutes(10));
    scene.stack.clock.set(due + TimeDelta::minutes(10));
    scene.settle().await;
    told_and_redriven(&scene, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_janitor_ends_an_expired_request_whose_event_was_lost() {
    let scene = scene().await;
    let (id, due) = scene.post(json!({}), "PT1H").await;
    // Delete the rule, as an operator could by hand.
    scene.stack.aws.delete_rule(&scene.timers().await[0]).await;
    scene.stack.clock.set(due);
    let report = scene.sweep(TimeDelta::minutes(10)).await;
    assert_eq!((&report["expired"], &report["rearmed"], &report["errors"]), (&json!(1), &json!(0), &json!(0)), "{report}");
    told_and_redriven(&scene, &id).await;
}
