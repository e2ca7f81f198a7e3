//! Targets: delivery by the kind `http`, and the choice of the target by client and validator.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::harness::{PUPPET, Receiver, Reply, Server, events, text};

fn hook(receiver: &Receiver) -> String {
    format!("[targets]\ndefault = 'hook'\nhook = {{ kind = 'http', url = '{}', timeout = '500ms' }}\n", receiver.url("/in?from=postdate"))
}

#[tokio::test]
async fn an_http_target_gets_the_body_unchanged_with_the_delivery_headers() {
    let receiver = Receiver::start(|_, _| Reply::status(201)).await;
    let server = Server::builder().use_case("hook", &hook(&receiver)).test_clock().start().await;
    // Delivery must keep the spaces, the escape and the order of the members.
    let body = "{ \"z\": 1.0,  \"delay\":\"PT1S\",\n \"a\": \"\\u00e4\u{1F4EC}\" }";
    let call = server.api.call(Method::POST, "/requests/hook").header("content-type", "application/json").body(body);
    let id = text(&server.api.send(call).await.expect(202), "correlationId").to_owned();
    server.api.advance("PT1S").await;

    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.len(), 1);
    assert_eq!((deliveries[0].method.as_str(), deliveries[0].path.as_str()), ("POST", "/in?from=postdate"));
    assert_eq!(deliveries[0].body, body);
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-correlation-id", &*id),
        ("x-postdate-use-case", "hook"),
        ("x-postdate-attempt", "1"),
        ("idempotency-key", &*id),
    ] {
        assert_eq!(deliveries[0].header(name), value, "{name}");
    }
    let done = server.api.request(&id).await;
    assert_eq!((text(&done, "status"), &done["result"]), ("succeeded", &json!(null)), "an empty response body gives no result");
}

#[tokio::test]
async fn the_status_of_an_http_target_decides_between_retry_and_failure() {
    let receiver = Receiver::start(|delivery, _| match delivery.header("x-postdate-attempt") {
        "1" => {
            let status = delivery.json()["status"].as_u64().unwrap();
            Reply::status(u16::try_from(status).unwrap()).header("location", "/elsewhere")
        }
        _ => Reply::ok("second time"),
    })
    .await;
    let server = Server::builder().use_case("hook", &hook(&receiver)).test_clock().start().await;
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        let id = server.api.submit("hook", json!({ "delay": "PT1S", "status": status })).await;
        server.api.advance("PT1H").await;
        let done = server.api.request(&id).await;
        assert_eq!(events(&done), ["accepted", "started", "attempt-failed", "started", "succeeded"], "{status}: {done}");
        assert!(text(&done["history"][2], "detail").contains(&status.to_string()), "{done}");
    }
    for status in [301, 302, 307, 400, 401, 404, 410, 422] {
        let id = server.api.submit("hook", json!({ "delay": "PT1S", "status": status })).await;
        server.api.advance("PT1H").await;
        let done = server.api.request(&id).await;
        assert_eq!(events(&done), ["accepted", "started", "failed"], "{status}: {done}");
        assert!(text(&done, "failure").contains(&status.to_string()), "{done}");
    }
    assert!(receiver.deliveries().iter().all(|delivery| delivery.path == "/in?from=postdate"), "no redirect was followed");
}

#[tokio::test]
async fn an_http_target_that_times_out_or_refuses_the_connection_is_retried() {
    let receiver =
        Receiver::start(|_, before| if before == 0 { Reply::ok("late").after(Duration::from_secs(20)) } else { Reply::ok("ok") }).await;
    let server = Server::builder().use_case("hook", &hook(&receiver)).test_clock().start().await;
    let id = server.api.submit("hook", json!({ "delay": "PT1S" })).await;
    server.api.advance("PT1H").await;
    let done = server.api.request(&id).await;
    assert_eq!(events(&done), ["accepted", "started", "attempt-failed", "started", "succeeded"], "{done}");
    assert!(text(&done["history"][2], "detail").contains("did not answer in time"), "{done}");

    drop(receiver);
    let id = server.api.submit("hook", json!({ "delay": "PT1S" })).await;
    server.api.advance("PT1S").await;
    let waiting = server.api.request(&id).await;
    assert_eq!(text(&waiting, "status"), "scheduled", "{waiting}");
    assert!(text(&waiting, "failure").contains("could not be reached"), "{waiting}");
}

#[tokio::test]
async fn the_clients_target_is_used_unless_the_validator_chooses_another() {
    let receiver = Receiver::accepting().await;
    let targets = format!(
        "{PUPPET}[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\none = {{ kind = 'http', url = '{}' }}\ntwo = {{ kind = 'http', url = '{}' }}\n",
        receiver.url("/one"),
        receiver.url("/two"),
    );
    let server = Server::builder().use_case("puppet", &targets).test_clock().start().await;
    let by_default = server.api.run("puppet", json!({})).await;
    assert_eq!((text(&by_default, "target"), receiver.count()), ("here", 0));
    let by_client = server.api.run("puppet", json!({ "target": "one" })).await;
    assert_eq!((text(&by_client, "target"), receiver.deliveries()[0].path.as_str()), ("one", "/one"));
    let choose = json!({ "do": "target", "value": "two" });
    let by_validator = server.api.run("puppet", json!({ "target": "one", "validate": choose })).await;
    assert_eq!((text(&by_validator, "target"), receiver.deliveries()[1].path.as_str()), ("two", "/two"));
    assert_eq!(receiver.count(), 2);
}
