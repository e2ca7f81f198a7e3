//! The sample use cases `webhook` and `orders`, unchanged except for the receiver's port.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac as _};
use reqwest::Method;
use serde_json::json;
use sha2::Sha256;

use crate::harness::{Delivery, PAYLOAD, Receiver, Reply, SECRET, Server, events, text};

async fn webhook(receiver: &Receiver) -> Server {
    Server::builder().sample("webhook", receiver.port).variable("SECRET_WEBHOOK", &format!("whsec_{SECRET}")).test_clock().start().await
}

/// Verifies a delivery as its receiver would, after <https://www.standardwebhooks.com>.
#[track_caller]
fn assert_signed(delivery: &Delivery) {
    let (id, timestamp) = (delivery.header("webhook-id"), delivery.header("webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(SECRET).unwrap()).unwrap();
    mac.update(format!("{id}.{timestamp}.{}", delivery.body).as_bytes());
    let signature = delivery.header("webhook-signature").strip_prefix("v1,").expect("a signature of version 1");
    mac.verify_slice(&BASE64_STANDARD.decode(signature).unwrap()).expect("the signature holds");
    let age = delivery.at.timestamp() - timestamp.parse::<i64>().expect("seconds since 1970");
    assert!((0..300).contains(&age), "signed {age} s ago");
}

#[tokio::test]
async fn the_webhook_sample_sends_a_signed_request_at_its_time() {
    let receiver = Receiver::start(|_, _| Reply::ok(r#"{"taken":true}"#)).await;
    let server = webhook(&receiver).await;
    let data = json!({ "invoice": 17, "customer": PAYLOAD });
    let done = server.api.run("webhook", json!({ "event": "invoice.due", "data": data })).await;
    assert_eq!((text(&done, "status"), &done["result"]), ("succeeded", &json!({ "taken": true })), "{done}");

    let delivery = &receiver.deliveries()[0];
    assert_eq!((delivery.method.as_str(), delivery.path.as_str()), ("POST", "/hooks/invoice.due"));
    assert_eq!(delivery.json(), json!({ "event": "invoice.due", "data": data }));
    let id = text(&done, "correlationId");
    for (name, value) in [("content-type", "application/json"), ("x-correlation-id", id), ("webhook-id", id), ("x-postdate-attempt", "1")] {
        assert_eq!(delivery.header(name), value, "{name}");
    }
    assert_signed(delivery);
}

#[tokio::test]
async fn the_webhook_sample_passes_numbers_through_and_takes_a_2xx_whose_body_breaks_off() {
    let receiver = Receiver::start(|_, _| Reply::ok("ok").header("content-length", "100").broken_off()).await;
    let server = webhook(&receiver).await;
    let data = r#"{"n":18446744073709551616, "many":117.633311394000171234,"long":123456789012345678901234567890123456789012345,"p":1.10}"#;
    let body = format!("{{\"delay\":\"PT1S\",\"event\":\"invoice.due\",\"data\":{data}}}");
    let call = server.api.call(Method::POST, "/requests/webhook").header("content-type", "application/json").body(body);
    let id = text(&server.api.send(call).await.expect(202), "correlationId").to_owned();
    server.api.advance("P1D").await;
    let done = server.api.request(&id).await;
    assert_eq!((events(&done), receiver.count()), (vec!["accepted", "started", "succeeded"], 1), "{done}");
    assert_eq!(text(&done, "result"), "ok... [the answer broke off]");
    assert_eq!(receiver.deliveries()[0].body, format!("{{\"event\": \"invoice.due\", \"data\": {data}}}"));
}

#[tokio::test]
async fn the_webhook_sample_retries_after_the_back_off_or_the_receivers_retry_after() {
    let receiver = Receiver::start(|_, before| match before {
        0 => Reply::status(500),
        1 => Reply::status(429).header("retry-after", "600"),
        _ => Reply::ok("taken"),
    })
    .await;
    let server = webhook(&receiver).await;
    let id = server.api.submit("webhook", json!({ "delay": "PT1S", "event": "invoice.due", "data": { "customer": PAYLOAD } })).await;
    server.api.advance("PT10M").await;
    let waiting = server.api.request(&id).await;
    // 1 s to the first attempt, 2 s of back-off, and 600 s of Retry-After. Both waits are up to a fifth longer.
    let next = text(&waiting, "nextAttemptAt");
    assert!(("2027-01-01T00:10:03.000Z"..="2027-01-01T00:12:03.400Z").contains(&next), "{waiting}");
    assert_eq!(waiting["attempts"], 2, "{waiting}");
    server.api.advance("PT10M").await;
    let done = server.api.request(&id).await;
    assert_eq!((text(&done, "status"), text(&done, "result")), ("succeeded", "taken"), "{done}");

    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.iter().map(|delivery| delivery.header("x-postdate-attempt")).collect::<Vec<_>>(), ["1", "2", "3"]);
    for delivery in &deliveries {
        assert_signed(delivery);
        assert_eq!(delivery.header("webhook-id"), id, "the webhook id is the same at every attempt");
    }
}

#[tokio::test]
async fn the_webhook_sample_fails_at_once_on_a_permanent_error() {
    let receiver = Receiver::start(|_, _| Reply::status(404)).await;
    let server = webhook(&receiver).await;
    let done = server.api.run("webhook", json!({ "event": "invoice.due", "data": { "customer": PAYLOAD } })).await;
    assert_eq!(events(&done), ["accepted", "started", "failed"]);
    assert!(text(&done, "failure").contains("404"), "{done}");
}

#[tokio::test]
async fn the_webhook_sample_names_the_missing_grant() {
    let receiver = Receiver::accepting().await;
    let builder = Server::builder().sample("webhook", receiver.port).variable("SECRET_WEBHOOK", SECRET).test_clock();
    let path = builder.use_cases.bundle("webhook").join("use-case.toml");
    let manifest = std::fs::read_to_string(path).unwrap();
    let line = format!("allow-http = [\"http://127.0.0.1:{}\"]", receiver.port);
    assert!(manifest.contains(&line), "{manifest}");
    builder.use_cases.write_file("webhook", "use-case.toml", manifest.replace(&line, "allow-http = []"));
    let server = builder.start().await;
    let done = server.api.run("webhook", json!({ "event": "invoice.due", "data": { "customer": PAYLOAD } })).await;
    assert_eq!((events(&done), receiver.count()), (vec!["accepted", "started", "failed"], 0));
    assert!(text(&done, "failure").contains(&line), "{done}");
}

#[tokio::test]
async fn the_webhook_sample_checks_bodies_against_its_schema() {
    let receiver = Receiver::accepting().await;
    let server = webhook(&receiver).await;
    let fault = server.api.post("/requests/webhook", &json!({ "delay": "PT1S", "data": 5 })).await.expect_fault(422, "rejected");
    let problems = fault["problems"].as_array().unwrap();
    let has = |pointer: &str, code: &str| problems.iter().any(|problem| problem["pointer"] == pointer && problem["code"] == code);
    assert!(has("/event", "required") && has("/data", "type"), "{fault}");
}

#[tokio::test]
async fn the_webhook_samples_direct_target_gets_the_body_unchanged() {
    let receiver = Receiver::accepting().await;
    let server = webhook(&receiver).await;
    let done = server.api.run("webhook", json!({ "event": "invoice.due", "data": { "customer": PAYLOAD }, "target": "direct" })).await;
    assert_eq!(text(&done, "result"), "done");
    let delivery = &receiver.deliveries()[0];
    assert_eq!((delivery.path.as_str(), &delivery.json()["delay"]), ("/direct", &json!("PT1S")));
}

#[tokio::test]
async fn the_orders_sample_takes_an_order_and_returns_a_receipt() {
    let server = Server::builder().sample("orders", 9000).test_clock().start().await;
    let done = server.api.run("orders", json!({ "item": "book", "quantity": 2, "customer": "ada" })).await;
    assert_eq!((text(&done, "status"), text(&done, "target")), ("succeeded", "here"), "{done}");
    assert_eq!((&done["result"]["total"], &done["result"]["currency"]), (&json!(2500), &json!("EUR")));
    assert!(text(&done["result"], "receipt").starts_with("R-"), "{done}");

    let big = server.api.run("orders", json!({ "item": "pen", "quantity": 51 })).await;
    assert_eq!((text(&big, "status"), text(&big, "target")), ("succeeded", "heavy"), "{big}");

    let wrong = json!({ "delay": "PT1S", "item": "tank", "quantity": 0 });
    let fault = server.api.post("/requests/orders", &wrong).await.expect_fault(422, "rejected");
    let problems: Vec<(&str, &str)> =
        fault["problems"].as_array().unwrap().iter().map(|problem| (text(problem, "pointer"), text(problem, "code"))).collect();
    assert_eq!(problems, [("/item", "unknown-item"), ("/quantity", "minimum")]);
}
