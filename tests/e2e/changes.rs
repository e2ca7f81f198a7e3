//! `PATCH`, `DELETE` and retry of a request: their effects, and the states in which each is refused.

use std::time::Duration;

use serde_json::json;

use crate::harness::{PUPPET, Receiver, Reply, Server, events, text};

#[tokio::test]
async fn a_request_can_be_moved_to_an_earlier_and_to_a_later_time() {
    let server = Server::puppet().await;
    let id = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    let path = format!("/requests/{id}");
    let moved = server.api.patch(&path, &json!({ "triggerAt": "2027-01-01T02:00:00+01:00" })).await.expect(200);
    assert_eq!((text(&moved, "triggerAt"), text(&moved, "status")), ("2027-01-01T01:00:00.000Z", "scheduled"));
    server.api.patch(&path, &json!({ "delay": "PT3H" })).await.expect(200);
    server.api.advance("PT2H").await;
    assert_eq!(events(&server.api.request(&id).await), ["accepted", "moved", "moved"], "the request does not run at its former time");
    server.api.patch(&path, &json!({ "delay": "PT1M" })).await.expect(200);
    server.api.advance("PT1M").await;
    let done = server.api.request(&id).await;
    assert_eq!(events(&done), ["accepted", "moved", "moved", "moved", "started", "succeeded"]);
    assert_eq!(text(&done["history"][1], "detail"), "to 2027-01-01T01:00:00.000Z");
    assert_eq!(text(&done["history"][4], "at"), "2027-01-01T02:01:00.000Z");
}

#[tokio::test]
async fn a_move_is_validated_unless_moves_are_free() {
    let free = format!("{PUPPET}[schedule]\nmoves = 'free'\n");
    let server = Server::builder().use_case("puppet", PUPPET).use_case("free", &free).test_clock().start().await;
    // The validator accepts this body in exchange for one that it rejects.
    let strict = json!({ "validate": { "do": "reject", "pointer": "/triggerAt", "code": "too-soon", "message": "not before Monday" } });
    let body = json!({ "delay": "P3D", "validate": { "do": "body", "value": strict } });
    let id = server.api.submit("puppet", body.clone()).await;
    let fault = server.api.patch(&format!("/requests/{id}"), &json!({ "delay": "PT1S" })).await.expect_fault(422, "rejected");
    let problem = json!({ "pointer": "/triggerAt", "code": "too-soon", "message": "not before Monday" });
    assert_eq!(fault["problems"], json!([problem]));
    server.api.advance("PT1M").await;
    let request = server.api.request(&id).await;
    assert_eq!((text(&request, "triggerAt"), events(&request)), ("2027-01-04T00:00:00.000Z", vec!["accepted"]));

    let id = server.api.submit("free", body).await;
    server.api.patch(&format!("/requests/{id}"), &json!({ "delay": "PT1S" })).await.expect(200);
}

#[tokio::test]
async fn only_the_time_of_a_request_can_be_changed() {
    let server = Server::puppet().await;
    let id = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    // A JSON Pointer (RFC 6901) escapes the slash.
    for (member, pointer) in [("target", "/target"), ("status", "/status"), ("a/b", "/a~1b")] {
        let body = json!({ "triggerAt": "2027-01-02T00:00:00Z", member: "heavy" });
        let fault = server.api.patch(&format!("/requests/{id}"), &body).await.expect_fault(422, "not-changeable");
        assert_eq!(fault["pointer"], pointer);
    }
    assert_eq!(text(&server.api.request(&id).await, "triggerAt"), "2027-01-01T01:00:00.000Z");
}

#[tokio::test]
async fn a_cancelled_request_never_runs_and_is_not_changed_again() {
    let server = Server::puppet().await;
    let id = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    let path = format!("/requests/{id}");
    let cancelled = server.api.delete(&path).await.expect(200);
    assert_eq!(text(&cancelled, "status"), "cancelled");
    let fault = server.api.delete(&path).await.expect_fault(409, "not-scheduled");
    assert_eq!(fault["requestStatus"], "cancelled");
    assert_eq!(text(&fault, "correlationId"), id, "the error carries the id of the request");
    server.api.patch(&path, &json!({ "delay": "PT2H" })).await.expect_fault(409, "not-scheduled");
    server.api.post(&format!("{path}/retry"), &json!({})).await.expect_fault(409, "not-failed");
    server.api.advance("P7D").await;
    assert_eq!(events(&server.api.request(&id).await), ["accepted", "cancelled"]);
}

#[tokio::test]
async fn a_request_that_runs_or_has_ended_cannot_be_changed() {
    let receiver = Receiver::start(|_, _| Reply::ok("").after(Duration::from_secs(3))).await;
    let server = Server::builder().use_case("hook", &receiver.hook()).start().await;
    let id = server.api.submit("hook", json!({ "delay": "PT0S" })).await;
    let path = format!("/requests/{id}");
    for status in ["running", "succeeded"] {
        server.api.reaches(&id, status).await;
        for fault in [
            server.api.delete(&path).await.expect_fault(409, "not-scheduled"),
            server.api.patch(&path, &json!({ "delay": "PT1H" })).await.expect_fault(409, "not-scheduled"),
            server.api.post(&format!("{path}/retry"), &json!({})).await.expect_fault(409, "not-failed"),
        ] {
            assert_eq!(fault["requestStatus"], status, "{fault}");
        }
    }
    assert_eq!(events(&server.api.request(&id).await), ["accepted", "started", "succeeded"]);
}

#[tokio::test]
async fn a_failed_request_can_be_retried_with_a_fresh_attempt_budget() {
    let manifest = format!("{PUPPET}[retry]\nmax-attempts = 2\nbackoff = {{ initial = '10s', factor = 1, max = '10s', jitter = 0 }}\n");
    let server = Server::builder().use_case("puppet", &manifest).test_clock().start().await;
    let script = json!({ "do": "retry", "untilAttempt": 4, "result": "at last" });
    let id = server.api.submit("puppet", json!({ "delay": "PT1S", "process": script })).await;
    server.api.advance("PT1M").await;
    let failed = server.api.request(&id).await;
    assert_eq!((text(&failed, "status"), &failed["attempts"]), ("failed", &json!(2)));

    let again = server.api.post(&format!("/requests/{id}/retry"), &json!({})).await.expect(202);
    assert_eq!(text(&again, "status"), "scheduled");
    server.api.advance("PT1M").await;
    let done = server.api.request(&id).await;
    assert_eq!((text(&done, "status"), text(&done, "result"), &done["attempts"]), ("succeeded", "at last", &json!(4)));
    let expected =
        ["accepted", "started", "attempt-failed", "started", "failed", "retried", "started", "attempt-failed", "started", "succeeded"];
    assert_eq!(events(&done), expected);
    assert_eq!(done["failure"], json!(null), "a success clears the failure");
}
