//! Control of the flow: limits of a target, and pauses.

use std::time::Duration;

use postdate_core::limits::Rate;
use serde_json::json;

use crate::harness::{PUPPET, Receiver, Reply, Server, eventually, text};

/// Returns the manifest of a use case with the target `hook`, which has these limits, and the target `free`.
fn hooks(receiver: &Receiver, limits: &str) -> String {
    let (hook, free) = (receiver.url("/hook"), receiver.url("/free"));
    format!(
        "[targets]\ndefault = 'hook'\nhook = {{ kind = 'http', url = '{hook}', timeout = '2m', {limits} }}\n\
         free = {{ kind = 'http', url = '{free}' }}\n"
    )
}

fn count(receiver: &Receiver, path: &str) -> usize {
    receiver.deliveries().iter().filter(|delivery| delivery.path == path).count()
}

#[tokio::test]
async fn a_concurrency_holds_back_its_own_target_only_and_says_so() {
    let slow = |path: &str| if path == "/hook" { Duration::from_secs(100) } else { Duration::ZERO };
    let receiver = Receiver::start(move |delivery, _| Reply::ok("").after(slow(&delivery.path))).await;
    let server = Server::builder().use_case("orders", &hooks(&receiver, "concurrency = 2")).start().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(server.api.submit("orders", json!({ "delay": "PT0S" })).await);
    }
    eventually("both places to be taken", async || (count(&receiver, "/hook") == 2).then_some(())).await;
    let free = server.api.submit("orders", json!({ "delay": "PT0S", "target": "free" })).await;
    server.api.reaches(&free, "succeeded").await;
    let last = server.api.request(&ids[19]).await;
    assert_eq!((text(&last, "waitsFor"), &last["attempts"]), ("a place at target hook (2 of 2)", &json!(0)), "{last}");
    let page = server.api.get("/requests?useCase=orders&status=scheduled").await.expect(200);
    assert_eq!(page["requests"].as_array().map(Vec::len), Some(18));
    assert_eq!(text(&page["requests"][0], "waitsFor"), "a place at target hook (2 of 2)");
    assert_eq!(count(&receiver, "/hook"), 2, "nothing beyond the limit began");
}

#[tokio::test]
async fn a_limited_target_is_served_in_due_order_and_loses_nothing() {
    let receiver = Receiver::start(|_, _| Reply::ok("").after(Duration::from_millis(20))).await;
    let server = Server::builder().use_case("orders", &hooks(&receiver, "concurrency = 1")).start().await;
    let mut ids = Vec::new();
    for _ in 0..25 {
        ids.push(server.api.submit("orders", json!({ "delay": "PT0S" })).await);
    }
    for id in &ids {
        server.api.reaches(id, "succeeded").await;
    }
    let delivered: Vec<String> = receiver.deliveries().iter().map(|delivery| delivery.header("x-correlation-id").to_owned()).collect();
    assert_eq!(delivered, ids);
}

#[tokio::test]
async fn a_rate_is_kept_in_every_second_also_after_a_restart() {
    let receiver = Receiver::accepting().await;
    let mut server = Server::builder().use_case("orders", &hooks(&receiver, "rate = '7/s'")).start().await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(server.api.submit("orders", json!({ "delay": "PT0S" })).await);
    }
    eventually("some deliveries", async || (receiver.count() >= 7).then_some(())).await;
    server.stop().await;
    server.start().await;
    let rate: Rate = "7/s".parse().expect("a rate");
    let mut slots = Vec::new();
    for id in &ids {
        let done = server.api.reaches(id, "succeeded").await;
        let started = done["history"].as_array().and_then(|lines| lines.iter().rfind(|line| line["event"] == "started"));
        let at = started.and_then(|line| line["at"].as_str()).expect("a start");
        slots.push(rate.first_slot(at.parse().expect("a time")));
    }
    slots.sort_unstable();
    for window in slots.chunk_by(|a, b| a == b) {
        assert!(window.len() <= 7, "{} starts in one second", window.len());
    }
    assert_eq!(receiver.count(), 30);
}

