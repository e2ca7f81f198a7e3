//! Each kind of target that the target host delivers to: the delivery as it arrives, and the result in the request.

use chrono::{DurationRound as _, TimeDelta};
use postdate_tests::aws::Aws;
use postdate_tests::fault_proxy::Fault;
use postdate_tests::stack::Options;
use reqwest::Method;
use serde_json::{Value, json};

use super::flow::{set_places, started};
use super::scene::Scene;
use crate::harness::{Receiver, Reply, events, text};

/// Creates an event bus whose events all go to the queue `of-the-bus`. Returns the bus's ARN.
async fn bus(aws: &Aws) -> String {
    aws.create_queue("of-the-bus").await;
    aws.json("events", "CreateEventBus", &json!({ "Name": "orders" })).await;
    let pattern = json!({ "account": [aws.account] }).to_string();
    aws.json("events", "PutRule", &json!({ "Name": "all", "EventBusName": "orders", "EventPattern": pattern })).await;
    let reader = json!({ "Id": "reader", "Arn": aws.arn("sqs", "of-the-bus") });
    aws.json("events", "PutTargets", &json!({ "Rule": "all", "EventBusName": "orders", "Targets": [reader] })).await;
    aws.arn("events", "event-bus/orders")
}

async fn state_machine(aws: &Aws) -> String {
    let definition = json!({ "StartAt": "end", "States": { "end": { "Type": "Succeed" } } }).to_string();
    let role = format!("arn:aws:iam::{}:role/flow", aws.account);
    let machine = json!({ "name": "flow", "definition": definition, "roleArn": role });
    text(&aws.json("states", "CreateStateMachine", &machine).await, "stateMachineArn").to_owned()
}

/// Returns a body whose spaces, number format and member order show whether delivery changed a byte.
fn body(target: &str) -> String {
    format!("{{ \"z\": 1.0, \"delay\":\"PT1S\", \"target\": \"{target}\", \"a\": \"\\u00e4\u{1F4EC}\" }}")
}

