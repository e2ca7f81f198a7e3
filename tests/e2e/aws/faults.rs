//! Every fault of every AWS call during accept, fire and clean-up. An acknowledged request runs, a refused one does not, and no
//! rule, schedule or message is left.

use chrono::TimeDelta;
use postdate_tests::fault_proxy::Fault;
use postdate_tests::stack::{Options, Stack, TABLE};
use serde_json::{Value, json};

use super::scene::Scene;
use crate::harness::{events, text};

const COMMON: [Fault; 5] = [Fault::Throttled, Fault::Internal, Fault::AccessDenied, Fault::ExpiredToken, Fault::LostResponse];

/// Returns the faults with which AWS can answer the call.
fn faults(call: &str) -> Vec<Fault> {
    let own: &[Fault] = match call {
        "events.PutRule" => &[Fault::ConcurrentModification, Fault::LimitExceeded],
        "events.PutTargets" => &[Fault::ConcurrentModification, Fault::LimitExceeded, Fault::PartFailed],
        "events.RemoveTargets" => &[Fault::ConcurrentModification, Fault::PartFailed],
        "events.DeleteRule" | "dynamodb.TransactWriteItems" | "dynamodb.PutItem" => &[Fault::ConcurrentModification],
        "scheduler.CreateSchedule" => &[Fault::LimitExceeded],
        _ => &[],
    };
    [&COMMON, own].concat()
}

/// The answer to a POST that met a fault.
struct Told {
    case: String,
    status: u16,
    id: String,
    /// The answer says that the request may run although it was refused.
    may_run: bool,
}

async fn post(scene: &Scene, case: String) -> Told {
    post_with(scene, case, true).await
}

/// Posts with a key of its own, which makes the insert a transaction, or without one.
async fn post_with(scene: &Scene, case: String, has_key: bool) -> Told {
    let key = case.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let body = json!({ "delay": "PT3H", "case": case });
    let call = scene.api.call(reqwest::Method::POST, "/requests/puppet").json(&body);
    let answer = scene.api.send(if has_key { call.header("idempotency-key", key) } else { call }).await;
    // `send` checks the correlation id in header and body, and the form of an error.
    if answer.status != 202 {
        assert!((500..=503).contains(&answer.status), "{case}: {}", answer.body);
        let detail = text(&answer.body, "detail");
        assert!(!detail.contains("not-a-secret") && !detail.contains("PT3H"), "{case}: {detail}");
        assert_eq!(answer.status == 503, !answer.header("retry-after").is_empty(), "{case}: {}", answer.body);
    }
    let may_run = answer.body["mayRun"] == true;
    Told { case, status: answer.status, id: text(&answer.body, "correlationId").to_owned(), may_run }
}

/// Returns each fault of the call, once (`false`) and lasting (`true`).
pub fn cases(call: &str) -> Vec<(Fault, bool)> {
    faults(call).into_iter().flat_map(|fault| [(fault, false), (fault, true)]).collect()
}

/// Lets the call, `service.Action`, meet the fault once, or always until AWS is healed. Returns a name of the case.
pub fn fail(scene: &Scene, call: &str, fault: Fault, lasting: bool) -> String {
    let (service, action) = call.split_once('.').unwrap();
    if lasting {
        scene.stack.proxy.fail_always(service, action, fault);
    } else {
        scene.stack.proxy.fail_once(service, action, fault);
    }
    format!("{call} {fault:?} {}", if lasting { "always" } else { "once" })
}

/// Returns whether the SDK's retries hide the fault: a transient one that occurs once.
pub fn is_hidden(fault: Fault, lasting: bool) -> bool {
    !lasting && [Fault::Throttled, Fault::Internal, Fault::ConcurrentModification].contains(&fault)
}

/// Returns whether a call after the first `skip` met the fault.
pub fn was_met(scene: &Scene, skip: usize, fault: Fault) -> bool {
    scene.stack.proxy.records().iter().skip(skip).any(|call| call.fault == Some(fault))
}

/// Returns the distinct AWS calls of accepting one request without faults.
async fn calls_of_accepting(options: Options, has_key: bool) -> Vec<String> {
    let scene = Scene::start(options).await;
    let skip = scene.stack.proxy.records().len();
    assert_eq!(post_with(&scene, "clean".to_owned(), has_key).await.status, 202);
    let mut calls = scene.stack.proxy.names(skip);
    calls.sort();
    calls.dedup();
    calls
}

