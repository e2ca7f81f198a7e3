//! `POST /requests/{use-case}/batch`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Client, ORDERS, Reply, request, with_header};
use crate::access::{Caller, Scope};
use crate::api::{MAX_BATCH_BYTES, MAX_BODY_BYTES};
use crate::plugin::Problem;
use crate::testing::{FakeBundle, sample_id};

const PATH: &str = "/requests/orders/batch";

fn post(client: &Client, items: &Value) -> Reply {
    client.call("POST", PATH, &items.to_string())
}

fn post_keyed(client: &Client, items: &Value) -> Reply {
    client.send(with_header(request("POST", PATH, &items.to_string()), "idempotency-key", "k"))
}

/// Returns `status code` of each outcome.
fn outcomes(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let of = |outcome: &Value| format!("{} {}", outcome["status"], outcome["body"]["code"].as_str().unwrap_or("accepted"));
    reply.body["outcomes"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn each_item_has_the_outcome_of_a_call_of_its_own_in_order() {
    let client = Client::of_orders();
    let late = "2026-01-01T00:00:00Z";
    let items = json!([{ "delay": "PT60S" }, { "triggerAt": late }, 7, { "delay": "PT60S", "target": "hook", "n": 2 }]);
    let reply = post(&client, &items);
    assert_eq!(outcomes(&reply), ["202 accepted", "422 trigger-in-past", "400 not-an-object", "202 accepted"]);
    assert_eq!(reply.id(), sample_id(1));

    let ids: BTreeSet<_> = reply.body["outcomes"].as_array().unwrap().iter().map(|it| it["body"]["correlationId"].to_string()).collect();
    assert_eq!(ids.len(), 4, "{reply:?}");
    assert_eq!(client.api.ledger.ids().len(), 2);
    let last = &reply.body["outcomes"][3]["body"];
    let found = client.get(last["links"]["self"].as_str().unwrap());
    assert_eq!((&found.body["target"], &found.body["correlationId"]), (&json!("hook"), &last["correlationId"]));
    assert_eq!(client.api.ledger.body(found.id()).unwrap(), items[3].to_string());

    let alone = client.call("POST", "/requests/orders", &items[1].to_string());
    let (mut alone, mut outcome) = (alone.body, reply.body["outcomes"][1]["body"].clone());
    for body in [&mut alone, &mut outcome] {
        body.as_object_mut().unwrap().remove("correlationId");
    }
    assert_eq!(alone, outcome);
}

#[test]
fn a_key_makes_every_item_safe_to_repeat() {
    let client = Client::of_orders();
    let first = post_keyed(&client, &json!([{ "delay": "PT60S" }, { "delay": "PT60S" }]));
    assert_eq!(outcomes(&first), ["202 accepted", "202 accepted"]);
    let again = post_keyed(&client, &json!([{ "delay": "PT60S" }, { "delay": "PT60S" }]));
    assert_eq!(again.body["outcomes"], first.body["outcomes"]);
    let other = post_keyed(&client, &json!([{ "delay": "PT60S" }, { "delay": "PT61S" }, { "delay": "PT62S" }]));
    assert_eq!(outcomes(&other), ["202 accepted", "409 idempotency-key-reused", "202 accepted"]);
    assert_eq!(client.api.ledger.ids().len(), 3);
    // The key of a single request is another one.
    let single = client.send(with_header(request("POST", "/requests/orders", r#"{"delay":"PT9S"}"#), "idempotency-key", "k"));
    assert_eq!(single.status, 202, "{single:?}");
}

#[test]
fn the_keys_of_a_batch_are_no_keys_of_another_caller() {
    let client = Client::of_orders();
    // The key of the host's oldest caller is the name of another one.
    let batch = with_header(request("POST", PATH, r#"[{ "delay": "PT60S" }]"#), "idempotency-key", "shop");
    assert_eq!(outcomes(&client.send(batch)), ["202 accepted"]);
    let single = with_header(request("POST", "/requests/orders", r#"{ "delay": "PT61S" }"#), "idempotency-key", "0");
    let shop = Caller { key_space: Some("shop".to_owned()), ..Caller::everything() };
    client.acts_as(&shop);
    assert_eq!(client.send(single).status, 202);
}

#[test]
fn an_item_is_no_larger_than_a_body() {
    let client = Client::of_orders();
    let item = |size: usize| {
        let empty = r#"{"delay":"PT60S","text":""}"#;
        json!({ "delay": "PT60S", "text": "x".repeat(size - empty.len()) })
    };
    let reply = post(&client, &json!([item(MAX_BODY_BYTES), item(MAX_BODY_BYTES + 1)]));
    assert_eq!(outcomes(&reply), ["202 accepted", "413 payload-too-large"]);
}

#[test]
fn a_batch_is_an_array_of_1_to_500() {
    let client = Client::of_orders();
    for (body, error) in [("{}", "400 malformed-json"), ("[1,", "400 malformed-json"), ("[]", "422 batch-size"), ("", "400 malformed-json")]
    {
        assert_eq!(client.call("POST", PATH, body).error(), error, "{body}");
    }
    let many = |count| Value::from(vec![json!({ "delay": "PT60S" }); count]);
    assert_eq!(post(&client, &many(501)).error(), "422 batch-size");
    assert_eq!(outcomes(&post(&client, &many(500))), vec!["202 accepted"; 500]);
    assert_eq!(client.api.ledger.ids().len(), 500);
    let large = format!("[\"{}\"]", "x".repeat(MAX_BATCH_BYTES));
    assert_eq!(client.call("POST", PATH, &large).error(), "413 payload-too-large");
    assert_eq!(client.call("GET", PATH, "").error(), "405 method-not-allowed");
}

#[test]
fn a_batch_needs_the_rights_of_a_post() {
    let client = Client::of_orders();
    let items = json!([{ "delay": "PT60S" }]);
    client.acts_as(&Caller { scopes: [Scope::Read].into(), ..Caller::default() });
    assert_eq!(post(&client, &items).error(), "403 missing-scope");
    client.acts_as(&Caller { use_cases: Some(BTreeSet::from(["other".to_owned()])), ..Caller::everything() });
    assert_eq!(post(&client, &items).error(), "403 use-case-not-permitted");
    assert_eq!(client.api.ledger.ids(), []);
}

#[test]
fn long_outcomes_are_shortened_and_keep_status_code_and_id() {
    let problem = Problem { pointer: "/item".to_owned(), code: "bad".to_owned(), message: "m".repeat(4000) };
    let client = Client::new(FakeBundle::new("v1", ORDERS).on_validate(move |_| Ok(Err(vec![problem.clone()]))));
    let reply = post(&client, &Value::from(vec![json!({ "delay": "PT60S" }); 500]));
    assert_eq!(outcomes(&reply), vec!["422 rejected"; 500]);
    assert!(reply.text.len() < 1 << 20, "{} bytes", reply.text.len());
    let (first, last) = (&reply.body["outcomes"][0], &reply.body["outcomes"][499]);
    assert!(first["body"]["problems"].is_array() && first.get("shortened").is_none(), "{first}");
    assert!(last["body"]["correlationId"].is_string() && last["shortened"] == true, "{last}");
}
