//! `POST /requests/{use-case}`.

use super::{Client, ORDERS, Reply, request, with_header};
use crate::plugin::JobFailure;
use crate::testing::{FakeBundle, sample_id};

const SOON: &str = r#"{"delay":"PT60S"}"#;

fn post_with(client: &Client, name: &'static str, value: &str, body: &str) -> Reply {
    client.send(with_header(request("POST", "/requests/orders", body), name, value))
}

#[test]
fn location_begins_with_the_base_path() {
    let mut client = Client::of_orders();
    client.api.base_path = "/prod".to_owned();
    let reply = client.call("POST", "/requests/orders", SOON);
    assert_eq!(reply.header("location"), format!("/prod/requests/{}", sample_id(1)));
    assert_eq!(reply.body["links"]["self"], reply.header("location"));
}

#[test]
fn key_of_a_cancelled_request_is_a_conflict_also_after_a_failed_attempt() {
    let failure = JobFailure { message: "out of stock".to_owned(), retry: true, retry_after: None };
    let client = Client::new(FakeBundle::new("v1", ORDERS).on_process(move |_| Ok(Err(failure.clone()))));
    for attempts in [0, 1] {
        let key = if attempts == 0 { "never-run" } else { "failed-once" };
        let first = post_with(&client, "idempotency-key", key, SOON);
        if attempts == 1 {
            client.advance(60);
            client.fire(first.id());
        }
        assert_eq!(client.call("DELETE", first.header("location"), "").body["attempts"], attempts);
        let again = post_with(&client, "idempotency-key", key, SOON);
        assert_eq!(again.error(), "409 idempotency-key-cancelled");
        assert_eq!(again.body["first"], first.body["correlationId"]);
        assert_eq!(post_with(&client, "idempotency-key", key, r#"{"delay":"PT1S"}"#).error(), "409 idempotency-key-reused");
    }
    assert_eq!(client.api.ledger.ids().len(), 2);
}

#[test]
fn content_type_is_json() {
    let client = Client::of_orders();
    for good in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.shop+json", "application/cloudevents+json ;x=y"] {
        assert_eq!(post_with(&client, "content-type", good, SOON).status, 202, "{good}");
    }
    for bad in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "application/jsonp", ""]
    {
        assert_eq!(post_with(&client, "content-type", bad, SOON).error(), "415 unsupported-media-type", "{bad}");
    }
    let mut none = request("POST", "/requests/orders", SOON);
    none.headers_mut().remove("content-type");
    let none = client.send(none);
    assert_eq!(none.error(), "415 unsupported-media-type");
    assert!(none.body["detail"].as_str().unwrap().contains("application/json"), "{none:?}");
    let mut two = with_header(request("POST", "/requests/orders", SOON), "content-type", "application/json");
    two.headers_mut().append("content-type", "text/plain".parse().unwrap());
    assert_eq!(client.send(two).error(), "415 unsupported-media-type");
    let untyped = post_with(&client, "content-type", "text/plain", SOON);
    assert!(untyped.body["detail"].as_str().unwrap().contains("text/plain"), "{untyped:?}");
}

#[test]
fn every_call_with_a_body_needs_the_content_type() {
    let client = Client::of_orders();
    let one = format!("/requests/{}", client.accepted(SOON));
    let retry = format!("{one}/retry");
    for (method, path) in [("PATCH", &*one), ("DELETE", &one), ("POST", &retry), ("GET", "/requests")] {
        let typed = with_header(request(method, path, SOON), "content-type", "text/plain");
        assert_eq!(client.send(typed).error(), "415 unsupported-media-type", "{method} {path}");
    }
    let bare = with_header(request("DELETE", &one, ""), "content-type", "text/plain");
    assert_eq!(client.send(bare).status, 200, "a call without a body needs no content type");
}

#[test]
fn encoded_body_is_refused() {
    let client = Client::of_orders();
    for bad in ["gzip", "GZIP", "br", "identity, gzip", "x"] {
        let reply = post_with(&client, "content-encoding", bad, SOON);
        assert_eq!((reply.error().as_str(), reply.header("accept-encoding")), ("415 unsupported-content-encoding", "identity"), "{bad}");
    }
    assert_eq!(post_with(&client, "content-encoding", "identity", SOON).status, 202);
}

#[test]
fn ambiguous_json_is_refused_with_its_own_code() {
    let client = Client::of_orders();
    let one = format!("/requests/{}", client.accepted(SOON));
    for (method, path) in [("POST", "/requests/orders"), ("PATCH", &*one)] {
        for (body, error) in [
            (r#"{"delay":"PT1S","delay":"PT2S"}"#, "400 duplicate-key"),
            ("\u{feff}{\"delay\":\"PT1S\"}", "400 byte-order-mark"),
            (r#"{"delay":"PT1S","a":"\ud800"}"#, "400 malformed-json"),
            ("[]", "400 not-an-object"),
        ] {
            assert_eq!(client.call(method, path, body).error(), error, "{method} {body}");
        }
    }
    let reply = client.call("POST", "/requests/orders", r#"{"delay":"PT1S","item":{"sku":1,"sku":2}}"#);
    assert_eq!(reply.body["detail"], "the body has the key \"sku\" twice in one object at line 1 column 37");
}
