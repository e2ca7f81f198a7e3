//! The time rules over HTTP: the API applies the rules of `postdate_core::time`, whose own tests cover each of them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{PUPPET, Server, cli, text};

/// Posts a body and returns its `triggerAt`, or the `code` of the error.
async fn outcome(server: &Server, body: &Value) -> String {
    let answer = server.api.post("/requests/puppet", body).await;
    let member = if answer.status == 202 { "triggerAt" } else { "code" };
    assert!([202, 422].contains(&answer.status), "{}", answer.body);
    text(&answer.body, member).to_owned()
}

/// Posts each row's value under `member`, at 2027-01-01T00:00:00Z, and compares the outcome with the row's second column.
async fn check(member: &str, rows: &[(&str, &str)]) {
    let server = Server::puppet().await;
    for (given, expected) in rows {
        assert_eq!(outcome(&server, &json!({ member: given })).await, *expected, "{member} {given:?}");
    }
}

#[tokio::test]
async fn an_offset_is_required_and_the_answer_is_in_utc() {
    let rows = [
        ("2027-03-01T09:00:00Z", "2027-03-01T09:00:00.000Z"),
        ("2027-03-01T09:00:00+01:00", "2027-03-01T08:00:00.000Z"),
        ("2027-03-01T00:30:00+05:45", "2027-02-28T18:45:00.000Z"),
        ("2027-03-01T09:00:00-00:00", "2027-03-01T09:00:00.000Z"),
        ("2027-03-01T09:00:00", "trigger-without-offset"),
        ("2027-03-01T09:00", "trigger-without-offset"),
        ("2027-03-01 09:00:00", "trigger-without-offset"),
        ("2027-03-01T09:00:00.123", "trigger-without-offset"),
    ];
    check("triggerAt", &rows).await;
}

#[tokio::test]
async fn a_time_in_the_past_or_beyond_max_ahead_is_refused_and_not_adjusted() {
    let rows = [
        ("2026-12-31T23:59:59.999Z", "trigger-in-past"),
        ("2026-03-01T09:00:00Z", "trigger-in-past"),
        ("1970-01-01T00:00:00Z", "trigger-in-past"),
        ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00.000Z"),
        ("2028-01-01T00:00:00Z", "2028-01-01T00:00:00.000Z"),
        ("2028-01-01T00:00:00.000000001Z", "trigger-too-far"),
        ("9999-12-31T23:59:59Z", "trigger-too-far"),
    ];
    check("triggerAt", &rows).await;
    let server = Server::puppet().await;
    let fault =
        server.api.post("/requests/puppet", &json!({ "triggerAt": "2026-12-31T23:00:00Z" })).await.expect_fault(422, "trigger-in-past");
    assert!(text(&fault, "detail").contains("2027-01-01T00:00:00.000Z"), "the detail names the current time: {fault}");
}

#[tokio::test]
async fn max_ahead_of_the_manifest_limits_the_time_of_a_request() {
    let week = format!("{PUPPET}[schedule]\nmax-ahead = '7d'\n");
    let server = Server::builder().use_case("puppet", &week).test_clock().start().await;
    assert_eq!(outcome(&server, &json!({ "delay": "P7D" })).await, "2027-01-08T00:00:00.000Z");
    assert_eq!(outcome(&server, &json!({ "delay": "P7DT0.001S" })).await, "trigger-too-far");
    let fault = server.api.post("/requests/puppet", &json!({ "delay": "P8D" })).await.expect_fault(422, "trigger-too-far");
    assert!(text(&fault, "detail").contains("2027-01-08T00:00:00.000Z"), "the detail names the latest allowed time: {fault}");
}

#[tokio::test]
async fn leap_days_and_leap_seconds_follow_the_calendar() {
    let rows = [
        ("2027-02-29T00:00:00Z", "trigger-malformed"),
        ("2027-04-31T00:00:00Z", "trigger-malformed"),
        ("2027-06-01T24:00:00Z", "trigger-malformed"),
        ("2027-06-01T23:60:00Z", "trigger-malformed"),
        ("2027-06-30T23:59:60Z", "2027-07-01T00:00:00.000Z"),
        ("2027-06-30T10:00:60Z", "trigger-malformed"),
    ];
    check("triggerAt", &rows).await;
    let leap_year = Server::builder().use_case("puppet", PUPPET).arguments(&["--test-clock", "2028-02-01T00:00:00Z"]).start().await;
    assert_eq!(outcome(&leap_year, &json!({ "triggerAt": "2028-02-29T12:00:00Z" })).await, "2028-02-29T12:00:00.000Z");
    assert_eq!(outcome(&leap_year, &json!({ "delay": "P28D" })).await, "2028-02-29T00:00:00.000Z");
}

