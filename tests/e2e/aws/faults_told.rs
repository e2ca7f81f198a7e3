//! The API's answers to faults of AWS: status, code, `Retry-After`, no confidential detail, and in time. Also faults of the delay
//! queue and calls that hang. [`super::faults`] tests the effect of every fault of every call on the request.

use std::time::{Duration, Instant};

use postdate_tests::driver::Source;
use postdate_tests::fault_proxy::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use super::scene::Scene;
use crate::harness::{Answer, events, text};

/// Timeout of the processor function. API Gateway's own timeout is 30 s.
const GATEWAY: Duration = Duration::from_secs(29);

fn post(scene: &Scene, delay: &str) -> reqwest::RequestBuilder {
    scene.api.call(Method::POST, "/requests/puppet").json(&json!({ "delay": delay }))
}

/// Fails if the answer contains an ARN, the account, a credential or an address.
#[track_caller]
fn assert_discreet(answer: &Answer) {
    let shown = answer.body.to_string();
    for secret in ["arn:", "987654321098", "postdate-role", "AKIAOFALAMBDA", "not-a-secret", "a-session", "127.0.0.1"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_aws_has_its_own_status_and_code_and_shows_nothing_confidential() {
    let scene = Scene::new().await;
    let (id, _) = scene.post(json!({}), "PT2H").await;
    let path = format!("/requests/{id}");
    let later = json!({ "delay": "PT3H" });
    let far = || post(&scene, "PT2H");
    let near = || post(&scene, "PT1M");
    let ledger = ("ledger-failed", "ledger-unavailable");
    let scheduler = ("scheduler-failed", "scheduler-unavailable");
    for (what, call, service, action, (failed, unavailable)) in [
        ("storing", far(), "dynamodb", "PutItem", ledger),
        ("looking for a key", far().header("idempotency-key", "k"), "dynamodb", "GetItem", ledger),
        ("making a rule", far(), "events", "PutRule", scheduler),
        ("giving it a target", far(), "events", "PutTargets", scheduler),
        ("sending a message", near(), "sqs", "SendMessage", scheduler),
        ("reading", scene.api.call(Method::GET, &path), "dynamodb", "GetItem", ledger),
        ("listing", scene.api.call(Method::GET, "/requests?useCase=puppet"), "dynamodb", "Query", ledger),
        ("moving", scene.api.call(Method::PATCH, &path).json(&later), "dynamodb", "PutItem", ledger),
        ("cancelling", scene.api.call(Method::DELETE, &path), "dynamodb", "PutItem", ledger),
    ] {
        for (fault, status, code) in [(Fault::AccessDenied, 500, failed), (Fault::ExpiredToken, 503, unavailable)] {
            scene.stack.proxy.fail_always(service, action, fault);
            let answer = scene.api.send(call.try_clone().unwrap()).await;
            scene.stack.proxy.heal();
            assert_discreet(&answer);
            assert_eq!(!answer.header("retry-after").is_empty(), status == 503, "{what}: {:?}", answer.headers);
            let told = answer.expect_fault(status, code);
            let detail = text(&told, "detail");
            let id = text(&told, "correlationId").to_owned();
            let line = scene.processor.logged("of the failed call", |line| line.to_string().contains(&id)).await.to_string();
            // The reason for an error of the ledger is in the log only.
            let reason = if code.starts_with("ledger") { &line } else { detail };
            assert!(reason.contains("AccessDeniedException") || reason.contains("ExpiredToken"), "{what}: {reason}");
        }
    }
    // A quota is not free again within seconds, so `Retry-After` is a minute.
    for (call, service, action) in [(far(), "events", "PutRule"), (far(), "events", "PutTargets"), (near(), "sqs", "SendMessage")] {
        scene.stack.proxy.fail_always(service, action, Fault::LimitExceeded);
        let answer = scene.api.send(call).await;
        scene.stack.proxy.heal();
        assert_eq!((answer.status, answer.header("retry-after")), (503, "60"), "{action}: {}", answer.body);
    }
    assert_eq!(scene.timers().await.len(), 1, "only the first request may have a rule");
    scene.settle().await;
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
    let all = scene.api.get("/requests?useCase=puppet&limit=100").await.expect(200);
    let others: Vec<&Value> = all["requests"].as_array().unwrap().iter().filter(|request| request["correlationId"] != json!(id)).collect();
    assert!(!others.is_empty() && others.iter().all(|request| request["status"] == "cancelled"), "{all}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_or_orphaned_message_runs_nothing() {
    let scene = Scene::new().await;
    for fault in [Fault::Throttled, Fault::Internal, Fault::LostResponse] {
        scene.stack.proxy.fail_once("sqs", "SendMessage", fault);
        let (id, _) = scene.post(json!({}), "PT1M").await;
        let messages = scene.stack.driver.pending().await;
        assert!(messages.iter().all(|one| one.source == Source::Message));
        assert_eq!(messages.len(), 1 + usize::from(fault == Fault::LostResponse), "{fault:?}");
        let delivered = scene.settle().await;
        assert!(delivered.iter().all(|one| one.outcome.is_ok()), "{delivered:?}");
        assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"], "{fault:?}");
    }
    // The message is sent but its reply is lost each time: the client gets an error, and the message is orphaned.
    scene.stack.proxy.fail_always("sqs", "SendMessage", Fault::LostResponse);
    let told = scene.api.send(post(&scene, "PT1M")).await.expect_fault(503, "scheduler-unavailable");
    scene.stack.proxy.heal();
    assert!(told.get("mayRun").is_none(), "{told}");
    let delivered = scene.settle().await;
    assert!(!delivered.is_empty() && delivered.iter().all(|one| one.outcome.is_ok()), "{delivered:?}");
    assert_eq!(events(&scene.api.request(text(&told, "correlationId")).await), ["accepted", "cancelled"]);
}

/// Waits until `calls` calls have met the fault `Timeout`.
async fn hanging(scene: &Scene, calls: usize) {
    let met = || scene.stack.proxy.records().iter().filter(|call| call.fault == Some(Fault::Timeout)).count();
    crate::harness::eventually("the call to hang", async || (met() >= calls).then_some(())).await;
}

/// Each kind of call hangs once. The hanging calls run concurrently, each in a process of its own, to save time.
#[tokio::test(flavor = "multi_thread")]
async fn an_aws_call_without_a_reply_is_retried() {
    let scene = Scene::new().await;
    let (proxy, driver) = (&scene.stack.proxy, &scene.stack.driver);
    let accepting = [
        ("dynamodb", "GetItem", "PT2H"),
        ("dynamodb", "TransactWriteItems", "PT2H"),
        ("events", "PutRule", "PT2H"),
        ("events", "PutTargets", "PT2H"),
        ("sqs", "SendMessage", "PT2M"),
    ];
    let mut beside = Vec::new();
    for _ in 1..accepting.len() {
        beside.push(scene.stack.processor().await);
    }
    let mut answers = Vec::new();
    for (index, (service, action, delay)) in accepting.into_iter().enumerate() {
        proxy.fail_once(service, action, Fault::Timeout);
        let (api, call) = (scene.api.clone(), post(&scene, delay).header("idempotency-key", action));
        answers.push(tokio::spawn(async move { api.send(call).await }));
        hanging(&scene, index + 1).await;
    }
    let mut ids = Vec::new();
    for answer in answers {
        ids.push(text(&answer.await.unwrap().expect(202), "correlationId").to_owned());
    }
    drop(beside);

    // The four requests with rules, and one more for the fifth call. Set the clock to their time, so that they run at once.
    let (last, due) = scene.post(json!({}), "PT2H").await;
    let of_the_queue = ids.pop().unwrap();
    ids.push(last);
    let pending = driver.pending().await;
    let event = |id: &String| pending.iter().find(|due| due.event["correlationId"] == json!(id)).unwrap().event.clone();
    let firing = [
        ("dynamodb", "Query", 1),
        ("dynamodb", "PutItem", 1),
        ("dynamodb", "PutItem", 2),
        ("events", "RemoveTargets", 1),
        ("events", "DeleteRule", 1),
    ];
    scene.stack.clock.set(due);
    let mut beside = Vec::new();
    for _ in 1..firing.len() {
        beside.push(scene.stack.target().await);
    }
    let mut deliveries = Vec::new();
    for (index, ((service, action, nth), id)) in firing.into_iter().zip(&ids).enumerate() {
        proxy.fail_nth(service, action, nth, Fault::Timeout);
        deliveries.push((action, scene.target.invoke_beside(&event(id))));
        hanging(&scene, accepting.len() + index + 1).await;
    }
    for (action, delivery) in deliveries {
        assert_eq!(delivery.await.unwrap().unwrap()["outcome"], "ran", "{action}");
    }
    scene.settle().await;
    for id in ids.iter().chain([&of_the_queue]) {
        assert_eq!(events(&scene.api.request(id).await), ["accepted", "started", "succeeded"]);
    }
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_a_503_before_the_gateways_timeout_if_aws_does_not_reply() {
    let scene = Scene::new().await;
    scene.stack.proxy.fail_always("*", "*", Fault::Timeout);
    let begun = Instant::now();
    let told = scene.api.send(post(&scene, "PT2H")).await.expect_fault(503, "ledger-unavailable");
    assert!(begun.elapsed() < GATEWAY, "{:?}", begun.elapsed());
    assert_eq!(told["mayRun"], true, "the request may be stored: {told}");
    scene.stack.proxy.heal();
    // The fault `Timeout` holds the call back, so nothing was stored.
    scene.api.get(&format!("/requests/{}", text(&told, "correlationId"))).await.expect_fault(404, "unknown-request");
    scene.assert_clean().await;
}
