//! Roll-back of a failed API call: the state that it undoes, the state that remains, and the answer that names it.

use chrono::{DateTime, TimeDelta, Utc};
use postdate_tests::fault_proxy::{Fault, Moment};
use postdate_tests::stack::TABLE;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::scene::Scene;
use crate::harness::{events, text, time};

/// Returns a POST with a delay of two hours under an idempotency key.
fn keyed(scene: &Scene, key: &str) -> RequestBuilder {
    scene.api.call(Method::POST, "/requests/puppet").header("idempotency-key", key).json(&json!({ "delay": "PT2H" }))
}

/// Returns the start of the request's only attempt.
#[track_caller]
fn started(request: &Value) -> DateTime<Utc> {
    let history = request["history"].as_array().unwrap();
    let starts: Vec<&Value> = history.iter().filter(|line| line["event"] == "started").collect();
    assert_eq!(starts.len(), 1, "{request}");
    time(&starts[0]["at"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_acknowledged_to_a_repeat_is_not_undone_by_the_first_call() {
    let scene = Scene::new().await;
    let _beside = scene.stack.processor().await;
    let proxy = &scene.stack.proxy;
    let mut held = proxy.hold("events", "PutTargets", Moment::Before);
    let (first, again) = tokio::join!(scene.api.send(keyed(&scene, "k")), async {
        held.reached().await;
        let again = scene.api.send(keyed(&scene, "k")).await;
        // The first call's `PutTargets` loses its connection, and its retries are refused.
        proxy.fail_always("events", "PutTargets", Fault::AccessDenied);
        drop(held);
        again
    });
    proxy.heal();
    assert_eq!(again.status, 202, "{}", again.body);
    let told = first.expect_fault(500, "scheduler-failed");
    assert_eq!((&told["correlationId"], &told["mayRun"]), (&again.body["correlationId"], &json!(true)), "{told}");
    assert!(text(&told, "detail").contains("may run"), "{told}");
    scene.settle().await;
    let request = scene.api.request(text(&again.body, "correlationId")).await;
    assert_eq!(events(&request), ["accepted", "started", "succeeded"]);
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_answer_is_lost_stores_once() {
    let scene = Scene::new().await;
    scene.stack.proxy.fail_once("dynamodb", "TransactWriteItems", Fault::LostResponse);
    let answer = scene.api.send(keyed(&scene, "k")).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = text(&answer.body, "correlationId").to_owned();
    assert!(scene.stack.proxy.calls("dynamodb", "TransactWriteItems").len() > 1, "the transaction must be retried");
    let items = scene.stack.aws.items(TABLE).await;
    let kinds = |kind: &str| items.iter().filter(|item| item["sk"]["S"] == kind).count();
    assert_eq!((kinds("request"), kinds("key"), items.len()), (1, 1, 3), "{items:?}");
    assert_eq!(scene.timers().await.len(), 1);
    scene.settle().await;
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_that_arrives_after_its_client_got_503_stores_nothing() {
    let scene = Scene::new().await;
    let proxy = &scene.stack.proxy;
    let mut held = proxy.hold("dynamodb", "TransactWriteItems", Moment::Before);
    proxy.fail_always("dynamodb", "TransactWriteItems", Fault::Timeout);
    let refused = scene.api.send(keyed(&scene, "k")).await.expect_fault(503, "ledger-unavailable");
    assert_eq!(refused["mayRun"], serde_json::Value::Null, "{refused}");
    proxy.heal();
    held.reached().await;
    held.release();
    let arrived = || proxy.calls("dynamodb", "TransactWriteItems").into_iter().find_map(|call| call.answer.clone());
    let (status, answer) = crate::harness::eventually("the insert to arrive", async || arrived()).await;
    assert_eq!((status, text(&answer, "__type").ends_with("TransactionCanceledException")), (400, true), "{answer}");
    let path = format!("/requests/{}", text(&refused, "correlationId"));
    scene.api.get(&path).await.expect_fault(404, "unknown-request");
    let again = scene.api.send(keyed(&scene, "k")).await.expect(202);
    scene.sweep(TimeDelta::minutes(120 + 4)).await;
    scene.settle().await;
    scene.api.reaches(text(&again, "correlationId"), "succeeded").await;
    scene.api.get(&path).await.expect_fault(404, "unknown-request");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_insert_was_not_confirmed_is_aborted_and_its_key_is_free() {
    let scene = Scene::new().await;
    scene.stack.proxy.fail_always("dynamodb", "TransactWriteItems", Fault::LostResponse);
    let refused = scene.api.send(keyed(&scene, "k")).await.expect_fault(503, "ledger-unavailable");
    scene.stack.proxy.heal();
    // The reply to the abort was lost as well, so the answer must say that the request may run.
    assert_eq!(refused["mayRun"], true, "{refused}");
    let first = scene.api.request(text(&refused, "correlationId")).await;
    assert_eq!(events(&first), ["accepted", "cancelled"]);
    let again = scene.api.send(keyed(&scene, "k")).await;
    assert_eq!(again.status, 202, "{}", again.body);
    assert_ne!(again.body["correlationId"], refused["correlationId"]);
    scene.settle().await;
    scene.api.reaches(text(&again.body, "correlationId"), "succeeded").await;
    assert_eq!(scene.api.request(text(&refused, "correlationId")).await, first);
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_abort_failed_runs_and_its_answer_says_may_run() {
    let scene = Scene::new().await;
    scene.stack.proxy.fail_always("events", "PutRule", Fault::AccessDenied);
    scene.stack.proxy.fail_nth("dynamodb", "TransactWriteItems", 2, Fault::AccessDenied);
    let told = scene.api.send(keyed(&scene, "k")).await.expect_fault(500, "scheduler-failed");
    scene.stack.proxy.heal();
    assert_eq!(told["mayRun"], true, "{told}");
    let id = text(&told, "correlationId").to_owned();
    assert_eq!(scene.timers().await, Vec::<String>::new());
    let report = scene.sweep(TimeDelta::minutes(120 + 4)).await;
    assert_eq!(report["rearmed"], 1, "{report}");
    scene.settle().await;
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_move_restores_the_rule_and_the_request_keeps_its_time() {
    let scene = Scene::new().await;
    let (id, due) = scene.post(json!({}), "PT2H").await;
    let before = scene.stack.driver.pending().await.remove(0);
    scene.stack.proxy.fail_once("events", "PutTargets", Fault::AccessDenied);
    let answer = scene.api.patch(&format!("/requests/{id}"), &json!({ "delay": "PT9H" })).await;
    let told = answer.expect_fault(500, "scheduler-failed");
    assert!(text(&told, "detail").ends_with("the request keeps its time"), "{told}");
    assert_eq!((&told["correlationId"], time(&told["triggerAt"])), (&json!(id), due), "{told}");
    let pending = scene.stack.driver.pending().await;
    assert_eq!((pending.len(), pending[0].at), (1, before.at), "{pending:?}");
    scene.settle().await;
    let request = scene.api.request(&id).await;
    assert_eq!(events(&request), ["accepted", "moved", "moved", "started", "succeeded"]);
    assert!(started(&request) >= due && started(&request) < due + TimeDelta::minutes(1), "{request}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_could_not_be_restored_delays_its_request_by_minutes_at_most() {
    let scene = Scene::new().await;
    let (id, due) = scene.post(json!({}), "PT2H").await;
    scene.stack.proxy.fail_always("events", "PutTargets", Fault::AccessDenied);
    scene.stack.proxy.fail_nth("events", "PutRule", 2, Fault::AccessDenied);
    let told = scene.api.patch(&format!("/requests/{id}"), &json!({ "delay": "PT9H" })).await.expect_fault(500, "scheduler-failed");
    scene.stack.proxy.heal();
    assert!(text(&told, "detail").ends_with("may be some minutes late"), "{told}");
    assert!(scene.stack.driver.pending().await[0].at > due + TimeDelta::hours(6), "the rule is still at the other time");
    let report = scene.sweep(TimeDelta::minutes(120 + 4)).await;
    assert_eq!(report["rearmed"], 1, "{report}");
    scene.stack.driver.run_due(&[&scene.target]).await;
    let request = scene.api.reaches(&id, "succeeded").await;
    assert!(started(&request) < due + TimeDelta::minutes(6), "{request}");
    // The rule is deleted at the end of the request, or when it fires.
    scene.settle().await;
    assert_eq!(scene.api.request(&id).await, request);
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_cannot_be_queued_is_started_by_the_janitor() {
    let scene = Scene::new().await;
    // The retry policy allows three attempts; the fourth would succeed.
    let (id, _) = scene.post(json!({ "process": { "do": "retry", "untilAttempt": 4 } }), "PT1S").await;
    scene.settle().await;
    assert_eq!(scene.api.request(&id).await["status"], "failed");
    scene.stack.proxy.fail_always("sqs", "SendMessage", Fault::AccessDenied);
    let answer = scene.api.post(&format!("/requests/{id}/retry"), &json!({})).await.expect(202);
    scene.stack.proxy.heal();
    assert_eq!(answer["status"], "scheduled");
    assert!(text(&answer, "note").contains("clean-up"), "{answer}");
    assert!(scene.stack.driver.pending().await.is_empty());
    let report = scene.sweep(TimeDelta::minutes(4)).await;
    assert_eq!(report["rearmed"], 1, "{report}");
    scene.settle().await;
    let request = scene.api.request(&id).await;
    assert_eq!((&request["status"], &request["attempts"]), (&json!("succeeded"), &json!(4)), "{request}");
    scene.assert_clean().await;
}