/// Posts a request and lets it run. Returns its id and its result.
async fn run(scene: &Scene, target: &str) -> (String, Value) {
    let call = scene.api.call(Method::POST, "/requests/puppet").header("content-type", "application/json").body(body(target));
    let id = text(&scene.api.send(call).await.expect(202), "correlationId").to_owned();
    scene.settle().await;
    let mut request = scene.api.request(&id).await;
    assert_eq!(events(&request), ["accepted", "started", "succeeded"], "{target}: {request}");
    (id, request["result"].take())
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_topics_buses_and_state_machines_get_the_body() {
    let manifest = async |aws: &Aws| {
        for queue in ["orders", "orders.fifo", "grouped.fifo"] {
            aws.create_queue(queue).await;
        }
        let (topic, _) = aws.create_topic("orders").await;
        let (bus, machine) = (bus(aws).await, state_machine(aws).await);
        let queue = |name: &str| aws.arn("sqs", name);
        format!(
            "[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\n\
             queue = {{ kind = 'sqs', arn = '{}' }}\n\
             fifo = {{ kind = 'sqs', arn = '{}' }}\n\
             grouped = {{ kind = 'sqs', arn = '{}', group = 'all' }}\n\
             topic = {{ kind = 'sns', arn = '{topic}' }}\n\
             bus = {{ kind = 'event-bus', arn = '{bus}' }}\n\
             named = {{ kind = 'event-bus', arn = '{bus}', source = 'shop', detail-type = 'Order' }}\n\
             flow = {{ kind = 'step-functions', arn = '{machine}' }}\n",
            queue("orders"),
            queue("orders.fifo"),
            queue("grouped.fifo")
        )
    };
    let scene = Scene::in_account(manifest, Options::default()).await;
    let aws = &scene.stack.aws;
    let beside = |queue: &str| scene.stack.queue_url.replace("postdate-delay", queue);

    for (target, queue, group) in
        [("queue", "orders", None), ("fifo", "orders.fifo", Some("puppet")), ("grouped", "grouped.fifo", Some("all"))]
    {
        let (id, result) = run(&scene, target).await;
        let messages = aws.take_messages(&beside(queue)).await;
        assert_eq!((messages.len(), messages[0].body.as_str()), (1, body(target).as_str()));
        assert_eq!(messages[0].attribute("correlation-id"), id);
        assert_eq!(messages[0].whole["MessageId"], result["messageId"], "{target}");
        let attributes = &messages[0].whole["Attributes"];
        assert_eq!(attributes["MessageGroupId"].as_str(), group, "{target}: {attributes}");
        assert_eq!(attributes["MessageDeduplicationId"].as_str(), group.map(|_| id.as_str()), "{target}: {attributes}");
    }

    let (id, result) = run(&scene, "topic").await;
    let notices = aws.take_messages(&beside("orders-readers")).await;
    assert_eq!((notices.len(), notices[0].body.as_str()), (1, body("topic").as_str()));
    assert_eq!(notices[0].attribute("correlation-id"), id);
    assert!(result["messageId"].is_string(), "{result}");

    for (target, source, kind) in [("bus", "postdate", "puppet"), ("named", "shop", "Order")] {
        let (_, result) = run(&scene, target).await;
        let messages = aws.take_messages(&beside("of-the-bus")).await;
        assert_eq!(messages.len(), 1);
        let event = messages[0].json();
        assert_eq!((&event["source"], &event["detail-type"]), (&json!(source), &json!(kind)));
        assert_eq!(event["detail"], serde_json::from_str::<Value>(&body(target)).unwrap());
        assert_eq!(event["id"], result["eventId"], "{target}");
    }

    let (id, result) = run(&scene, "flow").await;
    let execution = aws.json("states", "DescribeExecution", &json!({ "executionArn": result["executionArn"] })).await;
    assert_eq!((&execution["name"], &execution["input"]), (&json!(id), &json!(body("flow"))), "the execution is named after the request");

    // A request names an alias of the manifest. An ARN is refused, because the operator decides about destinations.
    let arn = aws.arn("sqs", "orders");
    let refused = scene.api.post("/requests/puppet", &json!({ "delay": "PT1S", "target": arn })).await;
    let refused = refused.expect_fault(422, "unknown-target");
    assert_eq!(refused["pointer"], "/target");
    assert!(refused["targets"].as_array().unwrap().contains(&json!("queue")), "{refused}");
    assert!(scene.settle().await.is_empty() && aws.take_messages(&beside("orders")).await.is_empty());
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_a_target_hold_for_every_kind() {
    let functions = Receiver::accepting().await;
    let manifest = async |aws: &Aws| {
        aws.create_queue("orders").await;
        let (topic, _) = aws.create_topic("orders").await;
        let (bus, machine) = (bus(aws).await, state_machine(aws).await);
        let kinds = [
            ("sqs", aws.arn("sqs", "orders")),
            ("sns", topic),
            ("event-bus", bus),
            ("step-functions", machine),
            ("lambda", aws.arn("lambda", "function:orders")),
        ];
        let targets = kinds.map(|(kind, arn)| format!("{kind} = {{ kind = '{kind}', arn = '{arn}', concurrency = 1, rate = '2/m' }}\n"));
        format!("[targets]\ndefault = 'sqs'\n{}", targets.concat())
    };
    let variables = vec![("AWS_ENDPOINT_URL_LAMBDA".to_owned(), functions.url(""))];
    let scene = Scene::in_account(manifest, Options { variables, ..Options::default() }).await;
    let clock = &scene.stack.clock;
    for target in ["sqs", "sns", "event-bus", "step-functions", "lambda"] {
        let minute = clock.now().duration_trunc(TimeDelta::minutes(1)).unwrap();
        clock.set(minute + TimeDelta::seconds(65));
        set_places(&scene, target, &["of another function"], minute + TimeDelta::hours(1)).await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(scene.post(json!({ "target": target }), "PT20S").await.0);
        }
        clock.advance(TimeDelta::seconds(20));
        scene.stack.driver.run_due(&[&scene.target]).await;
        for id in &ids {
            let request = scene.api.request(id).await;
            assert_eq!(text(&request, "waitsFor"), format!("a place at target {target} (1 of 1)"), "{request}");
        }
        set_places(&scene, target, &[], minute).await;
        scene.settle().await;
        let mut starts = Vec::new();
        for id in &ids {
            let request = scene.api.request(id).await;
            assert_eq!((text(&request, "status"), &request["attempts"]), ("succeeded", &json!(1)), "{target}: {request}");
            starts.push(started(&request).duration_trunc(TimeDelta::minutes(1)).unwrap());
        }
        starts.sort();
        assert!(starts[0] < starts[2], "{target}: three in one minute, {starts:?}");
    }
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_with_characters_that_sqs_refuses_is_delivered_with_both_escaped() {
    let manifest = async |aws: &Aws| {
        aws.create_queue("orders").await;
        format!("[targets]\ndefault = 'queue'\nqueue = {{ kind = 'sqs', arn = '{}' }}\n", aws.arn("sqs", "orders"))
    };
    let scene = Scene::in_account(manifest, Options::default()).await;
    let queue = scene.stack.queue_url.replace("postdate-delay", "orders");
    let sent = "a\u{FFFE}b\u{FFFF}";
    // By the delay queue, and by a rule.
    for delay in ["PT1S", "PT2H"] {
        let (id, _) = scene.post(json!({ "text": sent }), delay).await;
        scene.settle().await;
        assert_eq!(events(&scene.api.request(&id).await), ["accepted", "started", "succeeded"], "{delay}");
        let messages = scene.stack.aws.take_messages(&queue).await;
        assert_eq!((messages.len(), &messages[0].json()["text"]), (1, &json!(sent)), "{delay}");
        assert!(messages[0].body.contains("\\ufffe") && messages[0].body.contains("\\uffff"), "{}", messages[0].body);
    }
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lambda_target_gets_the_body_and_its_answer_is_the_result() {
    let functions = Receiver::start(|call, count| match count {
        0 => Reply::ok(r#"{ "order": 7 }"#),
        1 => Reply::ok(r#"{"errorType":"OutOfStock","errorMessage":"payload"}"#).header("x-amz-function-error", "Unhandled"),
        _ if call.path == "/hook" => Reply::ok("taken"),
        _ => Reply::ok("null"),
    })
    .await;
    let hook = functions.url("/hook");
    let manifest = async |aws: &Aws| {
        format!(
            "[targets]\ndefault = 'function'\nfunction = {{ kind = 'lambda', arn = '{}' }}\nhook = {{ kind = 'http', url = '{hook}' }}\n",
            aws.arn("lambda", "function:orders:live")
        )
    };
    let variables = vec![("AWS_ENDPOINT_URL_LAMBDA".to_owned(), functions.url(""))];
    let scene = Scene::in_account(manifest, Options { variables, ..Options::default() }).await;

    let (_, result) = run(&scene, "function").await;
    assert_eq!(result, json!({ "order": 7 }));
    let calls = functions.deliveries();
    assert_eq!((calls.len(), calls[0].body.as_str()), (1, body("function").as_str()));
    let arn = scene.stack.aws.arn("lambda", "function:orders:live");
    assert_eq!(calls[0].path.replace("%3A", ":"), format!("/2015-03-31/functions/{arn}/invocations"));

    // An error of the function is retried. Its message may quote the body, so the history keeps the error type only.
    let id = scene.api.submit("puppet", json!({ "delay": "PT1S" })).await;
    scene.settle().await;
    let request = scene.api.request(&id).await;
    assert_eq!(events(&request), ["accepted", "started", "attempt-failed", "started", "succeeded"], "{request}");
    let detail = text(&request["history"][2], "detail");
    assert!(detail.contains("OutOfStock") && !detail.contains("payload"), "{detail}");

    let (id, result) = run(&scene, "hook").await;
    assert_eq!(result, "taken");
    let last = functions.deliveries().pop().unwrap();
    assert_eq!((last.path.as_str(), last.header("x-correlation-id"), last.header("idempotency-key")), ("/hook", &*id, &*id));
    scene.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_errors_of_a_service_are_retried_and_permanent_ones_fail_at_once() {
    let manifest = async |aws: &Aws| {
        let bus = bus(aws).await;
        let gone = aws.arn("sqs", "gone");
        format!("[targets]\ndefault = 'bus'\nbus = {{ kind = 'event-bus', arn = '{bus}' }}\ngone = {{ kind = 'sqs', arn = '{gone}' }}\n")
    };
    let scene = Scene::in_account(manifest, Options::default()).await;
    // The call answers 200, and its only entry failed.
    scene.stack.proxy.fail_once("events", "PutEvents", Fault::PartFailed);
    let (id, _) = scene.post(json!({}), "PT1S").await;
    scene.settle().await;
    let request = scene.api.request(&id).await;
    assert_eq!(events(&request), ["accepted", "started", "attempt-failed", "started", "succeeded"], "{request}");
    scene.stack.proxy.fail_always("events", "PutEvents", Fault::AccessDenied);
    let (id, _) = scene.post(json!({}), "PT1S").await;
    scene.settle().await;
    let request = scene.api.request(&id).await;
    assert_eq!(events(&request), ["accepted", "started", "failed"], "{request}");
    assert!(text(&request, "failure").contains("AccessDeniedException"), "{request}");
    let (id, _) = scene.post(json!({ "target": "gone" }), "PT1S").await;
    scene.settle().await;
    let request = scene.api.request(&id).await;
    assert_eq!(events(&request), ["accepted", "started", "failed"], "a missing queue is a permanent failure: {request}");
    scene.assert_clean().await;
}
