//! Targets with `direct = true`: the rule or the schedule points at the target itself, and no target function sees the request.

use chrono::TimeDelta;
use postdate_tests::aws::Aws;
use postdate_tests::fault_proxy::Fault;
use postdate_tests::stack::{GROUP, Options};
use serde_json::{Value, json};

use super::retries::dead_letter;
use super::scene::Scene;
use crate::harness::{PAYLOAD, text, time};

/// A kind of direct target, as the manifest states it and as a rule or a schedule must carry it.
struct Kind {
    alias: &'static str,
    /// Value of `kind` in the manifest.
    name: &'static str,
    /// Service and resource of the ARN.
    arn: (&'static str, &'static str),
    role: bool,
    /// Further keys of the target's table in the manifest.
    keys: &'static str,
    /// Expected `…Parameters` of a rule's target and of a schedule's target; `<id>` stands for the request's id.
    by_rule: Value,
    by_schedule: Value,
}

fn kinds() -> Vec<Kind> {
    let kind = |alias, name, arn, role| Kind { alias, name, arn, role, keys: "", by_rule: json!({}), by_schedule: json!({}) };
    let task = "task-definition = 'arn:aws:ecs:eu-central-1:500000000001:task-definition/ship:3', subnets = ['subnet-1', 'subnet-2']";
    let task_rule = json!({ "EcsParameters": {
        "TaskDefinitionArn": "arn:aws:ecs:eu-central-1:500000000001:task-definition/ship:3", "TaskCount": 1, "LaunchType": "FARGATE",
        "NetworkConfiguration": { "awsvpcConfiguration": { "Subnets": ["subnet-1", "subnet-2"], "AssignPublicIp": "DISABLED" } },
    } });
    let group = json!({ "SqsParameters": { "MessageGroupId": "puppet" } });
    vec![
        kind("function", "lambda", ("lambda", "function:orders"), false),
        kind("queue", "sqs", ("sqs", "orders"), false),
        Kind { by_rule: group.clone(), by_schedule: group, ..kind("fifo", "sqs", ("sqs", "orders.fifo"), false) },
        kind("topic", "sns", ("sns", "orders"), false),
        kind("flow", "step-functions", ("states", "stateMachine:flow"), true),
        Kind {
            by_schedule: json!({ "EventBridgeParameters": { "Source": "postdate", "DetailType": "puppet" } }),
            ..kind("bus", "event-bus", ("events", "event-bus/orders"), true)
        },
        // A rule needs no partition key: without a key path, EventBridge uses the id of the event.
        Kind {
            by_schedule: json!({ "KinesisParameters": { "PartitionKey": "<id>" } }),
            ..kind("stream", "kinesis", ("kinesis", "stream/orders"), true)
        },
        Kind { keys: task, by_rule: task_rule.clone(), by_schedule: task_rule, ..kind("task", "ecs-task", ("ecs", "cluster/all"), true) },
        kind("hook", "api-destination", ("events", "api-destination/hook/0001"), true),
    ]
}

fn role(aws: &Aws) -> String {
    format!("arn:aws:iam::{}:role/postdate-direct-targets", aws.account)
}

async fn scene(options: Options) -> Scene {
    let manifest = async |aws: &Aws| {
        let mut manifest = "[targets]\ndefault = 'here'\nhere = { kind = 'plugin' }\n".to_owned();
        for Kind { alias, name, arn: (service, resource), role: needs_role, keys, .. } in kinds() {
            let mut all = vec![format!("kind = '{name}', direct = true, arn = '{}'", aws.arn(service, resource))];
            all.extend(needs_role.then(|| format!("role = '{}'", role(aws))));
            all.extend((!keys.is_empty()).then(|| keys.to_owned()));
            manifest = format!("{manifest}{alias} = {{ {} }}\n", all.join(", "));
        }
        manifest
    };
    Scene::in_account(manifest, options).await
}

/// Returns the only target of the request's rule or schedule.
async fn target_of(scene: &Scene, id: &str) -> Value {
    let timers = scene.timers().await;
    let name = timers.iter().find(|name| name.contains(id)).unwrap_or_else(|| panic!("no timer of {id} among {timers:?}"));
    let aws = &scene.stack.aws;
    if let Some(mut schedule) = aws.get_schedule(GROUP, name).await {
        return schedule["Target"].take();
    }
    let mut targets = aws.list_targets_by_rule(name).await;
    assert_eq!(targets.len(), 1, "{targets:?}");
    targets.remove(0)
}

