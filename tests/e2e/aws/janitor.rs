//! The janitor: it removes orphaned rules, leaves other rules alone, and reschedules requests whose event was lost.

use chrono::{DateTime, TimeDelta, Utc};
use postdate_tests::driver::Source;
use postdate_tests::fault_proxy::Fault;
use serde_json::{Value, json};

use super::scene::Scene;
use crate::harness::{events, eventually, text, time};

async fn put_rule(scene: &Scene, name: &str, at: DateTime<Utc>) {
    let expression = at.format("cron(%-M %-H %-d %-m ? %Y)").to_string();
    scene.stack.aws.json("events", "PutRule", &json!({ "Name": name, "ScheduleExpression": expression })).await;
    let target = json!({ "Id": "postdate", "Arn": scene.stack.target_arn, "Input": "{}" });
    scene.stack.aws.json("events", "PutTargets", &json!({ "Rule": name, "Targets": [target] })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_janitor_removes_only_past_rules_of_this_deployment() {
    let scene = Scene::new().await;
    let (id, _) = scene.post(json!({}), "P2D").await;
    let needed = scene.timers().await.remove(0);
    let (past, future) = (scene.stack.clock.now() - TimeDelta::hours(2), scene.stack.clock.now() + TimeDelta::days(1));
    let unknown = "01a20c87-aa44-77fd-b97b-f8e3d9b8c691";
    // A future rule of an unknown request may belong to a deployment whose prefix starts with this one's, so it stays.
    let foreign = format!("postdate-puppet-{unknown}");
    put_rule(&scene, &foreign, future).await;
    put_rule(&scene, "postdate-puppet-01a20c87-aa44-77fd-b97b-000000000000", past).await;
    // A hand-made rule with our prefix, a rule of another deployment, and a rule of another application.
    let others = ["postdate-nightly", &format!("other-puppet-{unknown}"), "nightly"];
    for name in others {
        put_rule(&scene, name, past).await;
    }
    let report = scene.sweep(TimeDelta::zero()).await;
    assert_eq!((&report["cleaned"], &report["notCleaned"], &report["errors"]), (&json!(1), &json!(0), &json!(0)), "{report}");
    let mut left = scene.timers().await;
    left.sort();
    let mut expected: Vec<String> = others.iter().map(|&name| name.to_owned()).chain([needed, foreign]).collect();
    expected.sort();
    assert_eq!(left, expected);
    let report = scene.sweep(TimeDelta::days(1) + TimeDelta::minutes(10)).await;
    assert_eq!(report["cleaned"], 1, "the rule is past its time: {report}");
    assert_eq!(text(&scene.api.request(&id).await, "status"), "scheduled");
}

/// Returns the values of a metric in a process's log, each with its `Reason`. Fails unless each line is one of `CloudWatch`'s embedded
/// metric format, with the dimension of the template's alarm.
fn metric(lines: &[Value], name: &str) -> Vec<(String, f64)> {
    let of_metric = |line: &&Value| line.get("_aws").is_some() && line.get(name).is_some();
    let read = |line: &Value| {
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&directive["Namespace"], &line["Service"]), (&json!("Postdate"), &json!("janitor")), "{line}");
        assert!(directive["Metrics"].as_array().unwrap().contains(&json!({ "Name": name, "Unit": "Count" })), "{line}");
        let reason = line["Reason"].as_str().unwrap_or_default();
        let expected = if reason.is_empty() { json!([["Service"]]) } else { json!([["Service"], ["Service", "Reason"]]) };
        assert_eq!(directive["Dimensions"], expected, "{line}");
        (reason.to_owned(), line[name].as_f64().unwrap())
    };
    lines.iter().filter(of_metric).map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_emits_metrics_of_what_it_could_not_mend_and_of_its_errors() {
    let scene = Scene::new().await;
    let (aws, proxy) = (&scene.stack.aws, &scene.stack.proxy);
    scene.post(json!({ "process": { "do": "fail" } }), "PT1H").await;
    proxy.fail_always("sns", "Publish", Fault::AccessDenied);
    scene.settle().await;
    for _ in 0..2 {
        scene.post(json!({}), "PT1H").await;
    }
    for rule in scene.timers().await {
        aws.delete_rule(&rule).await;
    }
    for (service, action) in [("sqs", "SendMessage"), ("events", "ListRules")] {
        proxy.fail_always(service, action, Fault::AccessDenied);
    }
    scene.stack.clock.advance(TimeDelta::hours(2));
    let janitor = scene.stack.janitor().await;
    let report = janitor.invoke(&json!({})).await.expect("a report");
    assert_eq!(report["notMended"], json!({ "operators-not-notified": 1, "scheduler-failed": 2 }), "{report}");
    assert_eq!(report["errors"], 1, "the rules could not be listed: {report}");
    janitor.logged("with the last metric of the run", |line| line["Reason"] == "scheduler-failed").await;
    let lines = janitor.log_lines();
    let mended = [("operators-not-notified".to_owned(), 1.0), ("scheduler-failed".to_owned(), 2.0)];
    assert_eq!((metric(&lines, "NotMended"), metric(&lines, "Errors")), (mended.to_vec(), vec![(String::new(), 1.0)]), "{lines:?}");

    proxy.heal();
    let before = janitor.log_lines().len();
    scene.stack.clock.advance(TimeDelta::hours(2));
    janitor.invoke(&json!({})).await.expect("a report");
    scene.settle().await;
    eventually("the metrics of the run", async || (!metric(&janitor.log_lines()[before..], "Errors").is_empty()).then_some(())).await;
    let lines = &janitor.log_lines()[before..];
    assert_eq!((metric(lines, "NotMended"), metric(lines, "Errors")), (vec![], vec![(String::new(), 0.0)]), "{lines:?}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_cannot_be_removed_is_reported_and_removed_by_a_later_run() {
    let scene = Scene::new().await;
    let (id, _) = scene.post(json!({}), "PT1H").await;
    scene.stack.proxy.fail_always("events", "DeleteRule", Fault::AccessDenied);
    scene.settle().await;
    assert_eq!(text(&scene.api.request(&id).await, "status"), "succeeded");
    let report = scene.sweep(TimeDelta::minutes(5)).await;
    assert_eq!((&report["cleaned"], &report["notCleaned"]), (&json!(0), &json!(1)), "{report}");
    let notices: Vec<Value> =
        scene.stack.aws.take_messages(&scene.stack.notices_url).await.iter().map(postdate_tests::aws::Message::json).collect();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!((&notices[0]["event"], &notices[0]["correlationId"]), (&json!("rule-not-cleaned"), &json!(id)));
    assert!(text(&notices[0], "reason").contains("AccessDenied"), "{notices:?}");
    scene.stack.proxy.heal();
    assert_eq!(scene.sweep(TimeDelta::minutes(5)).await["cleaned"], 1);
    scene.assert_clean().await;
}

/// Scaled down from a hundred a second for which the simulation shows it.
#[tokio::test(flavor = "multi_thread")]
async fn an_hour_in_which_no_function_ran_is_caught_up_within_the_next_hour() {
    let scene = Scene::new().await;
    let mut ids = Vec::new();
    for minute in (3..60).step_by(3) {
        ids.push(scene.post(json!({}), &format!("PT{minute}M")).await.0);
    }
    let back = scene.stack.clock.now() + TimeDelta::hours(1);
    scene.stack.clock.set(back);
    // EventBridge gives up what is older than its maximum age.
    let kept = scene.stack.driver.pending().await;
    let rules: Vec<_> = kept.iter().filter(|event| event.source == Source::Rule).collect();
    assert!(rules.len() > 10 && kept.len() > rules.len() + 2, "{kept:?}");
    for event in &rules[..rules.len() / 2] {
        scene.stack.driver.undeliverable(event, "THROTTLING").await;
    }
    scene.settle().await;
    for _ in 0..3 {
        scene.sweep(TimeDelta::minutes(5)).await;
        scene.settle().await;
    }
    for id in &ids {
        let request = scene.api.request(id).await;
        assert_eq!(events(&request), ["accepted", "started", "succeeded"], "{request}");
        assert!(time(&request["finishedAt"]) <= back + TimeDelta::hours(1), "{request}");
    }
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_event_was_lost_is_rearmed_and_runs() {
    let scene = Scene::new().await;
    let (id, due) = scene.post(json!({}), "PT1H").await;
    // Delete the rule, as an operator could by hand.
    scene.stack.aws.delete_rule(&scene.timers().await[0]).await;
    scene.stack.clock.set(due);
    assert_eq!(scene.sweep(TimeDelta::minutes(1)).await["rearmed"], 0, "the event may still be in flight");
    assert_eq!(scene.sweep(TimeDelta::minutes(4)).await["rearmed"], 1);
    scene.settle().await;
    assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_concurrent_janitors_do_not_disturb_running_attempts() {
    let scene = Scene::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(scene.post(json!({ "process": { "do": "sleep", "ms": 500 } }), "PT1H").await.0);
    }
    let rules = scene.stack.driver.pending().await;
    scene.stack.clock.advance(TimeDelta::minutes(61));
    let (_second, one, two) = tokio::join!(scene.stack.target(), scene.stack.janitor(), scene.stack.janitor());
    let deliveries: Vec<_> = rules.iter().map(|rule| scene.target.invoke_beside(&rule.event)).collect();
    let sweeps = [one.invoke_beside(&json!({})), two.invoke_beside(&json!({}))];
    for sweep in sweeps {
        let report = sweep.await.unwrap().unwrap();
        assert_eq!((&report["errors"], &report["released"]), (&json!(0), &json!(0)), "{report}");
    }
    for delivery in deliveries {
        assert!(delivery.await.unwrap().is_ok());
    }
    scene.settle().await;
    for id in ids {
        assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"]);
    }
    scene.sweep(TimeDelta::hours(2)).await;
    scene.assert_clean().await;
}