/// Posts once per case, while `call` meets the fault once (`false`) or always (`true`). Then heals AWS and checks every request.
async fn accepting(call: String, cases: Vec<(Fault, bool)>, options: Options, has_key: bool) {
    let is_auto = !options.variables.is_empty();
    let scene = Scene::start(options).await;
    let proxy = &scene.stack.proxy;
    let mut all = Vec::new();
    for (fault, lasting) in cases {
        if is_auto {
            // The processor tries a rule again.
            scene.stack.clock.advance(TimeDelta::minutes(6));
        }
        let skip = proxy.records().len();
        let case = fail(&scene, &call, fault, lasting);
        let told = post_with(&scene, case, has_key).await;
        proxy.heal();
        assert!(was_met(&scene, skip, fault), "{}", told.case);
        assert!(!is_hidden(fault, lasting) || told.status == 202, "{}", told.case);
        let expected = if is_auto && call == "events.PutRule" { 202 } else { 503 };
        assert!(!lasting || fault != Fault::LimitExceeded || told.status == expected, "{}", told.case);
        // A client repeats the call after a 503.
        if told.status == 503 {
            let again = post_with(&scene, told.case.clone(), has_key).await;
            assert_eq!(again.status, 202, "{}", told.case);
            all.push(again);
        }
        all.push(told);
    }
    let acknowledged: Vec<&Told> = all.iter().filter(|told| told.status == 202).collect();
    scene.settle().await;
    scene.sweep(TimeDelta::minutes(4)).await;
    scene.settle().await;
    for told in &acknowledged {
        let request = scene.api.request(&told.id).await;
        assert_eq!(events(&request), ["accepted", "started", "succeeded"], "{}: {request}", told.case);
    }
    let refused = |told: &&Told| told.status != 202 && !told.may_run;
    for told in all.iter().filter(refused).filter(|told| acknowledged.iter().all(|other| other.id != told.id)) {
        let answer = scene.api.get(&format!("/requests/{}", told.id)).await;
        assert!(answer.status == 404 || text(&answer.body, "status") == "cancelled", "{}: {}", told.case, answer.body);
    }
    let ran = scene.stack.aws.items(TABLE).await.iter().filter(|item| item["status"]["S"] == "succeeded").count();
    let mut ids: Vec<&str> = acknowledged.iter().map(|told| told.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let may_run = all.iter().filter(|told| told.may_run).count();
    assert!(ran >= ids.len() && ran <= ids.len() + may_run, "a refused request ran: {call}");
    scene.sweep(TimeDelta::hours(2)).await;
    scene.assert_clean().await;
}

/// Meets the faults of each call that `part` names, or of every call.
async fn accepting_all(options: Options, has_key: bool, part: &[&str]) {
    let calls = calls_of_accepting(options.clone(), has_key).await;
    assert!(calls.len() >= 3 && part.iter().all(|call| calls.iter().any(|other| other == call)), "{calls:?}");
    let mut tests = Vec::new();
    for call in calls.into_iter().filter(|call| part.is_empty() || part.contains(&call.as_str())) {
        let cases = cases(&call);
        // Only the first request of a use case makes this call, so each fault needs a table of its own.
        let tables = if call == "dynamodb.UpdateItem" { cases.chunks(1) } else { cases.chunks(cases.len()) };
        tests.extend(tables.map(|cases| accepting(call.clone(), cases.to_vec(), options.clone(), has_key)));
    }
    beside(tests).await;
}

/// Runs the tests concurrently, because each spends most of its time waiting.
pub async fn beside<F: Future<Output = ()> + 'static>(tests: Vec<F>) {
    let beside = tokio::task::LocalSet::new();
    let running: Vec<_> = tests.into_iter().map(|test| beside.spawn_local(test)).collect();
    beside.await;
    for test in running {
        test.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_by_a_rule_survives_faults_at_each_call() {
    accepting_all(Options::default(), true, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_without_a_key_survives_faults_of_its_only_write() {
    accepting_all(Options::default(), false, &["dynamodb.PutItem"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_by_a_rule_or_else_a_schedule_survives_faults_of_the_bus() {
    accepting_all(Stack::auto(), false, &["events.PutRule", "events.PutTargets"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accepting_by_a_schedule_survives_faults_at_each_call() {
    accepting_all(Options { scheduler: true, ..Options::default() }, true, &[]).await;
}

/// Returns the distinct AWS calls of firing and cleaning up one request with this body without faults.
pub async fn calls_of_firing(scene: &Scene, body: Value) -> Vec<String> {
    scene.post(body, "PT1H").await;
    let skip = scene.stack.proxy.records().len();
    scene.settle().await;
    let mut calls = scene.stack.proxy.names(skip);
    calls.sort();
    calls.dedup();
    assert!(calls.len() >= 3, "{calls:?}");
    calls
}

/// A request that was fired while a call met a fault.
pub struct Fired {
    pub case: String,
    pub fault: Fault,
    pub id: String,
    /// The request after AWS was healed and everything has ended.
    pub request: Value,
}

/// Posts and fires one request per fault, while `call` meets that fault once, or always during the first two deliveries. Then heals AWS,
/// lets the janitor run, and hands each request to the check.
pub async fn firing(scene: Scene, call: String, body: Value, check: impl AsyncFn(&Scene, &Fired)) {
    let proxy = &scene.stack.proxy;
    for (fault, lasting) in cases(&call) {
        let (id, due) = scene.post(body.clone(), "PT1H").await;
        let skip = proxy.records().len();
        let case = fail(&scene, &call, fault, lasting);
        let first = scene.stack.driver.pending().await.remove(0);
        scene.stack.clock.set(first.at);
        scene.stack.driver.run_due(&[&scene.target]).await;
        // The delay of a message starts when SQS receives it, which is later than the moment for which it was computed.
        scene.stack.clock.set(due + TimeDelta::seconds(2));
        scene.stack.driver.run_due(&[&scene.target]).await;
        proxy.heal();
        assert!(was_met(&scene, skip, fault), "{case}");
        scene.settle().await;
        scene.sweep(TimeDelta::minutes(10)).await;
        scene.settle().await;
        let request = scene.api.request(&id).await;
        // A second attempt is allowed only after an interruption that the history shows.
        let count = |event: &str| events(&request).iter().filter(|&&other| other == event).count();
        assert_eq!(count("started"), 1 + count("interrupted"), "{case}: {request}");
        assert_eq!(count(text(&request, "status")), 1, "{case}: {request}");
        check(&scene, &Fired { case, fault, id, request }).await;
        scene.sweep(TimeDelta::hours(2)).await;
        scene.assert_clean().await;
    }
}

async fn firing_all(options: Options) {
    let calls = calls_of_firing(&Scene::start(options.clone()).await, json!({})).await;
    beside(calls.into_iter().map(|call| succeeding(call, options.clone())).collect()).await;
}

async fn succeeding(call: String, options: Options) {
    firing(Scene::start(options).await, call, json!({}), has_succeeded).await;
}

async fn has_succeeded(_: &Scene, fired: &Fired) {
    assert_eq!(text(&fired.request, "status"), "succeeded", "{}: {}", fired.case, fired.request);
}

#[tokio::test(flavor = "multi_thread")]
async fn firing_by_a_rule_survives_faults_at_each_call() {
    firing_all(Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firing_by_a_schedule_survives_faults_at_each_call() {
    firing_all(Options { scheduler: true, ..Options::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_that_cannot_be_scheduled_does_not_undo_the_acknowledged_request() {
    let scene = Scene::new().await;
    let first = post(&scene, "repeated".to_owned()).await;
    assert_eq!(first.status, 202);
    scene.stack.proxy.fail_always("events", "PutTargets", Fault::AccessDenied);
    let again = post(&scene, "repeated".to_owned()).await;
    assert_eq!(again.status, 500);
    scene.stack.proxy.heal();
    assert_eq!(scene.timers().await.len(), 1);
    scene.settle().await;
    assert_eq!(events(&scene.api.request(&first.id).await), ["accepted", "started", "succeeded"]);
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_cannot_be_scheduled_is_rolled_back() {
    let scene = Scene::new().await;
    let (id, due) = scene.post(json!({}), "PT1H").await;
    scene.stack.proxy.fail_always("events", "PutRule", Fault::LimitExceeded);
    let answer = scene.api.patch(&format!("/requests/{id}"), &json!({ "delay": "PT5H" })).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "60"), "{}", answer.body);
    scene.stack.proxy.heal();
    let request: Value = scene.api.request(&id).await;
    assert_eq!(crate::harness::time(&request["triggerAt"]), due);
    scene.settle().await;
    assert_eq!(text(&scene.api.request(&id).await, "status"), "succeeded");
    scene.assert_clean().await;
}
