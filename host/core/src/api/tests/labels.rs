//! Labels, bodies, and their erasure.

use serde_json::json;

use super::*;

const LABELLED: &str = r#"
name = "orders"
[process]
plugin = "process.wasm"
[labels]
customer = "/customer/id"
first = "/items/0"
"#;

fn client() -> Client {
    Client::new(FakeBundle::new("v1", LABELLED))
}

#[test]
fn labels_are_read_from_the_body_and_select() {
    let client = client();
    let id = client.accepted(r#"{"delay":"PT1M","customer":{"id":"c 7"},"items":[18446744073709551615]}"#);
    client.accepted(r#"{"delay":"PT1M","customer":{"id":8},"items":["x"]}"#);
    let labels = json!({ "customer": "c 7", "first": "18446744073709551615" });
    assert_eq!(client.get(&format!("/requests/{id}")).body["labels"], labels);
    let found = client.get("/requests?label.customer=c%207");
    assert_eq!(found.body["requests"].as_array().map(Vec::len), Some(1), "{found:?}");
    assert_eq!((&found.body["requests"][0]["correlationId"], &found.body["requests"][0]["labels"]), (&json!(id), &labels));
}

#[test]
fn a_label_that_cannot_be_read_is_refused_with_its_pointer() {
    let client = client();
    let long = "x".repeat(257);
    for (customer, reason) in [
        ("{}", "is not in the accepted body"),
        (r#"{"id":""}"#, "is empty"),
        (r#"{"id":1.5}"#, "is neither text nor a whole number"),
        (r#"{"id":18446744073709551616}"#, "is neither text nor a whole number"),
        (r#"{"id":null}"#, "is neither text nor a whole number"),
        (&format!(r#"{{"id":"{long}"}}"#), "is longer than 256 bytes"),
    ] {
        let body = format!(r#"{{"delay":"PT1M","items":["x"],"customer":{customer}}}"#);
        let reply = client.call("POST", "/requests/orders", &body);
        assert_eq!((reply.status, reply.body["code"].as_str()), (422, Some("label-unreadable")), "{body}: {reply:?}");
        assert_eq!((reply.body["label"].as_str(), reply.body["pointer"].as_str()), (Some("customer"), Some("/customer/id")));
        assert!(reply.body["detail"].as_str().unwrap().contains(reason), "{reply:?}");
    }
}

#[test]
fn pointers_are_those_of_rfc_6901() {
    let body = r#"{"delay":"PT1M","a/b":"1","~1":"2","~/":"3","x":{"":{"y":"4"}},"":"5","items":["6"]}"#;
    let found = [("/a~1b", "1"), ("/~01", "2"), ("/~0~1", "3"), ("/x//y", "4"), ("/", "5"), ("/items/0", "6")];
    let client =
        |pointer: &str| Client::new(FakeBundle::new("v1", &LABELLED.replace("/customer/id", pointer).replace("first = \"/items/0\"", "")));
    for (pointer, value) in found {
        let client = client(pointer);
        let id = client.accepted(body);
        assert_eq!(client.get(&format!("/requests/{id}")).body["labels"], json!({ "customer": value }), "{pointer}");
    }
    for pointer in ["/items/-", "/items/00", "/items/+0", "/items/1", "/x/y", "/a"] {
        let reply = client(pointer).call("POST", "/requests/orders", body);
        assert_eq!((reply.status, reply.body["pointer"].as_str()), (422, Some(pointer)), "{reply:?}");
        assert!(reply.body["detail"].as_str().unwrap().contains("is not in the accepted body"), "{reply:?}");
    }
}

#[test]
fn a_body_is_shown_as_it_was_sent_until_it_is_erased() {
    let client = client();
    let body = r#"{ "delay": "PT1M", "customer": {"id":"secret-7"}, "items": [1], "price": 1.10 }"#;
    let id = client.accepted(body);
    let shown = Reply::read(block_on(client.api.answer(
        ApiRequest { id: sample_id(900), now: moment(), caller: Caller::everything(), claims: Vec::new() },
        request("GET", &format!("/requests/{id}/body"), ""),
    )));
    assert_eq!((shown.status, shown.text.as_str(), shown.header(CORRELATION_HEADER)), (200, body, id.to_string().as_str()));

    let erased = client.call("POST", &format!("/requests/{id}/erase"), "");
    assert_eq!((erased.status, &erased.body["status"]), (200, &json!("cancelled")), "{erased:?}");
    assert_eq!(client.api.scheduler.unscheduled(), [id]);
    let gone = client.get(&format!("/requests/{id}/body"));
    assert_eq!((gone.status, gone.body["code"].as_str()), (410, Some("erased")));
    let left = client.get(&format!("/requests/{id}"));
    assert_eq!(left.body["erasedAt"], "2027-01-01T00:00:00.000Z");
    assert!(!left.text.contains("secret-7"), "{left:?}");
    assert_eq!(client.call("POST", &format!("/requests/{id}/erase"), "").status, 200, "a repeat does no harm");
}

#[test]
fn a_running_request_is_not_erased() {
    let client = client();
    let id = client.accepted(r#"{"delay":"PT1S","customer":{"id":7},"items":[1]}"#);
    client.advance(1);
    client.claim(id);
    let reply = client.call("POST", &format!("/requests/{id}/erase"), "");
    assert_eq!((reply.status, reply.body["code"].as_str()), (409, Some("running")), "{reply:?}");
    assert!(client.api.ledger.body(id).is_some());
}

#[test]
fn an_end_is_waited_for_at_most_as_long_as_asked() {
    let client = client();
    let id = client.accepted(r#"{"delay":"PT1S","customer":{"id":7},"items":[1]}"#);
    assert_eq!(client.get(&format!("/requests/{id}?wait=30s")).body["status"], "scheduled");
    for wrong in ["wait=x", "wait=", "limit=1"] {
        let reply = client.get(&format!("/requests/{id}?{wrong}"));
        assert_eq!((reply.status, reply.body["code"].as_str()), (400, Some("bad-query")), "{wrong}");
    }
}