#[tokio::test]
async fn an_offset_distinguishes_the_repeated_hour_of_a_clock_change() {
    // Europe/Berlin: local time 02:30 occurs twice on 2027-10-31 and never on 2027-03-28. With an offset each is one moment.
    let rows = [
        ("2027-10-31T02:30:00+02:00", "2027-10-31T00:30:00.000Z"),
        ("2027-10-31T02:30:00+01:00", "2027-10-31T01:30:00.000Z"),
        ("2027-03-28T02:30:00+01:00", "2027-03-28T01:30:00.000Z"),
        ("2027-03-28T03:30:00+02:00", "2027-03-28T01:30:00.000Z"),
    ];
    check("triggerAt", &rows).await;
}

#[tokio::test]
async fn a_time_in_a_zone_is_accepted_moved_and_shown_in_both_forms() {
    let server = Server::puppet().await;
    let path = "/requests/puppet";
    let body = json!({ "triggerAt": "2027-03-28T09:00:00[Europe/Berlin]" });
    let post = async |key: &str| {
        let call = server.api.call(Method::POST, path).header("idempotency-key", key).json(&body);
        server.api.send(call).await.expect(202)
    };
    let accepted = post("k").await;
    assert_eq!(text(&accepted, "triggerAt"), "2027-03-28T07:00:00.000Z");
    assert_eq!(text(&accepted, "triggerAtZoned"), "2027-03-28T09:00:00+02:00[Europe/Berlin]");
    assert_eq!(post("k").await, accepted, "a repeat has the first answer");
    let path = format!("/requests/{}", text(&accepted, "correlationId"));
    let moved = server.api.patch(&path, &json!({ "triggerAt": "2027-07-01T09:00:00[America/New_York]" })).await.expect(200);
    assert_eq!(text(&moved, "triggerAt"), "2027-07-01T13:00:00.000Z");
    assert_eq!(text(&moved, "triggerAtZoned"), "2027-07-01T09:00:00-04:00[America/New_York]");
    server.api.advance("P200D").await;
    let done = server.api.get(&path).await.expect(200);
    assert_eq!((text(&done, "status"), &done["history"][2]["at"]), ("succeeded", &json!("2027-07-01T13:00:00.000Z")), "{done}");
}

#[tokio::test]
async fn a_time_that_a_zone_skips_or_has_twice_is_refused_with_both_candidates() {
    let server = Server::puppet().await;
    for (local, code, candidates) in [
        ("2027-03-28T02:30:00", "trigger-in-gap", ["2027-03-28T01:30:00+01:00[Europe/Berlin]", "2027-03-28T03:30:00+02:00[Europe/Berlin]"]),
        (
            "2027-10-31T02:30:00",
            "trigger-in-fold",
            ["2027-10-31T02:30:00+02:00[Europe/Berlin]", "2027-10-31T02:30:00+01:00[Europe/Berlin]"],
        ),
    ] {
        let body = json!({ "triggerAt": format!("{local}[Europe/Berlin]") });
        let fault = server.api.post("/requests/puppet", &body).await.expect_fault(422, code);
        assert_eq!(fault["candidates"], json!(candidates), "{fault}");
        assert!(candidates.iter().all(|time| text(&fault, "detail").contains(time)), "{fault}");
    }
    let rows = [
        ("2027-10-31T02:30:00+01:00[Europe/Berlin]", "2027-10-31T01:30:00.000Z"),
        ("2027-03-28T03:30:00+02:00[Europe/Berlin]", "2027-03-28T01:30:00.000Z"),
        ("2027-03-28T09:00:00+01:00[Europe/Berlin]", "trigger-wrong-offset"),
        ("2027-03-28T09:00:00[Europe/Bonn]", "trigger-unknown-zone"),
    ];
    check("triggerAt", &rows).await;
}

