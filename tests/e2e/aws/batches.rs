//! Batches of the delay queue: up to ten messages in one invocation, each with a run, a time limit and a result of its own.

use chrono::TimeDelta;
use postdate_tests::fault_proxy::Fault;
use postdate_tests::lambda::Function;
use serde_json::{Value, json};

use super::scene::Scene;
use crate::harness::{PAYLOAD, events, text, time};

/// Returns an SQS event with these bodies and the message ids `m0`, `m1`, …
pub fn batch(bodies: &[impl AsRef<str>]) -> Value {
    let record = |(index, body): (usize, &str)| {
        json!({
            "messageId": format!("m{index}"), "receiptHandle": "handle", "body": body, "attributes": {}, "messageAttributes": {},
            "md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-central-1:500000000001:q", "awsRegion": "eu-central-1",
        })
    };
    json!({ "Records": bodies.iter().map(AsRef::as_ref).enumerate().map(record).collect::<Vec<_>>() })
}

/// Returns the envelopes of all pending events.
pub async fn envelopes(scene: &Scene) -> Vec<String> {
    scene.stack.driver.pending().await.iter().map(|due| due.event.to_string()).collect()
}

/// Starts a scene, and a target function that has memory for ten plugins at once in place of the scene's.
async fn large() -> (Scene, Function) {
    let mut scene = Scene::new().await;
    scene.target.kill();
    let target = scene.stack.function("target").variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1536").started().await;
    (scene, target)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_failed_messages_of_a_batch_are_redelivered() {
    let scene = Scene::new().await;
    let (one, _) = scene.post(json!({}), "PT1S").await;
    let (two, due) = scene.post(json!({}), "PT2S").await;
    let envelopes = envelopes(&scene).await;
    scene.stack.clock.set(due);
    let foreign = json!({ "source": "aws.s3", "note": PAYLOAD }).to_string();
    let answer = scene.target.invoke(&batch(&[envelopes[0].as_str(), "no JSON", &foreign, &envelopes[1]])).await.unwrap();
    let mut failed: Vec<&str> =
        answer["batchItemFailures"].as_array().unwrap().iter().map(|failed| text(failed, "itemIdentifier")).collect();
    failed.sort_unstable();
    assert_eq!(failed, ["m1", "m2"]);
    for id in [&one, &two] {
        assert_eq!(events(&scene.api.request(id).await), ["accepted", "started", "succeeded"]);
    }
    let told = scene.target.logged("about a foreign message", |line| line.to_string().contains("\"m2\"")).await.to_string();
    assert!(told.contains("correlationId") && !told.contains(PAYLOAD), "the log line names the missing member and not the payload: {told}");
    // A message whose ledger is unreachable is reported as failed by its id.
    let (three, due) = scene.post(json!({}), "PT1S").await;
    let pending = scene.stack.driver.pending().await;
    let last = pending.iter().find(|due| due.event["correlationId"] == json!(three)).unwrap().event.to_string();
    scene.stack.clock.set(due);
    scene.stack.proxy.fail_once("dynamodb", "Query", Fault::AccessDenied);
    let answer = scene.target.invoke(&batch(&[&last])).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "m0" }] }));
    assert_eq!(scene.target.invoke(&batch(&[&last])).await.unwrap(), json!({ "batchItemFailures": [] }));
    assert_eq!(scene.api.request(&three).await["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_a_batch_run_at_the_same_time() {
    let (scene, target) = large().await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(scene.post(json!({ "process": { "do": "sleep", "ms": 1500 } }), "PT1S").await.0);
    }
    let envelopes = envelopes(&scene).await;
    scene.stack.clock.advance(TimeDelta::seconds(2));
    let since = scene.stack.proxy.records().len();
    assert_eq!(target.invoke(&batch(&envelopes)).await.unwrap(), json!({ "batchItemFailures": [] }));
    let calls = scene.stack.proxy.names(since);
    assert_eq!(calls.len(), 30, "docs/aws.md says three for each; the pauses were read at the start: {calls:?}");
    let mut times = Vec::new();
    for id in &ids {
        let request = scene.api.request(id).await;
        assert_eq!(events(&request), ["accepted", "started", "succeeded"], "{request}");
        times.push((time(&request["history"][1]["at"]), time(&request["history"][2]["at"])));
    }
    let (first_start, last_start) = (times.iter().map(|one| one.0).min().unwrap(), times.iter().map(|one| one.0).max().unwrap());
    let (first_end, last_end) = (times.iter().map(|one| one.1).min().unwrap(), times.iter().map(|one| one.1).max().unwrap());
    assert!(last_start < first_end, "one request ended before another began: {times:?}");
    assert!(last_end - first_start < TimeDelta::milliseconds(10 * 1500), "the plugins ran one after the other: {times:?}");
}

/// The plugins of `puppet` have a time limit of 2 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_a_batch_that_exceeds_its_time_limit_fails_alone() {
    let (scene, target) = large().await;
    let mut ids = Vec::new();
    for index in 0..9 {
        let script = if index == 4 { json!({ "do": "sleep", "ms": 60_000 }) } else { json!({ "result": index.to_string() }) };
        ids.push(scene.post(json!({ "process": script }), "PT1S").await.0);
    }
    let mut bodies = envelopes(&scene).await;
    assert_eq!(bodies.len(), ids.len());
    bodies.push("no JSON".to_owned());
    scene.stack.clock.advance(TimeDelta::seconds(2));
    let answer = target.invoke(&batch(&bodies)).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "m9" }] }), "an attempt that failed is not delivered again");
    for (index, id) in ids.iter().enumerate() {
        let request = scene.api.request(id).await;
        if index == 4 {
            assert_eq!(events(&request), ["accepted", "started", "attempt-failed"], "{request}");
            assert!(text(&request["history"][2], "detail").contains("did not answer within its timeout of 2s"), "{request}");
        } else {
            assert_eq!(events(&request), ["accepted", "started", "succeeded"], "{request}");
            assert_eq!(request["result"], index.to_string(), "{request}");
        }
    }
    scene.stack.driver.settle(&[&target]).await;
    let request = scene.api.request(&ids[4]).await;
    assert_eq!((text(&request, "status"), &request["attempts"]), ("failed", &json!(3)), "{request}");
    scene.assert_clean().await;
}
