//! Lambdas killed before or after each of their AWS calls, or frozen beyond the lease of a claim. AWS redelivers the event, or
//! the janitor finds the request.

use chrono::TimeDelta;
use postdate_tests::fault_proxy::Moment;
use postdate_tests::stack::TABLE;
use serde_json::json;

use super::scene::Scene;
use crate::harness::{events, text};

/// Returns `service.Action` of each call after the first `skip`, with its number among the calls of that name, from 1.
fn numbered(scene: &Scene, skip: usize) -> Vec<(String, usize)> {
    let names = scene.stack.proxy.names(skip);
    let nth = |index: usize| names[..=index].iter().filter(|&name| *name == names[index]).count();
    names.iter().enumerate().map(|(index, name)| (name.clone(), nth(index))).collect()
}

fn keyed(scene: &Scene, key: &str) -> reqwest::RequestBuilder {
    let call = scene.api.call(reqwest::Method::POST, "/requests/puppet");
    call.header("idempotency-key", key).json(&json!({ "delay": "PT3H" }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_killed_at_any_call_leaves_one_request_per_key() {
    let mut scene = Scene::new().await;
    scene.post(json!({}), "PT3H").await;
    let skip = scene.stack.proxy.records().len();
    assert_eq!(scene.api.send(keyed(&scene, "clean")).await.status, 202);
    let calls = numbered(&scene, skip);
    assert!(calls.len() >= 3, "{calls:?}");
    let mut keys = vec!["clean".to_owned()];
    for ((call, nth), moment) in calls.iter().flat_map(|call| [(call, Moment::Before), (call, Moment::After)]) {
        let (service, action) = call.split_once('.').unwrap();
        let key = format!("{call} {nth} {moment:?}");
        let mut held = scene.stack.proxy.hold_nth(service, action, *nth, moment);
        let cut_off = tokio::spawn(keyed(&scene, &key).send());
        held.reached().await;
        scene.processor.kill();
        cut_off.abort();
        drop(held);
        scene.processor.start().await;
        // The client got no answer, and repeats.
        let again = scene.api.send(keyed(&scene, &key)).await;
        assert_eq!(again.status, 202, "{key}: {}", again.body);
        keys.push(key);
    }
    scene.settle().await;
    scene.sweep(TimeDelta::hours(2)).await;
    scene.assert_clean().await;
    let items = scene.stack.aws.items(TABLE).await;
    let runs: Vec<&str> =
        items.iter().filter(|item| item["sk"]["S"] == "request").filter_map(|item| item["status"]["S"].as_str()).collect();
    assert_eq!(runs, vec!["succeeded"; keys.len() + 1], "each key must run once, and the request without a key once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_target_is_killed_at_any_call_still_succeeds_once() {
    let mut scene = Scene::new().await;
    scene.post(json!({}), "PT1H").await;
    let skip = scene.stack.proxy.records().len();
    scene.settle().await;
    let calls = numbered(&scene, skip);
    assert!(calls.len() >= 4, "{calls:?}");
    for ((call, nth), moment) in calls.iter().flat_map(|call| [(call, Moment::Before), (call, Moment::After)]) {
        let case = format!("killed {moment:?} {call} {nth}");
        let (service, action) = call.split_once('.').unwrap();
        let (id, due) = scene.post(json!({}), "PT1H").await;
        let mut held = scene.stack.proxy.hold_nth(service, action, *nth, moment);
        // The held call belongs to the first delivery, which parks the request in the queue, or to the second, which runs it.
        let rule = scene.stack.driver.pending().await.remove(0);
        scene.stack.clock.set(rule.at);
        let mut delivery = scene.target.invoke_beside(&rule.event);
        let reached = tokio::select! {
            () = held.reached() => true,
            _ = &mut delivery => false,
        };
        if !reached {
            scene.stack.clock.set(due);
            delivery = scene.target.invoke_beside(&rule.event);
            held.reached().await;
        }
        scene.target.kill();
        delivery.abort();
        drop(held);
        scene.stack.proxy.heal();
        scene.target.start().await;
        // Deliver everything that is pending, the rule's event included, as Lambda retries an interrupted invocation.
        scene.settle().await;
        scene.sweep(TimeDelta::minutes(10)).await;
        scene.settle().await;
        let request = scene.api.request(&id).await;
        let count = |event: &str| events(&request).iter().filter(|&&other| other == event).count();
        assert_eq!((text(&request, "status"), count("succeeded")), ("succeeded", 1), "{case}: {request}");
        assert_eq!(count("started"), 1 + count("interrupted"), "{case}: {request}");
        scene.sweep(TimeDelta::hours(2)).await;
        scene.assert_clean().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_frozen_beyond_its_lease_does_not_overwrite_the_attempt_that_took_over() {
    let scene = Scene::new().await;
    let (id, due) = scene.post(json!({ "process": { "do": "sleep", "ms": 1000 } }), "PT1H").await;
    let rule = scene.stack.driver.pending().await.remove(0);
    scene.stack.clock.set(due);
    let first = scene.target.invoke_beside(&rule.event);
    scene.api.reaches(&id, "running").await;
    scene.target.freeze();
    let second = scene.stack.function("target");
    scene.stack.clock.advance(TimeDelta::minutes(10));
    let second = second.started().await;
    // The lease has expired, so the next delivery takes the request over.
    assert!(second.invoke(&rule.event).await.is_ok());
    let request = scene.api.reaches(&id, "succeeded").await;
    assert_eq!(events(&request), ["accepted", "started", "interrupted", "started", "succeeded"]);
    scene.target.thaw();
    assert!(first.await.unwrap().is_ok(), "a target that lost its claim must return success");
    assert_eq!(scene.api.request(&id).await, request);
    scene.settle().await;
    scene.sweep(TimeDelta::hours(2)).await;
    scene.assert_clean().await;
}
