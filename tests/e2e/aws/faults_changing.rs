//! Every fault of every AWS call while a request is moved, cancelled, retried or erased. A call that succeeds has its effect. After one
//! that fails, the request is as it was or as the call wanted it, and runs once or not at all accordingly.

use chrono::TimeDelta;
use postdate_tests::driver::Delivered;
use postdate_tests::stack::Options;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::faults::{beside, cases, fail, is_hidden, was_met};
use super::scene::Scene;
use crate::harness::{Answer, events, text, time};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Move,
    /// A move to the time that the request has.
    MoveAgain,
    Cancel,
    Retry,
    Erase,
}

impl Act {
    /// Returns the call for a request, of which `before` is the document.
    fn call(self, scene: &Scene, before: &Value) -> RequestBuilder {
        let call = |method, rest: &str| scene.api.call(method, &format!("/requests/{}{rest}", text(before, "correlationId")));
        match self {
            Self::Move => call(Method::PATCH, "").json(&json!({ "delay": "PT5H" })),
            Self::MoveAgain => call(Method::PATCH, "").json(&json!({ "triggerAt": before["triggerAt"] })),
            Self::Cancel => call(Method::DELETE, ""),
            Self::Retry => call(Method::POST, "/retry").json(&json!({})),
            Self::Erase => call(Method::POST, "/erase").json(&json!({})),
        }
    }

    /// Returns the body of a request to change. One that is retried fails three times first.
    fn body(self, is_direct: bool) -> Value {
        match (self, is_direct) {
            (Self::Retry, _) => json!({ "process": { "do": "retry", "untilAttempt": 4 } }),
            (_, true) => json!({ "target": "queue" }),
            (_, false) => json!({}),
        }
    }
}

async fn scene(options: Options, is_direct: bool) -> Scene {
    if !is_direct {
        return Scene::start(options).await;
    }
    let targets = async |aws: &postdate_tests::aws::Aws| {
        let queue = aws.arn("sqs", "orders");
        format!("[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\nqueue = {{ kind = 'sqs', direct = true, arn = '{queue}' }}\n")
    };
    Scene::in_account(targets, options).await
}

/// Posts this many requests for the act. Returns their ids.
async fn posted(scene: &Scene, act: Act, is_direct: bool, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(scene.post(act.body(is_direct), if act == Act::Retry { "PT1S" } else { "PT2H" }).await.0);
    }
    if act == Act::Retry {
        scene.settle().await;
    }
    ids
}

/// Returns the distinct AWS calls of an act without faults.
async fn calls_of(act: Act, options: Options, is_direct: bool) -> Vec<String> {
    let scene = scene(options, is_direct).await;
    let id = posted(&scene, act, is_direct, 1).await.remove(0);
    let before = scene.api.request(&id).await;
    let skip = scene.stack.proxy.records().len();
    let answer = scene.api.send(act.call(&scene, &before)).await;
    assert!(answer.status < 300, "{}", answer.body);
    let mut calls = scene.stack.proxy.names(skip);
    calls.sort();
    calls.dedup();
    calls
}

/// Makes the act once per fault, while `call` meets the fault once or always. Then heals AWS and checks each request.
async fn changing(call: String, act: Act, options: Options, is_direct: bool) {
    let scene = scene(options, is_direct).await;
    let proxy = &scene.stack.proxy;
    let cases = cases(&call);
    let ids = posted(&scene, act, is_direct, cases.len()).await;
    let mut all = Vec::new();
    for ((fault, lasting), id) in cases.into_iter().zip(ids) {
        let before = scene.api.request(&id).await;
        let skip = proxy.records().len();
        let case = format!("{act:?} {}", fail(&scene, &call, fault, lasting));
        let answer = scene.api.send(act.call(&scene, &before)).await;
        proxy.heal();
        assert!(was_met(&scene, skip, fault), "{case}");
        assert!(answer.status < 300 || (500..=503).contains(&answer.status), "{case}: {}", answer.body);
        assert!(!is_hidden(fault, lasting) || answer.status < 300, "{case}: {}", answer.body);
        let after = scene.api.request(&id).await;
        all.push(Changed { case, act, id, before, answer, after });
    }
    let mut delivered = scene.settle().await;
    scene.sweep(TimeDelta::minutes(4)).await;
    delivered.extend(scene.settle().await);
    for changed in &all {
        if is_direct {
            changed.check_direct(&scene, &delivered).await;
        } else {
            changed.check(&scene).await;
        }
    }
    for _ in 0..2 {
        scene.sweep(TimeDelta::hours(2)).await;
    }
    scene.assert_clean().await;
}

/// A request before and after the call, and the call's answer.
struct Changed {
    case: String,
    act: Act,
    id: String,
    before: Value,
    answer: Answer,
    after: Value,
}

impl Changed {
    /// Requires the state that the act wanted, or, if the call failed, the state before it. Returns whether the request ought to run.
    #[track_caller]
    fn runs(&self) -> bool {
        let Self { case, act, before, answer, after, .. } = self;
        let status = text(after, "status");
        let has_effect = match act {
            Act::Move => status == "scheduled" && after["triggerAt"] != before["triggerAt"],
            Act::MoveAgain => events(after).len() > events(before).len(),
            Act::Retry => status == "scheduled",
            Act::Cancel | Act::Erase => status == "cancelled",
        };
        let is_old = (status, &after["triggerAt"]) == (text(before, "status"), &before["triggerAt"]);
        assert!(has_effect || answer.status >= 500 && is_old, "{case}: {} and {after}", answer.body);
        status == "scheduled"
    }