#[tokio::test]
async fn the_command_line_takes_a_time_and_a_zone() {
    let server = Server::puppet().await;
    let request = async |arguments: &[&str]| cli(&[&["request", "--url", &server.api.url], arguments].concat()).await;
    let zoned = "2027-03-28T09:00:00+02:00[Europe/Berlin]";
    let at = ["--at", "2027-03-28 09:00", "--zone", "Europe/Berlin"];
    request(&[&["post", "puppet"], &at[..]].concat()).await.expect(0).says(&["scheduled puppet", "2027-03-28T07:00:00.000Z", zoned]);
    let id = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    request(&[&["move", &id], &at[..]].concat()).await.expect(0).says(&["is scheduled for", zoned]);
    let gap = ["--at", "2027-03-28 02:30", "--zone", "Europe/Berlin"];
    request(&[&["post", "puppet"], &gap[..]].concat())
        .await
        .expect(1)
        .complains(&["2027-03-28T01:30:00+01:00", "2027-03-28T03:30:00+02:00"]);
    request(&["post", "puppet", "--at", "2027-03-28 09:00"]).await.expect(1).complains(&["no offset", "--zone"]);
}

#[tokio::test]
async fn times_are_rounded_up_to_whole_milliseconds() {
    let rows = [
        ("2027-03-01T09:00:00.000000001Z", "2027-03-01T09:00:00.001Z"),
        ("2027-03-01T09:00:00.123Z", "2027-03-01T09:00:00.123Z"),
        ("2027-03-01T09:00:00.123000001Z", "2027-03-01T09:00:00.124Z"),
        ("2027-12-31T23:59:59.999999999Z", "2028-01-01T00:00:00.000Z"),
    ];
    check("triggerAt", &rows).await;
}

#[tokio::test]
async fn delays_are_iso_8601_durations_from_now() {
    let rows = [
        ("PT90S", "2027-01-01T00:01:30.000Z"),
        ("PT0S", "2027-01-01T00:00:00.000Z"),
        ("PT0.25S", "2027-01-01T00:00:00.250Z"),
        ("PT0,0001S", "2027-01-01T00:00:00.001Z"),
        ("P1W", "2027-01-08T00:00:00.000Z"),
        ("P1DT2H3M4S", "2027-01-02T02:03:04.000Z"),
        ("P365D", "2028-01-01T00:00:00.000Z"),
        ("P366D", "trigger-too-far"),
        ("P1M", "trigger-malformed"),
        ("P1Y", "trigger-malformed"),
        ("90s", "trigger-malformed"),
        ("-PT1S", "trigger-malformed"),
        ("PT", "trigger-malformed"),
        ("", "trigger-malformed"),
        ("PT1H1H", "trigger-malformed"),
        ("PT999999999999999H", "trigger-malformed"),
    ];
    check("delay", &rows).await;
}

#[tokio::test]
async fn exactly_one_of_trigger_at_and_delay_is_required_as_a_string() {
    let server = Server::puppet().await;
    for (body, code) in [
        (json!({}), "trigger-missing"),
        (json!({ "triggerAt": "2027-03-01T09:00:00Z", "delay": "PT1S" }), "trigger-ambiguous"),
        (json!({ "triggerAt": 1_798_761_600 }), "trigger-malformed"),
        (json!({ "triggerAt": null }), "trigger-malformed"),
        (json!({ "triggerAt": "tomorrow" }), "trigger-malformed"),
        (json!({ "triggerAt": "2027-03-01" }), "trigger-malformed"),
        (json!({ "delay": 90 }), "trigger-malformed"),
    ] {
        server.api.post("/requests/puppet", &body).await.expect_fault(422, code);
    }
    assert_eq!(server.api.get("/requests").await.expect(200)["requests"], json!([]));
}

#[tokio::test]
async fn patch_applies_the_same_time_rules_as_post() {
    let server = Server::puppet().await;
    let id = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    let path = format!("/requests/{id}");
    for (body, code) in [
        (json!({ "triggerAt": "2027-03-01T09:00:00" }), "trigger-without-offset"),
        (json!({ "triggerAt": "2026-03-01T09:00:00Z" }), "trigger-in-past"),
        (json!({ "triggerAt": "2029-03-01T09:00:00Z" }), "trigger-too-far"),
        (json!({ "delay": "1h" }), "trigger-malformed"),
        (json!({}), "trigger-missing"),
        (json!({ "triggerAt": "2027-03-01T09:00:00Z", "delay": "PT1S" }), "trigger-ambiguous"),
    ] {
        server.api.patch(&path, &body).await.expect_fault(422, code);
    }
    let call = server.api.call(Method::PATCH, &path).header("content-type", "application/json").body("{");
    server.api.send(call).await.expect_fault(400, "malformed-json");
    assert_eq!(text(&server.api.request(&id).await, "triggerAt"), "2027-01-01T01:00:00.000Z");
}
