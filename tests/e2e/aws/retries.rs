//! Failed attempts on AWS: back-off, the final failure, its notice, the dead letter and the redrive.

use chrono::TimeDelta;
use postdate_tests::aws::REGION;
use postdate_tests::fault_proxy::{Fault, Moment};
use serde_json::{Value, json};

use super::scene::Scene;
use crate::harness::{cli_with, events, text, time};

/// Runs `postdate dead-letter …` on the stack's queues.
pub async fn dead_letter(scene: &Scene, arguments: &[&str]) -> String {
    let url = scene.stack.proxy.url();
    let variables = [
        ("AWS_ENDPOINT_URL", url.as_str()),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "AKIAOFTHETEST"),
        ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
        ("POSTDATE_DEAD_LETTER_QUEUE_URL", &scene.stack.dead_letters_url),
        ("POSTDATE_QUEUE_URL", &scene.stack.queue_url),
    ];
    cli_with(&variables, &[&["dead-letter"], arguments].concat()).await.expect(0).stdout
}

/// Runs a request until its three attempts have failed; a fourth would succeed. Returns its id and document.
async fn failed(scene: &Scene) -> (String, Value) {
    let script = json!({ "do": "retry", "untilAttempt": 4, "message": "the shop is closed" });
    let (id, _) = scene.post(json!({ "process": script }), "PT1H").await;
    let delivered = scene.settle().await;
    assert!(delivered.iter().all(|one| one.outcome.is_ok()), "a failed attempt must not fail the delivery: {delivered:?}");
    let request = scene.api.request(&id).await;
    assert_eq!(text(&request, "status"), "failed", "{request}");
    (id, request)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_request_backs_off_then_sends_a_notice_and_can_be_redriven() {
    let scene = Scene::new().await;
    let (id, request) = failed(&scene).await;
    assert_eq!(events(&request), ["accepted", "started", "attempt-failed", "started", "attempt-failed", "started", "failed"]);
    let at = |entry: usize| time(&request["history"][entry]["at"]);
    for (failed, again, wait) in [(2, 3, 30), (4, 5, 60)] {
        let waited = at(again) - at(failed);
        assert!(waited >= TimeDelta::seconds(wait) && waited < TimeDelta::seconds(wait + 10), "{waited} for {wait} s");
    }
    scene.assert_clean().await;

    let notices = scene.stack.aws.take_messages(&scene.stack.notices_url).await;
    let notices: Vec<Value> = notices.iter().map(postdate_tests::aws::Message::json).collect();
    assert_eq!(notices.len(), 1, "the failure must be notified once: {notices:?}");
    let expected = json!({
        "v": 1, "event": "request-failed", "correlationId": id, "useCase": "puppet", "target": "here", "attempts": 3,
        "failure": "the shop is closed, attempt 3", "at": request["finishedAt"],
    });
    assert_eq!(notices[0], expected);

    let list = dead_letter(&scene, &["list"]).await;
    assert!(list.contains(&id) && list.contains("the shop is closed, attempt 3"), "{list}");
    assert!(dead_letter(&scene, &["show", &id]).await.contains("REQUEST_FAILED"));
    assert_eq!(dead_letter(&scene, &["redrive", &id]).await, format!("sent again: {id}\n1 sent, 0 left\n"));
    scene.settle().await;
    let done = scene.api.request(&id).await;
    assert_eq!((text(&done, "status"), &done["attempts"]), ("succeeded", &json!(4)), "{done}");
    assert_eq!(dead_letter(&scene, &["list"]).await, "the dead-letter queue is empty\n");
    scene.assert_clean().await;
}

/// Returns the number of notifications and of letters since the last call.
async fn told(scene: &Scene) -> (usize, usize) {
    let aws = &scene.stack.aws;
    (aws.take_messages(&scene.stack.notices_url).await.len(), aws.take_messages(&scene.stack.dead_letters_url).await.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_notified_although_the_clean_up_gets_no_answer() {
    let scene = Scene::new().await;
    let script = json!({ "do": "retry", "untilAttempt": 4, "message": "the shop is closed" });
    let (id, _) = scene.post(json!({ "process": script }), "PT1H").await;
    scene.stack.proxy.fail_always("events", "RemoveTargets", Fault::Timeout);
    scene.settle().await;
    assert_eq!(text(&scene.api.request(&id).await, "status"), "failed");
    assert_eq!(told(&scene).await, (1, 1));
    scene.stack.proxy.heal();
    scene.sweep(TimeDelta::hours(2)).await;
    assert_eq!(told(&scene).await, (0, 0), "nobody is notified twice");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_janitor_notifies_of_a_failure_whose_function_was_killed() {
    let mut scene = Scene::new().await;
    let (id, due) = scene.post(json!({ "process": { "do": "fail", "message": "no stock" } }), "PT1S").await;
    let message = scene.stack.driver.pending().await.remove(0);
    scene.stack.clock.set(due);
    let mut held = scene.stack.proxy.hold_nth("sns", "Publish", 1, Moment::Before);
    let cut_off = scene.target.invoke_beside(&message.event);
    held.reached().await;
    scene.target.kill();
    cut_off.abort();
    drop(held);
    scene.stack.proxy.heal();
    assert_eq!(text(&scene.api.request(&id).await, "status"), "failed");
    told(&scene).await;
    let report = scene.sweep(TimeDelta::minutes(10)).await;
    assert_eq!(report["notified"], 1, "{report}");
    assert_eq!(told(&scene).await, (1, 1));
    assert_eq!(scene.sweep(TimeDelta::minutes(10)).await["notified"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_letters_of_one_failure_run_one_attempt_and_make_no_further_letter() {
    let scene = Scene::new().await;
    let script = json!({ "do": "fail", "message": "no stock" });
    let (id, _) = scene.post(json!({ "process": script }), "PT1S").await;
    scene.settle().await;
    let letter = scene.stack.aws.take_messages(&scene.stack.dead_letters_url).await.remove(0);
    for _ in 0..2 {
        scene.stack.aws.send_message(&scene.stack.dead_letters_url, &letter.body, &[]).await;
    }
    dead_letter(&scene, &["redrive", "--all"]).await;
    scene.settle().await;
    assert_eq!(scene.api.request(&id).await["attempts"], 2);
    assert_eq!(scene.stack.aws.take_messages(&scene.stack.dead_letters_url).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_the_ledger_does_not_take_is_recorded_later_without_a_second_run() {
    let scene = Scene::new().await;
    let (id, due) = scene.post(json!({}), "PT1S").await;
    scene.stack.clock.set(due);
    // The first is the claim.
    scene.stack.proxy.fail_from("dynamodb", "PutItem", 2, Fault::Throttled);
    let delivered = scene.stack.driver.run_due(&[&scene.target]).await;
    assert!(delivered.len() == 1 && delivered[0].outcome.is_ok(), "{delivered:?}");
    scene.stack.proxy.heal();
    assert_eq!(text(&scene.api.request(&id).await, "status"), "running");
    let parked = scene.stack.driver.pending().await.remove(0);
    assert!(parked.at - scene.stack.clock.now() <= TimeDelta::minutes(1), "{parked:?}");
    scene.settle().await;
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_can_be_retried_by_the_api() {
    let scene = Scene::new().await;
    let (id, _) = failed(&scene).await;
    let answer = scene.api.post(&format!("/requests/{id}/retry"), &json!({})).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    scene.settle().await;
    let done = scene.api.request(&id).await;
    assert_eq!((text(&done, "status"), &done["attempts"]), ("succeeded", &json!(4)), "{done}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_eventbridge_could_not_deliver_can_be_redriven() {
    let scene = Scene::new().await;
    let (id, due) = scene.post(json!({}), "PT1H").await;
    let pending = scene.stack.driver.pending().await;
    scene.stack.clock.set(due + TimeDelta::minutes(1));
    scene.stack.driver.undeliverable(&pending[0], "NO_PERMISSIONS").await;
    let shown = dead_letter(&scene, &["show", &id]).await;
    assert!(shown.contains("NO_PERMISSIONS") && shown.contains("MaximumEventAgeInSeconds"), "{shown}");
    dead_letter(&scene, &["redrive", "--all"]).await;
    scene.settle().await;
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
    scene.assert_clean().await;
}
