//! `expire-after`: a request whose first attempt does not begin in time ends as `expired`, and its notice is sent.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{PUPPET, Receiver, Reply, Server, events, eventually, text};

/// Returns the manifest of a use case whose requests expire after an hour, with a notice to `/told`.
fn hook(receiver: &Receiver) -> String {
    format!(
        "[schedule]\nexpire-after = '1h'\n[targets]\ndefault = 'to'\nto = {{ kind = 'http', url = '{}' }}\n\
         told = {{ kind = 'http', url = '{}' }}\n[on]\nfailure = 'told'\n",
        receiver.url("/to"),
        receiver.url("/told"),
    )
}

/// Waits for the notice.
async fn notice(receiver: &Receiver) -> Value {
    eventually("the notice", async || receiver.deliveries().into_iter().find(|one| one.path == "/told")).await.json()
}

#[tokio::test]
async fn a_request_expires_while_the_server_is_down_sends_its_notice_and_can_be_retried() {
    let receiver = Receiver::accepting().await;
    let mut server = Server::builder().use_case("hook", &hook(&receiver)).test_clock().start().await;
    let late = server.api.submit("hook", json!({ "delay": "PT1S" })).await;
    let in_time = server.api.submit("hook", json!({ "delay": "PT2S" })).await;
    let waiting = server.api.request(&late).await;
    assert_eq!(text(&waiting, "expiresAt"), "2027-01-01T01:00:01.000Z");
    server.stop().await;
    server.set_arguments(&["--test-clock", "2027-01-01T01:00:01Z"]);
    server.start().await;

    let expired = server.api.reaches(&late, "expired").await;
    assert_eq!((events(&expired), &expired["attempts"]), (vec!["accepted", "expired"], &json!(0)));
    assert_eq!(text(&expired, "failure"), "not started by 2027-01-01T01:00:01.000Z, 1h after its triggerAt");
    assert_eq!(expired.get("expiresAt"), None, "{expired}");
    server.api.reaches(&in_time, "succeeded").await;
    let notice = notice(&receiver).await;
    assert_eq!((&notice["correlationId"], &notice["status"], &notice["failure"]), (&json!(late), &json!("expired"), &expired["failure"]));
    let list = server.api.get("/requests?status=expired").await.expect(200);
    assert_eq!(list["requests"][0]["correlationId"], json!(late), "{list}");

    let again = server.api.post(&format!("/requests/{late}/retry"), &json!({})).await.expect(202);
    assert_eq!(again.get("expiresAt"), None, "{again}");
    let done = server.api.reaches(&late, "succeeded").await;
    assert_eq!(events(&done), ["accepted", "expired", "retried", "started", "succeeded"]);
    assert_eq!(receiver.deliveries().iter().filter(|one| one.path == "/told").count(), 1, "one notice of one end");
}

#[tokio::test]
async fn a_request_expires_while_others_hold_all_places() {
    let receiver = Receiver::start(|_, _| Reply::ok("late").after(Duration::from_mins(1))).await;
    let url = receiver.url("/");
    let manifest = format!("[schedule]\nexpire-after = '1s'\n[targets]\nto = {{ kind = 'http', url = '{url}', timeout = '1m' }}\n");
    let server = Server::builder().use_case("hook", &manifest).arguments(&["--concurrency", "1"]).start().await;
    let first = server.api.submit("hook", json!({ "delay": "PT0S" })).await;
    eventually("the first delivery", async || (receiver.count() == 1).then_some(())).await;
    let second = server.api.submit("hook", json!({ "delay": "PT0S" })).await;
    server.api.reaches(&second, "expired").await;
    assert_eq!((text(&server.api.request(&first).await, "status"), receiver.count()), ("running", 1));
}

#[tokio::test]
async fn a_request_that_failed_for_now_or_was_moved_keeps_its_time() {
    let more = "[schedule]\nexpire-after = '5s'\n[retry]\nmax-attempts = 2\nbackoff = { initial = '1h' }\n";
    let mut server = Server::builder().use_case("puppet", &format!("{PUPPET}{more}")).test_clock().start().await;
    let failed = server.api.submit("puppet", json!({ "delay": "PT1S", "process": { "do": "retry", "untilAttempt": 2 } })).await;
    let moved = server.api.submit("puppet", json!({ "delay": "PT1S" })).await;
    let answer = server.api.patch(&format!("/requests/{moved}"), &json!({ "delay": "PT10S" })).await.expect(200);
    assert_eq!(text(&answer, "expiresAt"), "2027-01-01T00:00:15.000Z");
    server.api.advance("PT1S").await;
    server.stop().await;
    server.set_arguments(&["--test-clock", "2027-01-01T00:00:14.999Z"]);
    server.start().await;
    server.api.reaches(&moved, "succeeded").await;
    server.api.advance("P1D").await;
    assert_eq!(text(&server.api.request(&failed).await, "status"), "succeeded", "a request that has begun does not expire");
}

#[tokio::test]
async fn a_request_that_expires_during_a_pause_names_it() {
    let receiver = Receiver::accepting().await;
    let server = Server::builder().use_case("hook", &hook(&receiver)).test_clock().start().await;
    server.api.post("/use-cases/hook/pause", &json!({ "target": "to" })).await.expect(200);
    let id = server.api.submit("hook", json!({ "delay": "PT1S" })).await;
    server.api.advance("PT2H").await;
    let expired = server.api.reaches(&id, "expired").await;
    let failure = "not started by 2027-01-01T01:00:01.000Z, 1h after its triggerAt; it waited for the end of the pause of target to";
    assert_eq!(text(&expired, "failure"), failure);
    assert_eq!(text(&notice(&receiver).await, "failure"), failure);
}

#[tokio::test]
async fn a_request_that_expires_at_the_head_of_a_lane_leaves_the_rate_to_the_next() {
    let receiver = Receiver::accepting().await;
    let to = format!("to = {{ kind = 'http', url = '{}', rate = '1/m' }}", receiver.url("/"));
    let manifest = format!("[schedule]\nexpire-after = '30s'\n[targets]\n{to}\n");
    let server = Server::builder().use_case("hook", &manifest).test_clock().start().await;
    let mut ids = Vec::new();
    for delay in ["PT1S", "PT30S", "PT45S"] {
        ids.push(server.api.submit("hook", json!({ "delay": delay })).await);
    }
    server.api.advance("PT2M").await;
    let mut ends = Vec::new();
    for id in &ids {
        let request = server.api.request(id).await;
        ends.push((text(&request, "status").to_owned(), text(&request, "finishedAt").to_owned()));
    }
    let expected = [("succeeded", "00:00:01"), ("expired", "00:01:00"), ("succeeded", "00:01:00")];
    assert_eq!(ends, expected.map(|(status, at)| (status.to_owned(), format!("2027-01-01T{at}.000Z"))));
}
