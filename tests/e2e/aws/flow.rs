//! Pauses, limits, labels, erasure and long polls on AWS.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use postdate_tests::aws::Aws;
use postdate_tests::fault_proxy::Fault;
use postdate_tests::stack::{Options, TABLE};
use serde_json::{Value, json};

use super::batches::{batch, envelopes};
use super::scene::Scene;
use crate::harness::{PAYLOAD, Receiver, cli, events, eventually, text, time};

const TARGETS: &str = "
[targets]
default = 'here'
here = { kind = 'plugin' }
slow = { kind = 'plugin', concurrency = 1 }
narrow = { kind = 'plugin', concurrency = 2 }
paced = { kind = 'plugin', rate = '2/m' }
";

async fn scene() -> Scene {
    Scene::with(TARGETS, Options::default()).await
}

/// Returns the time at which the request's only attempt began.
#[track_caller]
pub fn started(request: &Value) -> DateTime<Utc> {
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
async fn requests_run_soon_after_the_end_of_a_long_pause_the_oldest_first() {
    let scene = scene().await;
    scene.api.post("/use-cases/puppet/pause", &json!({})).await.expect(200);
    let mut ids = Vec::new();
    for n in 1..=5 {
        ids.push(scene.post(json!({}), &format!("PT{}S", 30 + n)).await.0);
    }
    scene.stack.clock.advance(TimeDelta::minutes(1));
    for _ in 0..4 {
        assert!(!scene.stack.driver.run_due_latest_first(&[&scene.target]).await.is_empty());
        scene.stack.clock.advance(TimeDelta::minutes(10));
    }
    scene.stack.driver.run_due_latest_first(&[&scene.target]).await;
    let by_themselves = scene.stack.driver.pending().await.iter().map(|due| due.at).min().unwrap();
    scene.api.post("/use-cases/puppet/resume", &json!({})).await.expect(200);
    // The target host waits for the time of each message.
    let woken = scene.stack.driver.pending().await.into_iter().filter(|due| due.at < by_themselves).map(|due| due.event);
    let mut woken: Vec<_> = woken.map(|envelope| (time(&envelope["scheduledFor"]), text(&envelope, "correlationId").to_owned())).collect();
    woken.sort_unstable();
    assert_eq!(woken.iter().map(|(_, id)| id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    assert!(woken.windows(2).all(|pair| pair[0].0 < pair[1].0), "{woken:?}");
    scene.settle().await;
    let mut starts = Vec::new();
    for id in &ids {
        starts.push(started(&scene.api.request(id).await));
    }
    let soon = by_themselves - TimeDelta::minutes(3);
    assert!(starts.iter().all(|start| *start < soon), "{starts:?}, and by themselves from {by_themselves} on");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_run_oldest_first_after_a_pause_that_ends_by_itself() {
    let scene = scene().await;
    let until = scene.stack.clock.now() + TimeDelta::minutes(5);
    scene.api.post("/use-cases/puppet/pause", &json!({ "until": until })).await.expect(200);
    let mut ids = Vec::new();
    for n in 1..=5 {
        ids.push(scene.post(json!({}), &format!("PT{}S", 30 + n)).await.0);
    }
    scene.stack.clock.advance(TimeDelta::minutes(1));
    while scene.stack.clock.now() < until {
        scene.stack.driver.run_due_latest_first(&[&scene.target]).await;
        scene.stack.clock.advance(TimeDelta::seconds(30));
    }
    // The target host waits for the time of each message.
    let released = scene.stack.driver.pending().await.into_iter().map(|due| due.event);
    let mut released: Vec<_> =
        released.map(|envelope| (time(&envelope["scheduledFor"]), text(&envelope, "correlationId").to_owned())).collect();
    released.sort_unstable();
    assert_eq!(released.iter().map(|(_, id)| id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    assert!(released.windows(2).all(|pair| pair[0].0 < pair[1].0) && released[0].0 > until, "{released:?}");
    scene.settle().await;
    for id in &ids {
        assert!((until..until + TimeDelta::minutes(1)).contains(&started(&scene.api.request(id).await)));
    }
    scene.assert_clean().await;
}

/// Writes the places of a target, with attempts in them that end at this time, and keeps the line.
pub async fn set_places(scene: &Scene, target: &str, attempts: &[&str], until: DateTime<Utc>) {
    let until = json!({ "N": until.timestamp_millis().to_string() });
    let leases: Value = attempts.iter().map(|name| ((*name).to_owned(), until.clone())).collect();
    let call = json!({
        "TableName": TABLE,
        "Key": { "pk": { "S": format!("target#puppet#{target}") }, "sk": { "S": "places" } },
        "UpdateExpression": "SET leases = :leases",
        "ExpressionAttributeValues": { ":leases": { "M": leases } },
    });
    scene.stack.aws.json("dynamodb", "UpdateItem", &call).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_run_at_two_places_in_the_order_of_their_times() {
    let scene = scene().await;
    let (mut ids, mut last) = (Vec::new(), scene.stack.clock.now());
    for n in 1..=50 {
        let (id, due) = scene.post(json!({ "target": "narrow" }), &format!("PT{}S", 30 + n)).await;
        ids.push(id);
        last = due;
    }
    set_places(&scene, "narrow", &["one", "other"], last + TimeDelta::hours(1)).await;
    scene.stack.clock.set(last);
    scene.stack.driver.run_due_latest_first(&[&scene.target]).await;
    for id in [&ids[0], &ids[49]] {
        let request = scene.api.request(id).await;
        assert_eq!(text(&request, "waitsFor"), "a place at target narrow (2 of 2)", "{request}");
    }
    // Both places are free, and a request comes that is due later than the others.
    set_places(&scene, "narrow", &[], last).await;
    ids.push(scene.post(json!({ "target": "narrow" }), "PT1S").await.0);
    scene.stack.clock.advance(TimeDelta::seconds(2));
    for _ in 0..60 {
        scene.stack.driver.run_due_latest_first(&[&scene.target]).await;
    }
    let mut starts = Vec::new();
    for (rank, id) in ids.iter().enumerate() {
        starts.push((started(&scene.api.request(id).await), rank));
    }
    starts.sort_unstable();
    let order: Vec<usize> = starts.into_iter().map(|(_, rank)| rank).collect();
    // The messages to two requests at a time arrive in any order.
    assert!(order.iter().enumerate().all(|(place, rank)| place.abs_diff(*rank) < 2), "{order:?}");
    scene.settle().await;
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
    let is_held_up = |line: &Value| line["Reason"] == "rate" && line["HeldUpMs"].as_f64() > Some(100_000.0);
    scene.target.logged("that measures the wait for the fourth minute", is_held_up).await;
    let late = started(&scene.api.request(&free).await) - due;
    assert!(late < TimeDelta::seconds(30), "a target without a limit is not late: {late}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_attempts_in_four_functions_keep_the_rate_together() {
    let receiver = Receiver::accepting().await;
    let manifest = format!("[targets]\ndefault = 'hook'\nhook = {{ kind = 'http', url = '{}', rate = '10/m' }}\n", receiver.url("/"));
    let scene = Scene::with(&manifest, Options::default()).await;
    let mut others = Vec::new();
    for _ in 1..4 {
        others.push(scene.stack.target().await);
    }
    let answer = scene.api.post("/requests/puppet/batch", &json!(vec![json!({ "delay": "PT30S" }); 40])).await.expect(200);
    let envelopes = envelopes(&scene).await;
    assert_eq!(envelopes.len(), 40);
    // All come early in a minute.
    let minute = (scene.stack.clock.now() + TimeDelta::seconds(90)).duration_trunc(TimeDelta::minutes(1)).unwrap();
    scene.stack.clock.set(minute + TimeDelta::seconds(1));
    let calls: Vec<_> = envelopes.chunks(10).map(|ten| scene.target.invoke_beside(&batch(ten))).collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), json!({ "batchItemFailures": [] }));
    }
    // The queue still has the messages of the calls above, so each comes twice.
    for _ in 0..50 {
        let Some(next) = scene.stack.driver.pending().await.into_iter().next() else { break };
        scene.stack.clock.set(next.at.max(scene.stack.clock.now()));
        scene.stack.driver.run_due(&[&scene.target]).await;
    }
    let mut minutes: BTreeMap<DateTime<Utc>, u32> = BTreeMap::new();
    for outcome in answer["outcomes"].as_array().unwrap() {
        let request = scene.api.request(text(&outcome["body"], "correlationId")).await;
        assert_eq!((text(&request, "status"), &request["attempts"]), ("succeeded", &json!(1)), "{request}");
        *minutes.entry(started(&request).duration_trunc(TimeDelta::minutes(1)).unwrap()).or_default() += 1;
    }
    assert_eq!(receiver.count(), 40);
    assert!(minutes.values().all(|count| *count <= 10) && minutes[&minute] == 10, "{minutes:?}");
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
async fn the_command_line_lists_changes_and_pauses() {
    let scene = Scene::with("[labels]\ncustomer = '/customer'\n", Options::default()).await;
    let mut ids = Vec::new();
    for customer in [42, 7, 42, 42] {
        ids.push(scene.post(json!({ "customer": customer }), "PT1H").await.0);
    }
    let run = async |command: &str, arguments: &[&str]| cli(&[&[command, "--url", &scene.api.url], arguments].concat()).await;
    let of_customer = ["--label", "customer=42", "--yes"];
    run("request", &["list", "--label", "customer=7"]).await.expect(0).says(&[&ids[1], "customer=7"]);
    run("request", &[&["move", "--in", "3h"], &of_customer[..]].concat()).await.expect(0).says(&["moved 3 of 3 requests"]);
    run("request", &["cancel", &ids[0]]).await.expect(0).says(&["cancelled"]);
    run("request", &[&["cancel"], &of_customer[..]].concat()).await.expect(0).says(&["cancelled 2 of 2 requests"]);
    run("request", &[&["erase"], &of_customer[..]].concat()).await.expect(0).says(&["erased 3 of 3 requests"]);
    run("request", &[&["erase"], &of_customer[..]].concat()).await.expect(0).complains(&["no request matches"]);
    run("use-case", &["pause", "puppet"]).await.expect(0).says(&["puppet"]);
    let paused = scene.api.get("/use-cases").await.expect(200);
    assert_eq!(paused["useCases"][0]["paused"].as_array().map(Vec::len), Some(1), "{paused}");
    run("use-case", &["resume", "puppet"]).await.expect(0).says(&["puppet"]);
    for act in ["moved", "cancelled", "erased", "paused", "resumed"] {
        scene.processor.logged(act, |line| line["audit"] == act).await;
    }
    scene.settle().await;
    let done = run("request", &["--json", "get", &ids[1], "--wait"]).await.expect(0).document();
    assert_eq!(text(&done, "status"), "succeeded", "{done}");
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
async fn an_erasure_whose_rule_or_schedule_is_left_says_so_and_can_be_repeated() {
    for (scheduler, service, action) in [(false, "events", "RemoveTargets"), (true, "scheduler", "DeleteSchedule")] {
        let scene = Scene::start(Options { scheduler, ..Options::default() }).await;
        let (id, _) = scene.post(json!({ "note": PAYLOAD }), "PT1H").await;
        let erase = async || scene.api.post(&format!("/requests/{id}/erase"), &json!({})).await;
        scene.stack.proxy.fail_always(service, action, Fault::Throttled);
        let left = erase().await.expect_fault(503, "scheduler-unavailable");
        assert!(text(&left, "detail").contains("is erased, and its rule or schedule may still carry the body"), "{left}");
        assert_eq!((text(&scene.api.request(&id).await, "status"), scene.timers().await.len()), ("cancelled", 1));
        scene.stack.proxy.heal();
        erase().await.expect(200);
        scene.assert_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_takes_the_notice_with_it_before_and_after_its_delivery() {
    let receiver = Receiver::accepting().await;
    let manifest = format!(
        "[labels]\ncustomer = '/customer'\n[on]\nsuccess = 'told'\n[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\n\
         told = {{ kind = 'http', url = '{}' }}\n",
        receiver.url("/")
    );
    let scene = Scene::with(&manifest, Options::default()).await;
    let secret = "Q7-unmistakable-Q7";
    let traces = async || {
        let items = scene.stack.aws.items(TABLE).await;
        items.into_iter().filter(|item| item.to_string().contains(secret)).collect::<Vec<_>>()
    };
    for delivered in [false, true] {
        let (id, due) = scene.post(json!({ "customer": secret, "process": { "do": "succeed", "result": secret } }), "PT30S").await;
        scene.stack.clock.set(due);
        scene.stack.driver.run_due(&[&scene.target]).await;
        assert_eq!(text(&scene.api.request(&id).await, "status"), "succeeded");
        if delivered {
            scene.settle().await;
        }
        assert!(traces().await.iter().any(|item| item.to_string().contains("notice_of")), "the notice quotes the request");
        scene.api.post(&format!("/requests/{id}/erase"), &json!({})).await.expect(200);
        assert_eq!(traces().await, Vec::<Value>::new(), "delivered: {delivered}");
        scene.settle().await;
        assert_eq!(receiver.count(), usize::from(delivered), "the notice was delivered: {delivered}");
    }
    scene.assert_clean().await;
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
