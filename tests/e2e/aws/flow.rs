//! Pauses, limits, labels, erasure and long polls on AWS.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use postdate_tests::aws::Aws;
use postdate_tests::stack::{Options, TABLE};
use serde_json::{Value, json};

use super::batches::{batch, envelopes};
use super::scene::Scene;
use crate::harness::{PAYLOAD, events, eventually, text, time};

const TARGETS: &str = "
[targets]
default = 'here'
here = { kind = 'plugin' }
slow = { kind = 'plugin', concurrency = 1 }
paced = { kind = 'plugin', rate = '2/m' }
";

async fn scene() -> Scene {
    Scene::with(TARGETS, Options::default()).await
}

/// Returns the time at which the request's only attempt began.
#[track_caller]
fn started(request: &Value) -> DateTime<Utc> {
    let lines: Vec<&Value> = request["history"].as_array().unwrap().iter().filter(|line| line["event"] == "started").collect();
    assert_eq!(lines.len(), 1, "{request}");
    time(&lines[0]["at"])
}

/// Returns the ids of a list.
async fn listed(scene: &Scene, query: &str) -> Vec<String> {
    let list = scene.api.get(&format!("/requests?{query}")).await.expect(200);
    list["requests"].as_array().unwrap().iter().map(|request| text(request, "correlationId").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_use_case_accepts_requests_and_runs_them_after_the_pause() {
    let scene = scene().await;
    let answer = scene.api.post("/use-cases/puppet/pause", &json!({})).await.expect(200);
    assert_eq!(answer["paused"].as_array().unwrap().len(), 1, "{answer}");
    let (id, due) = scene.post(json!({}), "PT30S").await;
    scene.stack.clock.set(due);
    assert!(scene.stack.driver.run_due(&[&scene.target]).await.iter().all(|one| one.outcome.is_ok()));
    let request = scene.api.request(&id).await;
    assert_eq!((text(&request, "status"), &request["attempts"]), ("scheduled", &json!(0)), "{request}");
    assert_eq!(text(&request, "waitsFor"), "the end of the pause of use case puppet");
    scene.target.logged("that counts the wait", |line| line["Waits"] == 1.0 && line["Reason"] == "pause").await;
    // It comes back by itself, and waits on.
    scene.stack.clock.advance(TimeDelta::seconds(11));
    scene.stack.driver.run_due(&[&scene.target]).await;
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "deferred"]);
    let answer = scene.api.post("/use-cases/puppet/resume", &json!({})).await.expect(200);
    assert_eq!(answer["paused"], json!([]));
    scene.settle().await;
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "deferred", "started", "succeeded"]);
    scene.api.post("/use-cases/puppet/resume", &json!({})).await.expect_fault(409, "not-paused");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_and_every_request_runs() {
    let scene = scene().await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(scene.post(json!({ "target": "paced" }), "PT30S").await.0);
    }
    let (free, due) = scene.post(json!({}), "PT30S").await;
    scene.settle().await;
    let mut minutes: BTreeMap<DateTime<Utc>, u32> = BTreeMap::new();
    for id in &ids {
        let request = scene.api.request(id).await;
        assert_eq!((text(&request, "status"), &request["attempts"]), ("succeeded", &json!(1)), "{request}");
        *minutes.entry(started(&request).duration_trunc(TimeDelta::minutes(1)).unwrap()).or_default() += 1;
    }
    assert!(minutes.values().all(|count| *count <= 2), "{minutes:?}");
    let late = started(&scene.api.request(&free).await) - due;
    assert!(late < TimeDelta::seconds(30), "a target without a limit is not late: {late}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_one_place_runs_one_attempt_at_a_time() {
    let scene = scene().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(scene.post(json!({ "target": "slow", "process": { "do": "sleep", "ms": 1500 } }), "PT1S").await.0);
    }
    let envelopes = envelopes(&scene).await;
    scene.stack.clock.advance(TimeDelta::seconds(2));
    assert_eq!(scene.target.invoke(&batch(&envelopes)).await.unwrap(), json!({ "batchItemFailures": [] }));
    scene.settle().await;
    let mut runs = Vec::new();
    for id in &ids {
        let request = scene.api.request(id).await;
        assert_eq!((text(&request, "status"), &request["attempts"]), ("succeeded", &json!(1)), "{request}");
        runs.push((started(&request), time(&request["finishedAt"]), request));
    }
    runs.sort_by_key(|run| run.0);
    assert!(runs[0].1 <= runs[1].0, "both ran at once: {runs:?}");
    assert_eq!(events(&runs[1].2), ["accepted", "deferred", "started", "succeeded"]);
    assert_eq!(runs[1].2["history"][1]["detail"], "waits for a place at target slow (1 of 1)");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_listed_by_label_and_by_other_times() {
    let scene = Scene::with("[labels]\ncustomer = '/customer'\n", Options::default()).await;
    let mut ids = Vec::new();
    for customer in [42, 7, 42] {
        ids.push(scene.post(json!({ "customer": customer }), "PT1H").await.0);
    }
    let fault = scene.api.post("/requests/puppet", &json!({ "delay": "PT1H" })).await.expect_fault(422, "label-unreadable");
    assert_eq!(text(&fault, "pointer"), "/customer");
    assert_eq!(listed(&scene, "label.customer=42").await, [ids[0].clone(), ids[2].clone()]);
    assert_eq!(listed(&scene, "label.customer=4").await, Vec::<String>::new());
    assert_eq!(listed(&scene, "useCase=puppet&dueFrom=2020-01-01T00:00:00Z").await, ids);
    scene.api.delete(&format!("/requests/{}", ids[2])).await.expect(200);
    assert_eq!(listed(&scene, "label.customer=42&status=scheduled").await, ids[..1]);
    assert_eq!(listed(&scene, "label.customer=42&endedFrom=2020-01-01T00:00:00Z").await, ids[2..]);
    let all = scene.api.get("/requests?useCase=puppet").await.expect(200);
    assert!(all["requests"].as_array().unwrap().iter().all(|request| request["labels"]["customer"].is_string()), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_request_leaves_nothing_in_the_table_nor_in_a_rule() {
    let manifest = async |aws: &Aws| {
        aws.create_queue("away").await;
        let away = aws.arn("sqs", "away");
        format!(
            "[labels]\ncustomer = '/customer'\n[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\n\
             away = {{ kind = 'sqs', direct = true, arn = '{away}' }}\n"
        )
    };
    let scene = Scene::in_account(manifest, Options::default()).await;
    for target in ["here", "away"] {
        let (id, _) = scene.post(json!({ "target": target, "customer": PAYLOAD }), "PT1H").await;
        assert_eq!(scene.timers().await.len(), 1);
        let erased = scene.api.post(&format!("/requests/{id}/erase"), &json!({})).await.expect(200);
        assert_eq!(text(&erased, "status"), "cancelled", "{erased}");
        scene.assert_clean().await;
        let items = scene.stack.aws.items(TABLE).await;
        assert!(!items.iter().any(|item| item.to_string().contains(PAYLOAD)), "{items:?}");
        let request = scene.api.request(&id).await;
        assert_eq!(events(&request), ["accepted", "erased"]);
        scene.api.get(&format!("/requests/{id}/body")).await.expect_fault(410, "erased");
        assert_eq!(listed(&scene, &format!("label.customer={PAYLOAD}")).await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_answers_soon_after_the_end() {
    let scene = scene().await;
    let (id, _) = scene.post(json!({}), "PT30S").await;
    let path = format!("/requests/{id}?wait=20s");
    let begun = Instant::now();
    let run = async {
        eventually("the processor to look", async || {
            let looks = scene.stack.proxy.calls("dynamodb", "GetItem");
            looks.iter().any(|call| call.body["ProjectionExpression"].is_string()).then_some(())
        })
        .await;
        scene.settle().await;
    };
    let (answer, ()) = tokio::join!(scene.api.get(&path), run);
    assert_eq!(text(&answer.expect(200), "status"), "succeeded");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
