//! Reading: one request, lists, use cases, health.

use insta::assert_json_snapshot;
use serde_json::json;

use super::{Client, ORDERS};
use crate::id::CorrelationId;
use crate::plugin::{JobFailure, JobResult};
use crate::testing::FakeBundle;

/// Returns a client of a use case whose processor gives this answer.
fn answering(manifest: &str, answer: JobResult) -> Client {
    Client::new(FakeBundle::new("v1", manifest).on_process(move |_| Ok(answer.clone())))
}

#[test]
fn request_is_shown_with_its_history() {
    let client = answering(ORDERS, Ok(Some(r#"{"charged":7}"#.to_owned())));
    let id = client.accepted(r#"{"delay":"PT60S","secret":"never shown"}"#);
    client.advance(60);
    client.fire(id);
    let reply = client.get(&format!("/requests/{id}"));
    assert_eq!((reply.status, reply.id()), (200, id));
    assert_json_snapshot!(reply.body, { ".correlationId" => "[id]", ".links.self" => "[path]" }, @r#"
    {
      "correlationId": "[id]",
      "useCase": "orders",
      "status": "succeeded",
      "target": "here",
      "triggerAt": "2027-01-01T00:01:00.000Z",
      "attempts": 1,
      "finishedAt": "2027-01-01T00:01:00.000Z",
      "result": {
        "charged": 7
      },
      "receivedAt": "2027-01-01T00:00:00.000Z",
      "version": "v1",
      "history": [
        {
          "at": "2027-01-01T00:00:00.000Z",
          "event": "accepted",
          "status": "scheduled",
          "attempt": 0
        },
        {
          "at": "2027-01-01T00:01:00.000Z",
          "event": "started",
          "status": "running",
          "attempt": 1
        },
        {
          "at": "2027-01-01T00:01:00.000Z",
          "event": "succeeded",
          "status": "succeeded",
          "attempt": 1
        }
      ],
      "links": {
        "self": "[path]"
      }
    }
    "#);
}

#[test]
fn result_is_shown_as_json_only_if_it_is_an_object_or_array() {
    for (text, shown) in [
        (r#"{"n":1}"#, json!({ "n": 1 })),
        ("[1]", json!([1])),
        ("12", json!("12")),
        ("null", json!("null")),
        ("done", json!("done")),
        ("{", json!("{")),
        ("", json!("")),
    ] {
        let client = answering(ORDERS, Ok(Some(text.to_owned())));
        let id = client.accepted(r#"{"delay":"PT0S"}"#);
        client.fire(id);
        assert_eq!(client.get(&format!("/requests/{id}")).body["result"], shown, "{text}");
    }
}

/// A result that a parser into doubles and maps would rewrite.
const EXACT: &str = r#"{"price":117.63331139400017,"id":18446744073709551616, "long":123456789012345678901234567890,"twice":1,"twice":2}"#;

#[test]
fn a_result_that_strict_parsers_refuse_is_shown_as_a_string() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for text in [r#"{"n":1e999}"#, r#"["\ud800"]"#, &deep] {
        let client = answering(ORDERS, Ok(Some(text.to_owned())));
        let id = client.accepted(r#"{"delay":"PT0S"}"#);
        client.fire(id);
        assert_eq!(client.get(&format!("/requests/{id}")).body["result"], text);
    }
}

#[test]
fn lists_have_no_results_and_only_the_beginning_of_failures() {
    let client = answering(ORDERS, Ok(Some(EXACT.to_owned())));
    let id = client.accepted(r#"{"delay":"PT0S"}"#);
    client.fire(id);
    let listed = client.get("/requests").body;
    assert_eq!((&listed["requests"][0]["status"], listed["requests"][0].get("result")), (&json!("succeeded"), None));

    let failure = JobFailure { message: "x".repeat(5_000), retry: false, retry_after: None };
    let client = answering(ORDERS, Err(failure));
    let id = client.accepted(r#"{"delay":"PT0S"}"#);
    client.fire(id);
    let listed = client.get("/requests").body["requests"][0]["failure"].as_str().unwrap().to_owned();
    assert_eq!((listed.len(), listed.ends_with("… (cut)")), (1_000, true), "{listed}");
    assert_eq!(client.get(&format!("/requests/{id}")).body["failure"].as_str().map(str::len), Some(5_000));
}

#[test]
fn a_page_is_bounded_in_bytes_and_the_next_one_continues() {
    // A control character takes 6 bytes as JSON, so 200 requests take more than 1 MB.
    let failure = JobFailure { message: "\u{1}".repeat(1_000), retry: false, retry_after: None };
    let client = answering(ORDERS, Err(failure));
    let ids: Vec<_> = (0..200)
        .map(|_| {
            let id = client.accepted(r#"{"delay":"PT0S"}"#);
            client.fire(id);
            id
        })
        .collect();
    let mut seen: Vec<CorrelationId> = Vec::new();
    let mut path = "/requests?limit=200".to_owned();
    loop {
        let reply = client.get(&path);
        assert!(reply.text.len() < 400_000, "a page of {} bytes", reply.text.len());
        let page = reply.body["requests"].as_array().unwrap();
        assert!(!page.is_empty());
        seen.extend(page.iter().map(|request| request["correlationId"].as_str().unwrap().parse::<CorrelationId>().unwrap()));
        let Some(cursor) = reply.body.get("nextCursor") else { break };
        path = format!("/requests?limit=200&cursor={}", cursor.as_str().unwrap());
    }
    assert_eq!(seen, ids);
}

#[test]
fn use_cases_are_listed_with_their_errors() {
    let client = Client::of_orders();
    client.api.use_cases.put_broken("mail", "use-case.toml cannot be read");
    let reply = client.get("/use-cases");
    assert_eq!(reply.status, 200);
    assert_json_snapshot!(reply.body, { ".correlationId" => "[id]" }, @r#"
    {
      "useCases": [
        {
          "name": "mail",
          "description": "",
          "version": null,
          "targets": [],
          "error": "use-case.toml cannot be read"
        },
        {
          "name": "orders",
          "description": "Place an order at a chosen time",
          "version": "v1",
          "targets": [
            "here",
            "hook"
          ]
        }
      ],
      "correlationId": "[id]"
    }
    "#);
}
