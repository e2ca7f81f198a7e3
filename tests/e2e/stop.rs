//! SIGTERM: the server starts no new attempt, lets running ones finish within the grace period, and keeps the rest scheduled.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Receiver, Reply, Server, events, eventually, text};

/// Starts a server with one running and one scheduled request. Returns the server and both ids.
async fn running(receiver: &Receiver, grace: &str) -> (Server, String, String) {
    let hook = format!("[targets]\ndefault = 'hook'\nhook = {{ kind = 'http', url = '{}', timeout = '1m' }}\n", receiver.url("/"));
    let server = Server::builder().use_case("hook", &hook).arguments(&["--grace", grace]).start().await;
    let id = server.api.submit("hook", json!({ "delay": "PT0S" })).await;
    let later = server.api.submit("hook", json!({ "delay": "PT1H" })).await;
    server.api.reaches(&id, "running").await;
    eventually("the delivery", async || (receiver.count() == 1).then_some(())).await;
    (server, id, later)
}

#[tokio::test]
async fn a_running_attempt_finishes_within_the_grace_period() {
    let receiver = Receiver::start(|_, _| Reply::ok("in time").after(Duration::from_secs(2))).await;
    let (mut server, id, later) = running(&receiver, "30s").await;
    server.stop().await;
    server.start().await;
    let done = server.api.request(&id).await;
    assert_eq!((events(&done), text(&done, "result")), (vec!["accepted", "started", "succeeded"], "in time"));
    assert_eq!(events(&server.api.request(&later).await), ["accepted"]);
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn an_attempt_beyond_the_grace_period_is_released_for_the_next_start() {
    let receiver =
        Receiver::start(|_, before| if before == 0 { Reply::ok("too late").after(Duration::from_mins(1)) } else { Reply::ok("done") })
            .await;
    let (mut server, id, _) = running(&receiver, "200ms").await;
    server.stop().await;
    assert_eq!(receiver.count(), 1, "a stopping server must start no attempt");
    server.start().await;
    let done = server.api.reaches(&id, "succeeded").await;
    assert_eq!(events(&done), ["accepted", "started", "interrupted", "started", "succeeded"], "{done}");
    assert!(text(&done["history"][2], "detail").contains("stopped"), "{done}");
}

#[tokio::test]
async fn a_stopping_server_starts_no_request_that_falls_due() {
    let receiver = Receiver::start(|_, _| Reply::ok("in time").after(Duration::from_secs(5))).await;
    let (mut server, _, _) = running(&receiver, "30s").await;
    let due_soon = server.api.submit("hook", json!({ "delay": "PT3S" })).await;
    server.stop().await;
    assert_eq!(receiver.count(), 1);
    server.start().await;
    server.api.reaches(&due_soon, "succeeded").await;
    assert_eq!(receiver.count(), 2);
}