async fn each_kind(options: Options) {
    let is_scheduler = options.scheduler;
    let scene = scene(options).await;
    let aws = &scene.stack.aws;
    let mut ids = Vec::new();
    for Kind { alias, arn: (service, resource), role: has_role, by_rule, by_schedule, .. } in kinds() {
        if is_scheduler && alias == "hook" {
            let refused = scene.api.post("/requests/puppet", &json!({ "delay": "PT2H", "target": alias })).await;
            refused.expect_fault(422, "target-not-served");
            continue;
        }
        let (id, due) = scene.post(json!({ "target": alias }), "PT2H").await;
        let expected = if is_scheduler { by_schedule } else { by_rule };
        let expected: Value = serde_json::from_str(&expected.to_string().replace("<id>", &id)).unwrap();
        let target = target_of(&scene, &id).await;
        assert_eq!(target["Arn"], aws.arn(service, resource), "{alias}");
        let input: Value = serde_json::from_str(text(&target, "Input")).unwrap();
        assert_eq!(input, json!({ "target": alias, "delay": "PT2H", "note": PAYLOAD }), "the input is the body itself");
        assert_eq!(target["DeadLetterConfig"]["Arn"], aws.arn("sqs", "postdate-dead-letters"), "{alias}");
        assert_eq!(target["RetryPolicy"], json!({ "MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 185 }), "{alias}");
        // SchedulerRole may invoke and send to what the deployment lists, which the kinds without a role need.
        let of_the_scheduler = is_scheduler.then(|| format!("arn:aws:iam::{}:role/postdate-scheduler", aws.account));
        let allowed_to_the_scheduler = ["lambda", "sqs", "sns"].contains(&service);
        let role = if has_role { Some(role(aws)) } else { of_the_scheduler.filter(|_| allowed_to_the_scheduler) };
        assert_eq!(target["RoleArn"].as_str(), role.as_deref(), "{alias}");
        for name in ["SqsParameters", "EventBridgeParameters", "KinesisParameters", "EcsParameters", "HttpParameters"] {
            assert!(holds(&target[name], &expected[name]), "{alias}: {name}: {} and not {}", target[name], expected[name]);
        }
        let pending = scene.stack.driver.pending().await;
        let timer = pending.iter().find(|timer| timer.name.contains(&id)).unwrap();
        assert!(timer.at >= due && timer.at - due < TimeDelta::minutes(1), "{alias}: at {} for {due}", timer.at);
        ids.push(id);
    }
    let delivered = scene.settle().await;
    assert_eq!(delivered.len(), ids.len(), "each timer must deliver once");
    assert!(delivered.iter().all(|one| one.due.target != scene.stack.target_arn), "{delivered:?}");
    // EventBridge retries for an hour. Until then the janitor waits; afterwards it ends the request with an unknown outcome.
    let early = scene.sweep(TimeDelta::minutes(30)).await;
    assert_eq!((&early["settled"], &early["cleaned"]), (&json!(0), &json!(0)), "{early}");
    let report = scene.sweep(TimeDelta::minutes(60)).await;
    assert_eq!(report["settled"], ids.len(), "{report}");
    scene.assert_clean().await;
    for id in ids {
        let request = scene.api.request(&id).await;
        assert_eq!(request["status"], "succeeded", "{request}");
        assert_eq!(request["result"]["delivery"], "direct", "{request}");
        assert_eq!(request["result"]["outcome"], "delivered-to-bus", "{request}");
    }
}

/// Returns whether `found` has every member of `expected`. A missing value equals null.
fn holds(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| found.get(name).is_some_and(|found| holds(found, value)))
        }
        (found, expected) => found == expected,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_delivers_to_each_kind_of_direct_target() {
    each_kind(Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_delivers_to_each_kind_of_direct_target() {
    each_kind(Options { scheduler: true, ..Options::default() }).await;
}

/// Moves and cancels a direct request. No claim can stop a direct rule, so a cancel deletes the rule before it answers 200.
async fn cancelled(options: Options) {
    let (service, delete) = if options.scheduler { ("scheduler", "DeleteSchedule") } else { ("events", "DeleteRule") };
    let scene = scene(options).await;
    let (id, due) = scene.post(json!({ "target": "queue" }), "PT2H").await;
    let path = format!("/requests/{id}");
    let moved = scene.api.patch(&path, &json!({ "delay": "PT5H" })).await.expect(200);
    assert!(time(&moved["triggerAt"]) > due);
    assert_eq!(target_of(&scene, &id).await["Arn"], scene.stack.aws.arn("sqs", "orders"));
    assert!(scene.stack.driver.pending().await[0].at >= time(&moved["triggerAt"]));

    scene.stack.proxy.fail_always(service, delete, Fault::AccessDenied);
    scene.api.delete(&path).await.expect_fault(500, "scheduler-failed");
    assert_eq!(scene.api.request(&id).await["status"], "scheduled", "a request whose rule still exists is not cancelled");
    scene.stack.proxy.heal();
    assert_eq!(scene.api.delete(&path).await.expect(200)["status"], "cancelled");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_request_is_cancelled_only_after_its_rule_is_deleted() {
    cancelled(Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_request_is_cancelled_only_after_its_schedule_is_deleted() {
    cancelled(Options { scheduler: true, ..Options::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_letter_of_a_direct_target_is_delivered_or_stays_with_the_reason() {
    let scene = scene(Options::default()).await;
    let queue = scene.stack.aws.create_queue("orders").await;
    let body = json!({ "target": "queue", "text": "a\u{FFFE}b" });
    let (id, due) = scene.post(body, "PT2H").await;
    let (stream, _) = scene.post(json!({ "target": "stream" }), "PT2H").await;
    scene.stack.clock.set(due + TimeDelta::minutes(1));
    for event in scene.stack.driver.pending().await {
        scene.stack.driver.undeliverable(&event, "NO_PERMISSIONS").await;
    }
    let report = scene.sweep(TimeDelta::hours(2)).await;
    assert_eq!(report["settled"], 2, "{report}");
    assert_eq!(scene.api.request(&id).await["result"]["outcome"], "delivered-to-bus");

    let told = dead_letter(&scene, &["redrive", "--all"]).await;
    assert!(told.contains(&id) && !told.contains(&stream) && told.contains("1 sent, 1 left"), "{told}");
    scene.settle().await;
    let messages = scene.stack.aws.take_messages(&queue).await;
    assert_eq!(messages.len(), 1);
    assert!(messages[0].body.contains("a\\ufffeb"), "{}", messages[0].body);
    let request = scene.api.request(&id).await;
    assert_eq!((&request["status"], &request["result"]["messageId"]), (&json!("succeeded"), &messages[0].whole["MessageId"]), "{request}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_too_large_for_a_direct_rule_is_a_422_with_the_limit_and_stores_nothing() {
    let scene = scene(Options::default()).await;
    let large = json!({ "delay": "PT2H", "target": "queue", "filler": "x".repeat(9000) });
    let refused = scene.api.post("/requests/puppet", &large).await.expect_fault(422, "target-limit");
    let detail = text(&refused, "detail");
    assert!(detail.contains("8192") && !detail.contains("xxx"), "{detail}");
    assert_eq!((&refused["target"], &refused["limit"], &refused["unit"]), (&json!("queue"), &json!(8192), &json!("characters")));
    assert!(text(&refused, "source").contains("docs.aws.amazon.com"), "{refused}");
    let path = format!("/requests/{}", text(&refused, "correlationId"));
    scene.api.get(&path).await.expect_fault(404, "unknown-request");
    scene.assert_clean().await;
    // A target that is not direct has no such limit: the target function reads the body from the ledger.
    let (id, _) = scene.post(json!({ "filler": "x".repeat(9000) }), "PT2H").await;
    scene.settle().await;
    assert_eq!(scene.api.request(&id).await["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_the_deployment_does_not_list_is_refused_before_the_request_is_stored() {
    let list = [("POSTDATE_DELIVERY_TARGETS".to_owned(), "arn:aws:sqs:eu-central-1:*:orders".to_owned())];
    let scene = scene(Options { variables: list.into(), ..Options::default() }).await;
    scene.post(json!({ "target": "queue" }), "PT2H").await;
    for alias in ["fifo", "topic", "function"] {
        let refused = scene.api.post("/requests/puppet", &json!({ "delay": "PT2H", "target": alias })).await;
        let refused = refused.expect_fault(422, "target-not-served");
        assert!(text(&refused, "detail").contains("POSTDATE_DELIVERY_TARGETS"), "{refused}");
    }
    assert_eq!(scene.timers().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_case_with_a_notice_target_that_the_deployment_does_not_list_gets_no_requests() {
    let list = [("POSTDATE_DELIVERY_TARGETS".to_owned(), "arn:aws:sqs:eu-central-1:*:orders".to_owned())];
    let manifest = async |aws: &Aws| {
        let told = format!("told = {{ kind = 'sqs', arn = '{}' }}", aws.arn("sqs", "told"));
        format!("[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\n{told}\n[on]\nfailure = 'told'\n")
    };
    let scene = Scene::in_account(manifest, Options { variables: list.into(), ..Options::default() }).await;
    let refused = scene.api.post("/requests/puppet", &json!({ "delay": "PT2H" })).await.expect_fault(422, "target-not-served");
    let detail = text(&refused, "detail");
    assert!(detail.contains("[on]") && detail.contains("\"told\"") && detail.contains("POSTDATE_DELIVERY_TARGETS"), "{detail}");
    assert_eq!(refused.get("pointer"), None, "the body names another target: {refused}");
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_a_direct_target_is_refused_and_one_of_its_use_case_does_not_hold_it_up() {
    let scene = scene(Options::default()).await;
    let paused = scene.api.post("/use-cases/puppet/pause", &json!({ "target": "queue" })).await;
    let paused = paused.expect_fault(422, "target-not-pausable");
    assert_eq!(text(&paused, "pointer"), "/target");
    assert!(text(&paused, "detail").contains("\"queue\" is direct"), "{paused}");
    let listed = scene.api.get("/use-cases").await.expect(200);
    assert_eq!(listed["useCases"][0].get("paused"), None, "{listed}");
    scene.api.post("/use-cases/puppet/pause", &json!({})).await.expect(200);
    scene.post(json!({ "target": "queue" }), "PT2H").await;
    assert_eq!(scene.settle().await.len(), 1, "a rule delivers it");
}

/// The first call stored the request and died before its rule, or after it: only EventBridge knows.
async fn repeated_after_its_time(options: Options) {
    let scene = scene(options).await;
    let keyed = |key: &str| {
        let call = scene.api.call(reqwest::Method::POST, "/requests/puppet").header("idempotency-key", key);
        call.json(&json!({ "delay": "PT2H", "target": "queue" }))
    };
    let first = scene.api.send(keyed("k")).await;
    assert_eq!(first.status, 202, "{}", first.body);
    let delivered = scene.settle().await;
    assert_eq!(delivered.len(), 1, "{delivered:?}");
    let again = scene.api.send(keyed("k")).await;
    assert_eq!((again.status, &again.body["correlationId"]), (202, &first.body["correlationId"]), "{}", again.body);
    scene.stack.clock.advance(TimeDelta::minutes(5));
    assert!(scene.settle().await.is_empty(), "its event was sent, and is not sent again");

    // A request without its rule gets it by the repeat.
    let lost = scene.api.send(keyed("lost")).await;
    let id = text(&lost.body, "correlationId");
    for name in scene.timers().await.iter().filter(|name| name.contains(id)) {
        if !scene.stack.aws.delete_schedule(GROUP, name).await {
            scene.stack.aws.delete_rule(name).await;
        }
    }
    assert!(scene.settle().await.is_empty());
    scene.stack.clock.advance(TimeDelta::minutes(121));
    assert_eq!(scene.api.send(keyed("lost")).await.status, 202);
    assert_eq!(scene.settle().await.len(), 1);
    // The janitor ends both, and deletes what is left of rules and schedules.
    for _ in 0..2 {
        scene.sweep(TimeDelta::minutes(80)).await;
    }
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_its_time_makes_no_second_rule_of_a_direct_request() {
    repeated_after_its_time(Options::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_its_time_makes_no_second_schedule_of_a_direct_request() {
    repeated_after_its_time(Options { scheduler: true, ..Options::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_request_is_neither_moved_nor_cancelled_in_the_two_minutes_before_its_event() {
    let scene = scene(Options::default()).await;
    let (id, due) = scene.post(json!({ "target": "queue" }), "PT2H").await;
    scene.stack.clock.set(due - TimeDelta::seconds(119));
    let path = format!("/requests/{id}");
    let refused = scene.api.delete(&path).await.expect_fault(409, "handed-over");
    assert!(text(&refused, "detail").contains("EventBridge"), "{refused}");
    scene.api.patch(&path, &json!({ "delay": "PT5H" })).await.expect_fault(409, "handed-over");
    assert_eq!(scene.settle().await.len(), 1);
}