    async fn check(&self, scene: &Scene) {
        let Self { case, id, before, after, .. } = self;
        let runs = self.runs();
        let request = scene.api.request(id).await;
        let started = |request: &Value| events(request).iter().filter(|event| **event == "started").count();
        let expected = if runs { "succeeded" } else { text(after, "status") };
        assert_eq!(text(&request, "status"), expected, "{case}: {request}");
        assert_eq!(started(&request), started(before) + usize::from(runs), "{case}: {request}");
        let history = request["history"].as_array().unwrap();
        let last = history.iter().rev().find(|line| line["event"] == "started").filter(|_| runs);
        assert!(last.is_none_or(|last| time(&last["at"]) >= time(&after["triggerAt"])), "{case}: {request}");
    }

    /// A direct request has no attempts, so the events of its rule or schedule count.
    async fn check_direct(&self, scene: &Scene, delivered: &[Delivered]) {
        let Self { case, id, answer, after, .. } = self;
        let runs = self.runs();
        let events: Vec<_> = delivered.iter().filter(|one| one.due.name.contains(id)).collect();
        // The answer asks its caller to cancel a request again that may have lost its rule.
        let may_be_lost = answer.status >= 500 && text(&answer.body, "detail").contains("may not run");
        assert!(events.len() == usize::from(runs) || runs && may_be_lost && events.is_empty(), "{case}: {events:?}");
        assert!(events.iter().all(|one| one.due.at >= time(&after["triggerAt"])), "{case}: {events:?}");
        let request = scene.api.request(id).await;
        assert!(runs || text(&request, "status") == "cancelled", "{case}: {request}");
    }
}

async fn all(act: Act, options: Options, is_direct: bool) {
    let calls = calls_of(act, options.clone(), is_direct).await;
    assert!(calls.len() >= 2, "{calls:?}");
    beside(calls.into_iter().map(|call| changing(call, act, options.clone(), is_direct)).collect()).await;
}

/// Posts a direct request once per fault, and repeats a call that was answered 503.
async fn accepting(call: String, options: Options) {
    let scene = scene(options, true).await;
    let proxy = &scene.stack.proxy;
    let mut all = Vec::new();
    for (fault, lasting) in cases(&call) {
        let skip = proxy.records().len();
        let case = fail(&scene, &call, fault, lasting);
        let first = scene.api.send(direct_post(&scene, &case)).await;
        proxy.heal();
        assert!(was_met(&scene, skip, fault), "{case}");
        assert!(!is_hidden(fault, lasting) || first.status == 202, "{case}: {}", first.body);
        let acknowledged = match first.status {
            202 => Some(first.body.clone()),
            503 => Some(scene.api.send(direct_post(&scene, &case)).await.expect(202)),
            _ => None,
        };
        all.push((case, first.body, acknowledged));
    }
    let delivered = scene.settle().await;
    for _ in 0..2 {
        scene.sweep(TimeDelta::hours(2)).await;
    }
    let events = |answer: &Value| delivered.iter().filter(|one| one.due.name.contains(text(answer, "correlationId"))).count();
    for (case, first, acknowledged) in all {
        if let Some(answer) = &acknowledged {
            assert_eq!(events(answer), 1, "{case}: {delivered:?}");
            let request = scene.api.request(text(answer, "correlationId")).await;
            assert_eq!(request["result"]["outcome"], "delivered-to-bus", "{case}: {request}");
        }
        if acknowledged.is_none_or(|answer| answer["correlationId"] != first["correlationId"]) {
            assert!(events(&first) <= usize::from(first["mayRun"] == true), "{case}: {first}");
        }
    }
    scene.assert_clean().await;
}

/// Returns a POST of a direct request under a key that is made of this name.
fn direct_post(scene: &Scene, name: &str) -> RequestBuilder {
    let key = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let call = scene.api.call(Method::POST, "/requests/puppet").header("idempotency-key", key);
    call.json(&json!({ "delay": "PT2H", "target": "queue" }))
}

async fn accepting_all(options: Options) {
    let scene = scene(options.clone(), true).await;
    scene.post(json!({}), "PT2H").await;
    let skip = scene.stack.proxy.records().len();
    scene.api.send(direct_post(&scene, "clean")).await.expect(202);
    let mut calls = scene.stack.proxy.names(skip);
    calls.sort();
    calls.dedup();
    assert!(calls.len() >= 3, "{calls:?}");
    beside(calls.into_iter().map(|call| accepting(call, options.clone())).collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_request_by_a_rule_is_accepted_despite_faults_at_each_call() {
    accepting_all(Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_request_by_a_schedule_is_accepted_despite_faults_at_each_call() {
    accepting_all(schedules()).await;
}

fn schedules() -> Options {
    Options { scheduler: true, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_by_a_rule_survives_faults_at_each_call() {
    all(Act::Move, Options::default(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_by_a_schedule_survives_faults_at_each_call() {
    all(Act::Move, schedules(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_the_same_time_survives_faults_at_each_call() {
    all(Act::MoveAgain, Options::default(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_survives_faults_at_each_call() {
    all(Act::Cancel, Options::default(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_survives_faults_at_each_call() {
    all(Act::Retry, Options::default(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_survives_faults_at_each_call() {
    all(Act::Erase, Options::default(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_of_a_direct_request_survives_faults_at_each_call() {
    all(Act::Move, Options::default(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_of_a_direct_request_by_a_schedule_survives_faults_at_each_call() {
    all(Act::Move, schedules(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_of_a_direct_request_to_the_same_time_survives_faults_at_each_call() {
    all(Act::MoveAgain, Options::default(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_of_a_direct_request_survives_faults_at_each_call() {
    all(Act::Cancel, Options::default(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_of_a_direct_request_by_a_schedule_survives_faults_at_each_call() {
    all(Act::Cancel, schedules(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_of_a_direct_request_survives_faults_at_each_call() {
    all(Act::Erase, Options::default(), true).await;
}
