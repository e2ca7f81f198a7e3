//! Restart after `kill -9`: no acknowledged request is lost, and none stays in status `running`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::harness::{Receiver, Reply, Server, events, eventually, sleep_until, text, time};

#[tokio::test]
async fn requests_that_fell_due_while_the_server_was_down_run_at_once_oldest_first() {
    let receiver = Receiver::accepting().await;
    let mut server = Server::builder().use_case("hook", &receiver.hook()).arguments(&["--concurrency", "1"]).start().await;
    let mut last = DateTime::<Utc>::MIN_UTC;
    for n in 0..20 {
        // Due 4 s from now and later, 20 ms apart, in scrambled order. All must be accepted before the first is due.
        let delay = format!("PT4.{:03}S", 20 * (n * 7 % 20));
        let answer = server.api.post("/requests/hook", &json!({ "delay": delay })).await.expect(202);
        last = last.max(time(&answer["triggerAt"]));
    }
    server.kill();
    assert_eq!(receiver.count(), 0, "a request fell due before the kill: the machine is too slow for this test");
    sleep_until(last).await;
    server.start().await;
    eventually("the delivery of all 20 requests", async || (receiver.count() == 20).then_some(())).await;

    let mut due = Vec::new();
    for delivery in receiver.deliveries() {
        let request = server.api.reaches(delivery.header("x-correlation-id"), "succeeded").await;
        assert_eq!(request["attempts"], 1);
        due.push(time(&request["triggerAt"]));
    }
    assert!(due.is_sorted(), "{due:?}");
}

#[tokio::test]
async fn a_request_that_runs_during_a_kill_is_interrupted_and_runs_again() {
    let receiver =
        Receiver::start(|_, before| if before == 0 { Reply::ok("never heard").after(Duration::from_mins(1)) } else { Reply::ok("done") })
            .await;
    let mut server = Server::builder().use_case("hook", &receiver.hook()).start().await;
    let id = server.api.submit("hook", json!({ "delay": "PT0S" })).await;
    let later = server.api.submit("hook", json!({ "delay": "PT1H" })).await;
    eventually("the delivery", async || (receiver.count() == 1).then_some(())).await;
    server.api.reaches(&id, "running").await;
    server.kill_and_start().await;

    let done = server.api.reaches(&id, "succeeded").await;
    assert_eq!(events(&done), ["accepted", "started", "interrupted", "started", "succeeded"], "{done}");
    assert_eq!((&done["attempts"], text(&done, "result")), (&json!(2), "done"));
    assert!(text(&done["history"][2], "detail").contains("server"), "{done}");
    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.iter().map(|delivery| delivery.header("x-postdate-attempt")).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(deliveries[0].header("idempotency-key"), deliveries[1].header("idempotency-key"), "both attempts carry the same key");
    assert_eq!(events(&server.api.request(&later).await), ["accepted"]);
}

#[tokio::test]
async fn a_request_fails_after_five_interruptions_and_names_the_reason() {
    let receiver = Receiver::start(|_, _| Reply::ok("never heard").after(Duration::from_mins(1))).await;
    let mut server = Server::builder().use_case("hook", &receiver.hook()).start().await;
    let id = server.api.submit("hook", json!({ "delay": "PT0S" })).await;
    for run in 1..=5 {
        eventually("the delivery", async || (receiver.count() == run).then_some(())).await;
        server.kill_and_start().await;
    }
    let failed = server.api.reaches(&id, "failed").await;
    assert!(text(&failed, "failure").contains("cut off 5 times"), "{failed}");
    assert_eq!(receiver.count(), 5);
}

#[tokio::test]
async fn every_state_survives_a_kill() {
    let receiver = Receiver::start(|delivery, _| Reply::status(if delivery.json()["fail"] == true { 404 } else { 200 })).await;
    let mut server = Server::builder().use_case("hook", &receiver.hook()).start().await;
    let done = server.api.submit("hook", json!({ "delay": "PT0S" })).await;
    let failed = server.api.submit("hook", json!({ "delay": "PT0S", "fail": true })).await;
    let cancelled = server.api.submit("hook", json!({ "delay": "PT1H" })).await;
    let moved = server.api.submit("hook", json!({ "delay": "PT1H" })).await;
    server.api.delete(&format!("/requests/{cancelled}")).await.expect(200);
    server.api.patch(&format!("/requests/{moved}"), &json!({ "delay": "PT2H" })).await.expect(200);
    server.api.reaches(&done, "succeeded").await;
    server.api.reaches(&failed, "failed").await;
    let mut before = Vec::new();
    for id in [&done, &failed, &cancelled, &moved] {
        before.push(server.api.request(id).await);
    }
    server.kill_and_start().await;
    for request in before {
        assert_eq!(server.api.request(text(&request, "correlationId")).await, request);
    }
}
