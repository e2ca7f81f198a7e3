//! Reading: one request, lists, use cases, health.

use insta::assert_json_snapshot;
use serde_json::json;

use super::{Client, ORDERS};
use crate::id::CorrelationId;
use crate::plugin::{JobFailure, JobResult};
use crate::testing::{FakeBundle, sample_id};

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
fn a_failed_attempt_shows_its_reason_and_the_next_one() {
    let failure = JobFailure::retry("busy");
    let client = answering(ORDERS, Err(failure));
    let id = client.accepted(r#"{"delay":"PT0S"}"#);
    client.fire(id);
    let body = client.get(&format!("/requests/{id}")).body;
    assert_eq!((&body["status"], &body["failure"]), (&json!("scheduled"), &json!("busy")));
    assert_eq!((&body["nextAttemptAt"], body.get("finishedAt")), (&json!("2027-01-01T00:00:30.000Z"), None));
    assert_eq!(body["history"][2]["detail"], "busy");
    client.advance(30);
    client.fire(id);
    let body = client.get(&format!("/requests/{id}")).body;
    assert_eq!((&body["status"], body.get("nextAttemptAt")), (&json!("failed"), None), "the second of two attempts");
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
fn a_result_is_shown_and_reported_byte_for_byte() {
    let client = answering(&format!("{ORDERS}\n[on]\nsuccess = 'hook'"), Ok(Some(EXACT.to_owned())));
    let id = client.accepted(r#"{"delay":"PT0S"}"#);
    client.fire(id);
    let member = format!(r#""result":{EXACT},"#);
    let shown = client.get(&format!("/requests/{id}")).text;
    assert!(shown.contains(&member), "{shown}");
    let notice = *client.api.ledger.ids().iter().find(|stored| **stored != id).expect("there is a notice");
    let body = client.api.ledger.body(notice).unwrap();
    assert!(body.contains(&member[..member.len() - 1]), "{body}");
}

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

    let failure = JobFailure::permanent("x".repeat(5_000));
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
fn notice_names_the_request_that_has_ended_and_is_not_listed() {
    let client = answering(&format!("{ORDERS}\n[on]\nsuccess = 'hook'"), Ok(None));
    let id = client.accepted(r#"{"delay":"PT0S"}"#);
    client.fire(id);
    let notice = *client.api.ledger.ids().iter().find(|stored| **stored != id).expect("there is a notice");
    let shown = client.get(&format!("/requests/{notice}")).body;
    assert_eq!((&shown["noticeOf"], &shown["target"], &shown["status"]), (&json!(id), &json!("hook"), &json!("scheduled")));
    let listed = client.get("/requests").body;
    assert_eq!(listed["requests"].as_array().unwrap().len(), 1);
    assert_eq!((&listed["requests"][0]["correlationId"], listed["requests"][0].get("noticeOf")), (&json!(id), None));
}

#[test]
fn cursors_lead_through_all_pages_of_a_list() {
    let client = Client::of_orders();
    let ids: Vec<_> = (1..=5).map(|n| client.accepted(&format!(r#"{{"delay":"PT{}S"}}"#, n / 2))).collect();
    let mut seen: Vec<CorrelationId> = Vec::new();
    let mut path = "/requests?limit=2&useCase=orders".to_owned();
    loop {
        let reply = client.get(&path);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.id(), sample_id(client.calls.get()), "a list has the id of the call");
        for request in reply.body["requests"].as_array().unwrap() {
            assert_eq!(request["links"]["self"], format!("/requests/{}", request["correlationId"].as_str().unwrap()));
            assert_eq!(request.get("history"), None);
            seen.push(request["correlationId"].as_str().unwrap().parse().unwrap());
        }
        let Some(cursor) = reply.body.get("nextCursor") else { break };
        path = format!("/requests?limit=2&useCase=orders&cursor={}", cursor.as_str().unwrap());
    }
    assert_eq!(seen, ids);
}

#[test]
fn lists_are_filtered() {
    let client = Client::of_orders();
    let ids: Vec<_> = (0..4).map(|n| client.accepted(&format!(r#"{{"delay":"PT{n}S"}}"#))).collect();
    client.call("DELETE", &format!("/requests/{}", ids[2]), "");
    let check = |query: &str, expected: &[usize]| {
        let body = client.get(&format!("/requests?{query}")).body;
        let found: Vec<_> = body["requests"].as_array().unwrap().iter().map(|request| request["correlationId"].clone()).collect();
        assert_eq!(found, expected.iter().map(|n| json!(ids[*n])).collect::<Vec<_>>(), "{query}");
    };
    check("", &[0, 1, 2, 3]);
    check("status=cancelled", &[2]);
    check("useCase=none", &[]);
    check("from=2027-01-01T00:00:01Z&to=2027-01-01T00:00:03Z", &[1, 2]);
    check("from=2027-01-01T01:00:01%2B01:00&status=scheduled", &[1, 3]);
    check("from=2027-01-01T01:00:01+01:00&&", &[1, 2, 3]);
}

#[test]
fn error_of_a_query_names_its_parameter() {
    let client = Client::of_orders();
    let long = format!("label.customer={}", "x".repeat(257));
    for (query, parameter) in [
        ("status=done", "status"),
        ("limit=0", "limit"),
        ("cursor=%ff", "cursor"),
        ("page=2", "page"),
        ("to=tomorrow", "to"),
        ("useCase=Orders", "useCase"),
        (&long, "label.customer"),
    ] {
        let reply = client.get(&format!("/requests?{query}"));
        assert_eq!((reply.error().as_str(), &reply.body["parameter"]), ("400 bad-query", &json!(parameter)), "{query}");
    }
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

#[test]
fn use_case_that_is_loading_is_listed_and_answers_with_retry_after() {
    let client = Client::of_orders();
    client.api.use_cases.put_loading("orders", "2027-01-01T00:00:00.000Z");
    client.api.use_cases.put_loading("mail", "2027-01-01T00:00:01.000Z");
    let list = client.get("/use-cases").body;
    let update = |since: &str| json!({ "state": "loading", "since": since });
    assert_eq!(list["useCases"][0]["update"], update("2027-01-01T00:00:01.000Z"), "{list}");
    assert_eq!(list["useCases"][1]["update"], update("2027-01-01T00:00:00.000Z"), "{list}");
    let health = client.get("/health").body;
    assert_eq!(health["brokenUseCases"], json!([]));
    assert_eq!(health["loadingUseCases"][0], json!({ "useCase": "mail", "version": null, "since": "2027-01-01T00:00:01.000Z" }));
    assert!(health["loadingUseCases"][1]["version"].is_string(), "{health}");

    let answer = client.call("POST", "/requests/mail", r#"{"delay":"PT1H"}"#);
    assert_eq!((answer.status, &answer.body["code"], answer.header("retry-after")), (503, &json!("use-case-loading"), "10"));
    // The previous version still serves.
    client.accepted(r#"{"delay":"PT1H","item":"book"}"#);
}

#[test]
fn health_names_broken_use_cases() {
    let client = Client::of_orders();
    let body = client.get("/health").body;
    assert_eq!((&body["status"], &body["version"]), (&json!("ok"), &json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!(body["brokenUseCases"], json!([]));
    client.api.use_cases.put_broken("orders", "validate.wasm is not a component");
    let body = client.get("/health").body;
    assert_eq!(body["brokenUseCases"], json!([{ "useCase": "orders", "error": "validate.wasm is not a component" }]));
}

#[test]
fn head_answers_where_get_does() {
    let client = Client::of_orders();
    let one = format!("/requests/{}", client.accepted(r#"{"delay":"PT60S"}"#));
    for (path, status) in
        [("/health", 200), ("/use-cases", 200), ("/requests", 200), (&*one, 200), ("/requests/x", 404), ("/requests?limit=0", 400)]
    {
        let (head, get) = (client.call("HEAD", path, ""), client.get(path));
        assert_eq!((head.status, get.status), (status, status), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}
