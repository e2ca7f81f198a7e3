//! `POST /requests/{use-case}`.

use insta::assert_json_snapshot;

use super::{Client, ORDERS, Reply, request, with_header};
use crate::api::MAX_BODY_BYTES;
use crate::plugin::{JobFailure, Problem};
use crate::ports::Requests as _;
use crate::testing::{FakeBundle, block_on, sample_id};

const SOON: &str = r#"{"delay":"PT60S"}"#;

fn post_with(client: &Client, name: &'static str, value: &str, body: &str) -> Reply {
    client.send(with_header(request("POST", "/requests/orders", body), name, value))
}

#[test]
fn an_accepted_request_is_acknowledged() {
    let client = Client::of_orders();
    let reply = client.call("POST", "/requests/orders", r#"{"triggerAt":"2027-01-02T01:00:00+01:00","target":"hook"}"#);
    assert_eq!((reply.status, reply.id()), (202, sample_id(1)));
    assert_eq!(reply.header("location"), format!("/requests/{}", sample_id(1)));
    assert_eq!(reply.body["links"]["self"], reply.header("location"));
    assert_json_snapshot!(reply.body, { ".correlationId" => "[id]", ".links.self" => "[path]" }, @r#"
    {
      "correlationId": "[id]",
      "status": "scheduled",
      "useCase": "orders",
      "target": "hook",
      "triggerAt": "2027-01-02T00:00:00.000Z",
      "links": {
        "self": "[path]"
      }
    }
    "#);
}

#[test]
fn a_request_keeps_a_valid_traceparent_of_its_call() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let stored = |traceparent| {
        let client = Client::of_orders();
        let id = post_with(&client, "traceparent", traceparent, SOON).id();
        let (request, _) = block_on(client.api.ledger.find(id)).unwrap().unwrap();
        assert_eq!(request.clone().listed().trace, None);
        request.trace.map(|trace| trace.to_string())
    };
    assert_eq!(stored(PARENT).as_deref(), Some(PARENT));
    assert_eq!(stored("00-0af7"), None);
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
fn a_replay_is_the_first_answer_even_after_a_move_and_an_end() {
    let client = Client::of_orders();
    let first = post_with(&client, "idempotency-key", "k", SOON);
    let again = post_with(&client, "idempotency-key", "k", SOON);
    assert_eq!((again.status, &again.body, &again.headers), (202, &first.body, &first.headers));

    let path = first.header("location").to_owned();
    assert_eq!(client.call("PATCH", &path, r#"{"delay":"PT30S"}"#).status, 200);
    assert_eq!(post_with(&client, "idempotency-key", "k", SOON).body, first.body);
    client.advance(3600);
    client.fire(first.id());
    assert_eq!(client.get(&path).body["status"], "succeeded");
    let last = post_with(&client, "idempotency-key", "k", SOON);
    assert_eq!((last.status, &last.body, &last.headers), (202, &first.body, &first.headers));
    assert_eq!(client.api.ledger.ids(), [sample_id(1)]);
}

#[test]
fn reuse_of_a_key_with_another_body_is_a_conflict() {
    let client = Client::of_orders();
    let first = post_with(&client, "idempotency-key", "k", SOON);
    let other = post_with(&client, "idempotency-key", "k", r#"{"delay":"PT61S"}"#);
    assert_eq!((other.error().as_str(), other.id()), ("409 idempotency-key-reused", sample_id(2)));
    assert_eq!(other.body["first"], first.body["correlationId"]);
}

#[test]
fn key_of_a_cancelled_request_is_a_conflict_also_after_a_failed_attempt() {
    let failure = JobFailure::retry("out of stock");
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
fn idempotency_key_is_up_to_255_visible_characters() {
    let client = Client::of_orders();
    let long = "k".repeat(255);
    for good in ["k", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", &long] {
        assert_eq!(post_with(&client, "idempotency-key", good, SOON).status, 202, "{good}");
    }
    for bad in ["", &"k".repeat(256), "ключ"] {
        assert_eq!(post_with(&client, "idempotency-key", bad, SOON).error(), "400 idempotency-key-malformed", "{bad}");
    }
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

#[test]
fn body_above_the_limit_is_refused() {
    let client = Client::of_orders();
    let of_size = |bytes: usize| {
        let frame = r#"{"delay":"PT60S","x":""}"#.len();
        format!(r#"{{"delay":"PT60S","x":"{}"}}"#, "x".repeat(bytes - frame))
    };
    assert_eq!(client.call("POST", "/requests/orders", &of_size(MAX_BODY_BYTES)).status, 202);
    assert_eq!(client.call("POST", "/requests/orders", &of_size(MAX_BODY_BYTES + 1)).error(), "413 payload-too-large");
    let path = format!("/requests/{}", sample_id(1));
    assert_eq!(client.call("PATCH", &path, &of_size(MAX_BODY_BYTES + 1)).error(), "413 payload-too-large");
}

#[test]
fn rejection_shows_the_problems_of_the_validator() {
    let problem = Problem { pointer: "/sku".to_owned(), code: "required".to_owned(), message: "which article?".to_owned() };
    let client = Client::new(FakeBundle::new("v1", ORDERS).on_validate(move |_| Ok(Err(vec![problem.clone()]))));
    let reply = client.call("POST", "/requests/orders", SOON);
    assert_json_snapshot!(reply.body, { ".correlationId" => "[id]" }, @r#"
    {
      "title": "Unprocessable Entity",
      "status": 422,
      "code": "rejected",
      "detail": "the request was rejected by the validator of the use case",
      "correlationId": "[id]",
      "problems": [
        {
          "pointer": "/sku",
          "code": "required",
          "message": "which article?"
        }
      ]
    }
    "#);
}

#[test]
fn error_of_an_unknown_target_lists_the_known_ones() {
    let reply = Client::of_orders().call("POST", "/requests/orders", r#"{"delay":"PT1S","target":"heaven"}"#);
    assert_json_snapshot!(reply.body, { ".correlationId" => "[id]" }, @r#"
    {
      "title": "Unprocessable Entity",
      "status": 422,
      "code": "unknown-target",
      "detail": "\"heaven\" is not a target of this use case: choose from here, hook",
      "correlationId": "[id]",
      "pointer": "/target",
      "targets": [
        "here",
        "hook"
      ]
    }
    "#);
}
