//! Pauses of use cases and targets.

use serde_json::json;

use super::*;

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
    // Requests are accepted meanwhile.
    client.accepted(r#"{"delay":"PT1M"}"#);

    let resumed = client.call("POST", "/use-cases/orders/resume", "{}");
    assert_eq!((resumed.status, &resumed.body["paused"]), (200, &json!([])));
    assert_eq!(client.get("/use-cases").body["useCases"][0].get("paused"), None);
    let again = client.call("POST", "/use-cases/orders/resume", "");
    assert_eq!((again.status, again.body["code"].as_str()), (409, Some("not-paused")));
}

#[test]
fn an_unusable_pause_is_refused_with_the_reason() {
    let client = Client::of_orders();
    for (path, body, status, code) in [
        ("/use-cases/mail/pause", "{}", 404, "unknown-use-case"),
        ("/use-cases/orders/pause", r#"{"target":"fax"}"#, 422, "unknown-target"),
        ("/use-cases/orders/pause", r#"{"target":7}"#, 422, "member-malformed"),
        ("/use-cases/orders/pause", r#"{"until":7}"#, 422, "member-malformed"),
        ("/use-cases/orders/pause", r#"{"until":"tomorrow"}"#, 422, "trigger-malformed"),
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