#[tokio::test]
async fn a_rate_of_the_hour_lets_its_number_pass_and_the_rest_in_the_next_hour() {
    let receiver = Receiver::accepting().await;
    let server = Server::builder().use_case("orders", &hooks(&receiver, "rate = '3/h'")).test_clock().start().await;
    for _ in 0..7 {
        server.api.submit("orders", json!({ "delay": "PT1M" })).await;
    }
    server.api.advance("PT2M").await;
    eventually("the first hour's", async || (receiver.count() == 3).then_some(())).await;
    let waiting = server.api.get("/requests?status=scheduled").await.expect(200);
    assert_eq!(text(&waiting["requests"][0], "waitsFor"), "its turn at target hook (3/h)");
    server.api.advance("PT1H").await;
    eventually("the second hour's", async || (receiver.count() == 6).then_some(())).await;
    server.api.advance("PT1H").await;
    eventually("all", async || (receiver.count() == 7).then_some(())).await;
}

#[tokio::test]
async fn a_paused_target_waits_through_a_restart_and_runs_oldest_first_afterwards() {
    let receiver = Receiver::accepting().await;
    let mut server = Server::builder().use_case("orders", &hooks(&receiver, "concurrency = 1")).start().await;
    let paused = server.api.post("/use-cases/orders/pause", &json!({ "target": "hook" })).await.expect(200);
    assert_eq!(text(&paused["paused"][0], "target"), "hook");
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(server.api.submit("orders", json!({ "delay": "PT0S" })).await);
    }
    let free = server.api.submit("orders", json!({ "delay": "PT0S", "target": "free" })).await;
    server.api.reaches(&free, "succeeded").await;
    server.stop().await;
    server.start().await;
    let free = server.api.submit("orders", json!({ "delay": "PT0S", "target": "free" })).await;
    server.api.reaches(&free, "succeeded").await;
    assert_eq!(text(&server.api.request(&ids[0]).await, "waitsFor"), "the end of the pause of target hook");
    assert_eq!(count(&receiver, "/hook"), 0);
    let listed = server.api.use_case("orders").await.expect("the use case");
    assert_eq!(text(&listed["paused"][0], "target"), "hook");

    server.api.post("/use-cases/orders/resume", &json!({})).await.expect(200);
    for id in &ids {
        server.api.reaches(id, "succeeded").await;
    }
    let hook = receiver.deliveries().into_iter().filter(|delivery| delivery.path == "/hook");
    assert_eq!(hook.map(|delivery| delivery.header("x-correlation-id").to_owned()).collect::<Vec<_>>(), ids);
}

#[tokio::test]
async fn requests_run_oldest_first_after_a_pause_that_ends_by_itself() {
    let receiver = Receiver::accepting().await;
    let server = Server::builder().use_case("orders", &hooks(&receiver, "concurrency = 1")).test_clock().start().await;
    server.api.post("/use-cases/orders/pause", &json!({ "until": "2027-01-01T06:00:00Z" })).await.expect(200);
    let mut ids = Vec::new();
    for minutes in (1..=10).rev() {
        ids.insert(0, server.api.submit("orders", json!({ "delay": format!("PT{minutes}M") })).await);
    }
    server.api.advance("PT5H").await;
    assert_eq!(receiver.count(), 0);
    server.api.advance("PT1H").await;
    for id in &ids {
        server.api.reaches(id, "succeeded").await;
    }
    let delivered = receiver.deliveries().iter().map(|delivery| delivery.header("x-correlation-id").to_owned()).collect::<Vec<_>>();
    assert_eq!(delivered, ids);
}

#[tokio::test]
async fn a_pause_of_a_use_case_ends_by_itself() {
    let server = Server::builder().use_case("puppet", PUPPET).use_case("other", PUPPET).test_clock().start().await;
    server.api.post("/use-cases/puppet/pause", &json!({ "until": "2027-01-01T06:00:00Z" })).await.expect(200);
    let held = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    let other = server.api.submit("other", json!({ "delay": "PT1H" })).await;
    server.api.advance("PT5H").await;
    assert_eq!(text(&server.api.request(&other).await, "status"), "succeeded");
    let waiting = server.api.request(&held).await;
    assert_eq!((text(&waiting, "status"), text(&waiting, "waitsFor")), ("scheduled", "the end of the pause of use case puppet"));
    server.api.advance("PT1H").await;
    server.api.reaches(&held, "succeeded").await;
}
