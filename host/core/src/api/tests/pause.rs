//! Pauses of use cases and targets.

use serde_json::json;

use super::*;
use crate::lifecycle::Change;
use crate::ports::{Changed, Changes as _, Intake as _};
use crate::testing::new_request;

#[test]
fn a_pause_is_shown_until_it_is_resumed() {
    let client = Client::of_orders();
    let paused = client.call("POST", "/use-cases/orders/pause", r#"{"target":"hook","until":"2027-01-01T01:00:00+01:00"}"#);
    assert_eq!((paused.status, paused.body["code"].as_str()), (422, Some("member-malformed")), "it has ended: {paused:?}");
    let paused = client.call("POST", "/use-cases/orders/pause", r#"{"target":"hook","until":"2027-01-01T02:00:00+01:00"}"#);
    assert_eq!(paused.status, 200, "{paused:?}");
    let hook = json!({ "since": "2027-01-01T00:00:00.000Z", "target": "hook", "until": "2027-01-01T01:00:00.000Z" });
    assert_eq!(paused.body["paused"], json!([hook]));
    let paused = client.call("POST", "/use-cases/orders/pause", "");
    assert_eq!(paused.body["paused"], json!([{ "since": "2027-01-01T00:00:00.000Z" }, hook]));
    assert_eq!(client.get("/use-cases").body["useCases"][0]["paused"], paused.body["paused"]);
    // Another end does not begin the pause anew.
    client.advance(60);
    let paused = client.call("POST", "/use-cases/orders/pause", r#"{"target":"hook","until":"2027-01-01T03:00:00+01:00"}"#);
    let hook = json!({ "since": "2027-01-01T00:00:00.000Z", "target": "hook", "until": "2027-01-01T02:00:00.000Z" });
    assert_eq!(paused.body["paused"][1], hook);
    // Requests are accepted meanwhile.
    client.accepted(r#"{"delay":"PT1M"}"#);

    let resumed = client.call("POST", "/use-cases/orders/resume", "{}");
    assert_eq!((resumed.status, &resumed.body["paused"]), (200, &json!([])));
    assert_eq!(client.get("/use-cases").body["useCases"][0].get("paused"), None);
    let again = client.call("POST", "/use-cases/orders/resume", "");
    assert_eq!((again.status, again.body["code"].as_str()), (409, Some("not-paused")));
}

/// Makes the request wait.
fn hold_up(client: &Client, id: CorrelationId, on: &str) {
    let now = client.now.get();
    let wait = Change::Wait { waits_for: on.to_owned(), at: now + TimeDelta::minutes(5) };
    let changed = block_on(client.api.ledger.change(id, wait, now)).unwrap();
    assert!(matches!(changed, Changed::Done(_)), "{changed:?}");
}

#[test]
fn the_end_of_a_pause_wakes_the_oldest_first_and_no_others() {
    let client = Client::of_orders();
    client.api.scheduler.resume_after(TimeDelta::seconds(11));
    let [second, first, hook] = ["PT2M", "PT1M", "PT3M"].map(|delay| client.accepted(&format!(r#"{{"delay":"{delay}"}}"#)));
    let (later, elsewhere) = (client.accepted(r#"{"delay":"P1D"}"#), client.accepted(r#"{"delay":"PT1M"}"#));
    for pause in ["", r#"{"target":"hook"}"#] {
        assert_eq!(client.call("POST", "/use-cases/orders/pause", pause).status, 200);
    }
    client.advance(300);
    for id in [first, second] {
        hold_up(&client, id, "the end of the pause of use case orders");
    }
    hold_up(&client, elsewhere, "a place at target hook (1 of 1)");
    let before = client.api.scheduler.scheduled().len();
    assert_eq!(client.call("POST", "/use-cases/orders/resume", r#"{"target":"hook"}"#).status, 200);
    assert_eq!(client.api.scheduler.scheduled().len(), before, "the use case is still paused");
    assert_eq!(client.call("POST", "/use-cases/orders/resume", "").status, 200);
    let at = client.now.get() + TimeDelta::seconds(11);
    let next = at + TimeDelta::milliseconds(10);
    assert_eq!(client.api.scheduler.scheduled()[before..], [(first, at), (second, next)], "not {hook}, nor {later}");
}

#[test]
fn the_end_of_a_pause_looks_past_older_requests_that_wait_for_something_else() {
    let client = Client::of_orders();
    client.api.scheduler.resume_after(TimeDelta::seconds(11));
    let long = client.accepted(r#"{"delay":"PT2M"}"#);
    assert_eq!(client.call("POST", "/use-cases/orders/pause", "").status, 200);
    client.advance(300);
    for n in 10_001..=12_100 {
        let new = new_request(sample_id(n), "orders", moment() + TimeDelta::seconds(60));
        block_on(client.api.ledger.insert(new.into())).unwrap();
        hold_up(&client, sample_id(n), "a place at target hook (1 of 1)");
    }
    hold_up(&client, long, "the end of the pause of use case orders");
    let before = client.api.scheduler.scheduled().len();
    assert_eq!(client.call("POST", "/use-cases/orders/resume", "").status, 200);
    let woken: Vec<CorrelationId> = client.api.scheduler.scheduled()[before..].iter().map(|(id, _)| *id).collect();
    assert_eq!(woken, [long]);
}

#[test]
fn an_unusable_pause_is_refused_with_the_reason() {
    let client = Client::of_orders();
    for (path, body, status, code) in [
        ("/use-cases/mail/pause", "{}", 404, "unknown-use-case"),
        ("/use-cases/orders/pause", r#"{"target":"fax"}"#, 422, "unknown-target"),
        ("/use-cases/orders/pause", r#"{"target":7}"#, 422, "member-malformed"),
        ("/use-cases/orders/pause", r#"{"until":7}"#, 422, "member-malformed"),
        ("/use-cases/orders/pause", r#"{"until":"tomorrow"}"#, 422, "member-malformed"),
        ("/use-cases/orders/pause", r#"{"from":"now"}"#, 422, "member-malformed"),
        ("/use-cases/orders/pause", "[]", 400, "not-an-object"),
        ("/use-cases/orders/resume", r#"{"until":"2027-01-02T00:00:00Z"}"#, 422, "member-malformed"),
    ] {
        let reply = client.call("POST", path, body);
        assert_eq!((reply.status, reply.body["code"].as_str()), (status, Some(code)), "{path} {body}: {reply:?}");
    }
    assert_eq!(client.get("/use-cases").body["useCases"][0].get("paused"), None);
    assert_eq!(client.get("/use-cases/orders/pause").status, 405);
}
