//! Retention: ended requests leave the ledger after a time, by the test clock, with their history and their keys.

use reqwest::Method;
use serde_json::json;

use crate::harness::{PUPPET, Server, eventually, text};

#[tokio::test]
async fn an_ended_request_is_gone_after_the_retention_and_its_key_is_free() {
    let server = Server::builder().use_case("puppet", PUPPET).test_clock().arguments(&["--retention", "2d"]).start().await;
    let post = async |body: &str| {
        let call = server.api.call(Method::POST, "/requests/puppet").header("content-type", "application/json");
        server.api.send(call.header("idempotency-key", "k").body(body.to_owned())).await
    };
    let first = post(r#"{"delay":"PT1H"}"#).await.expect(202);
    let id = text(&first, "correlationId");
    let later = server.api.submit("puppet", json!({ "delay": "P30D" })).await;
    server.api.advance("P2D").await;
    assert_eq!(text(&server.api.request(id).await, "status"), "succeeded", "it ended less than two days ago");
    post(r#"{"delay":"PT2H"}"#).await.expect_fault(409, "idempotency-key-reused");

    server.api.advance("PT2H").await;
    let path = format!("/requests/{id}");
    eventually("the deletion", async || (server.api.get(&path).await.status == 404).then_some(())).await;
    let second = post(r#"{"delay":"PT2H"}"#).await.expect(202);
    assert_ne!(text(&second, "correlationId"), id);
    server.api.advance("P27D").await;
    assert_eq!(text(&server.api.request(&later).await, "status"), "scheduled");
}
