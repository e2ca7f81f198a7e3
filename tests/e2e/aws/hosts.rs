//! A second target function.

use chrono::TimeDelta;
use postdate_tests::driver::{Delivered, Source};
use postdate_tests::lambda::Function;
use postdate_tests::stack::Options;
use serde_json::json;

use super::scene::Scene;
use crate::harness::{events, text};

/// End of the ARN of the second target host.
const BIG_ENDING: &str = ":function:postdate-target-big";
const BIG: &str = "[targets]\ndefault = 'heavy'\nheavy = { kind = 'plugin', host = 'big' }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_a_host_runs_on_that_host_for_every_attempt() {
    let scene = Scene::with(BIG, Options::default()).await;
    let big = scene.stack.big().await;
    let script = json!({ "do": "retry", "untilAttempt": 2 });
    let (far, _) = scene.post(json!({ "process": script }), "PT2H").await;
    let (near, _) = scene.post(json!({ "process": script }), "PT20S").await;
    let delivered = scene.stack.driver.settle(&[&scene.target, &big]).await;
    assert!(delivered.iter().all(|one| one.outcome.is_ok() && one.due.target.ends_with(BIG_ENDING)), "{delivered:?}");
    assert_eq!(delivered.iter().filter(|one| one.due.source == Source::Rule).count(), 1, "{delivered:?}");
    for id in [far, near] {
        assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "attempt-failed", "started", "succeeded"]);
    }
    assert!(!scene.target.log().text().contains("fired"), "the default host must not fire the request");
    scene.assert_clean().await;
}

/// Starts a scene with schedules, whose hosts have no queue, and the host `big`.
async fn without_queues(manifest: &str) -> (Scene, Function) {
    let hosts = json!({
        "big": { "arn": "arn:aws:lambda:eu-central-1:500000000001:function:postdate-target-big" },
        "reports": { "arn": "arn:aws:lambda:eu-central-1:500000000001:function:reports" },
    });
    let variables = vec![("POSTDATE_HOSTS".to_owned(), hosts.to_string())];
    let scene = Scene::with(manifest, Options { scheduler: true, variables, ..Options::default() }).await;
    let big = scene.stack.function("postdate-target-big").without("POSTDATE_QUEUE_URL").started().await;
    (scene, big)
}

/// `SchedulerRole` may invoke the host by its name, so a schedule reaches it; a host of another name is refused at the call.
#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_reaches_a_host_that_its_role_may_invoke_and_no_other() {
    let manifest = format!("{BIG}lost = {{ kind = 'plugin', host = 'reports' }}\n");
    let (scene, big) = without_queues(&manifest).await;
    // The host has no queue, so the schedule fires on the whole minute.
    let (id, _) = scene.post(json!({}), "PT2H").await;
    let delivered = scene.stack.driver.settle(&[&scene.target, &big]).await;
    assert!(delivered.iter().all(|one| one.outcome.is_ok() && one.due.target.ends_with(BIG_ENDING)), "{delivered:?}");
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
    let refused = scene.api.post("/requests/puppet", &json!({ "delay": "PT2H", "target": "lost" })).await;
    let refused = refused.expect_fault(422, "target-not-served");
    assert!(text(&refused, "detail").contains("postdate-target"), "{refused}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_janitor_rearms_a_request_on_the_host_of_its_target() {
    let scene = Scene::with(BIG, Options::default()).await;
    let big = scene.stack.big().await;
    let (id, due) = scene.post(json!({}), "PT2H").await;
    let rule = scene.stack.driver.pending().await.remove(0);
    // EventBridge gives the event up, as it does after the maximum event age.
    scene.stack.driver.undeliverable(&rule, "THROTTLING").await;
    scene.stack.clock.set(due);
    assert_eq!(scene.sweep(TimeDelta::minutes(4)).await["rearmed"], 1);
    scene.stack.driver.settle(&[&scene.target, &big]).await;
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
    assert!(!scene.target.log().text().contains("fired"));
    scene.sweep(TimeDelta::hours(2)).await;
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_janitor_rearms_a_request_of_a_host_without_a_queue_by_a_schedule() {
    let (scene, big) = without_queues(BIG).await;
    let (id, due) = scene.post(json!({}), "PT2H").await;
    let schedule = scene.stack.driver.pending().await.remove(0);
    scene.stack.driver.undeliverable(&schedule, "THROTTLING").await;
    scene.stack.clock.set(due);
    assert_eq!(scene.sweep(TimeDelta::minutes(4)).await["rearmed"], 1);
    let delivered = scene.stack.driver.settle(&[&scene.target, &big]).await;
    let by_schedule = |one: &Delivered| one.due.source == Source::Schedule && one.due.target.ends_with(BIG_ENDING);
    assert!(delivered.len() == 1 && delivered.iter().all(by_schedule), "{delivered:?}");
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
    scene.sweep(TimeDelta::hours(2)).await;
    scene.assert_clean().await;
}
