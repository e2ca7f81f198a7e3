//! The retry policy: back-off, jitter, `Retry-After`, exhausted attempts, permanent failures.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{PUPPET, Receiver, Reply, Server, events, text, time};

const POLICY: &str = "[retry]\nmax-attempts = 4\nbackoff = { initial = '10s', factor = 2, max = '30s', jitter = 0 }\n";

async fn server() -> Server {
    Server::builder().use_case("puppet", &format!("{PUPPET}{POLICY}")).test_clock().start().await
}

/// Returns the seconds between the end of each failed attempt and the start of the next.
fn waits(request: &Value) -> Vec<i64> {
    let history = request["history"].as_array().unwrap();
    let pairs = history.windows(2).filter(|pair| pair[0]["event"] == "attempt-failed");
    pairs.map(|pair| (time(&pair[1]["at"]) - time(&pair[0]["at"])).num_seconds()).collect()
}

#[tokio::test]
async fn retries_back_off_exponentially_up_to_the_maximum_until_one_succeeds() {
    let server = server().await;
    let script = json!({ "do": "retry", "untilAttempt": 4, "message": "not yet" });
    let id = server.api.submit("puppet", json!({ "delay": "PT1S", "process": script })).await;
    server.api.advance("PT1S").await;
    let waiting = server.api.request(&id).await;
    assert_eq!((text(&waiting, "status"), text(&waiting, "failure")), ("scheduled", "not yet, attempt 1"));
    assert_eq!(text(&waiting, "nextAttemptAt"), "2027-01-01T00:00:11.000Z");
    server.api.advance("PT9.999S").await;
    assert_eq!(server.api.request(&id).await["attempts"], 1, "no attempt starts before the back-off is over");
    server.api.advance("PT10M").await;
    let done = server.api.request(&id).await;
    assert_eq!(text(&done, "status"), "succeeded", "{done}");
    assert_eq!(waits(&done), [10, 20, 30], "10 s, twice that, and no more than 30 s");
    assert_eq!(text(&done["history"][2], "detail"), "not yet, attempt 1");
}

#[tokio::test]
async fn a_herd_that_failed_at_once_comes_back_spread() {
    let receiver =
        Receiver::start(|one, _| if one.header("x-postdate-attempt") == "1" { Reply::status(503) } else { Reply::ok("done") }).await;
    let manifest = format!("{}[retry]\nbackoff = {{ initial = '10m' }}\n", receiver.hook());
    let server = Server::builder().use_case("hook", &manifest).test_clock().start().await;
    let mut posts = JoinSet::new();
    for n in 0..1000 {
        let api = server.api.clone();
        posts.spawn(async move { api.submit("hook", json!({ "triggerAt": "2027-01-01T00:01:00Z", "n": n })).await });
        if posts.len() == 16 {
            posts.join_next().await.unwrap().unwrap();
        }
    }
    posts.join_all().await;
    server.api.advance("PT1M").await;
    let (mut waits, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.api.get(&format!("/requests?status=scheduled&limit=500{cursor}")).await.expect(200);
        let failed_at = time(&json!("2027-01-01T00:01:00Z"));
        waits.extend(page["requests"].as_array().unwrap().iter().map(|one| time(&one["nextAttemptAt"]) - failed_at));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    // From 10 to 12 minutes, in tenths of 12 s: about a hundred each.
    let tenth = |n: i64| TimeDelta::seconds(600 + 12 * n)..TimeDelta::seconds(612 + 12 * n);
    let tenths: Vec<usize> = (0..10).map(|n| waits.iter().filter(|wait| tenth(n).contains(*wait)).count()).collect();
    assert_eq!((waits.len(), tenths.iter().sum::<usize>()), (1000, 1000), "a wait is too short or too long: {tenths:?}");
    assert!(tenths.iter().all(|count| (40..160).contains(count)), "{tenths:?}");
    server.api.advance("PT10M4S").await;
    let came = receiver.count() - 1000;
    assert_eq!(came, waits.iter().filter(|wait| **wait <= TimeDelta::seconds(604)).count(), "only a few of them are due by now");
}

#[tokio::test]
async fn a_plugin_may_extend_the_back_off_but_not_shorten_it() {
    let server = server().await;
    let script = json!({ "do": "retry", "untilAttempt": 3, "retryAfterSeconds": 100 });
    let id = server.api.submit("puppet", json!({ "delay": "PT1S", "process": script })).await;
    server.api.advance("PT10M").await;
    assert_eq!(waits(&server.api.request(&id).await), [100, 100]);
    let script = json!({ "do": "retry", "untilAttempt": 3, "retryAfterSeconds": 1 });
    let id = server.api.submit("puppet", json!({ "delay": "PT1S", "process": script })).await;
    server.api.advance("PT10M").await;
    assert_eq!(waits(&server.api.request(&id).await), [10, 20], "a plugin cannot shorten the back-off");
}

#[tokio::test]
async fn a_request_fails_with_the_last_reason_after_its_last_attempt() {
    let server = server().await;
    let script = json!({ "do": "retry", "message": "the shop is closed" });
    let id = server.api.submit("puppet", json!({ "delay": "PT1S", "process": script })).await;
    server.api.advance("P1D").await;
    let failed = server.api.request(&id).await;
    assert_eq!((text(&failed, "status"), &failed["attempts"]), ("failed", &json!(4)));
    assert_eq!(text(&failed, "failure"), "the shop is closed, attempt 4");
    assert_eq!(events(&failed)[6..], ["attempt-failed", "started", "failed"]);
    assert_eq!(failed["nextAttemptAt"], json!(null));
    server.api.advance("P7D").await;
    assert_eq!(server.api.request(&id).await["attempts"], 4, "a failed request is not attempted again");
}

#[tokio::test]
async fn a_permanent_failure_is_not_retried() {
    let server = server().await;
    let done = server.api.run("puppet", json!({ "process": { "do": "fail", "message": "no such customer" } })).await;
    assert_eq!((text(&done, "status"), text(&done, "failure")), ("failed", "no such customer"));
    assert_eq!(events(&done), ["accepted", "started", "failed"]);
}

#[tokio::test]
async fn retry_after_of_an_http_target_is_honoured_as_seconds_and_as_a_date() {
    let receiver = Receiver::start(|_, before| match before {
        0 => Reply::status(429).header("retry-after", "120"),
        1 => Reply::status(503).header("retry-after", "Fri, 01 Jan 2027 01:00:00 GMT"),
        2 => Reply::status(500).header("retry-after", "nonsense"),
        _ => Reply::ok("done"),
    })
    .await;
    let hook = format!("{POLICY}{}", receiver.hook());
    let server = Server::builder().use_case("hook", &hook).test_clock().start().await;
    let id = server.api.submit("hook", json!({ "delay": "PT1S" })).await;
    server.api.advance("PT2H").await;
    let done = server.api.request(&id).await;
    assert_eq!((text(&done, "status"), text(&done, "result")), ("succeeded", "done"), "{done}");
    // First 120 s after 00:00:01, then at 01:00:00, then the policy's back-off after a third failure.
    assert_eq!(waits(&done), [120, 3600 - 121, 30]);
    assert_eq!(
        receiver.deliveries().iter().map(|delivery| delivery.header("x-postdate-attempt").to_owned()).collect::<Vec<_>>(),
        ["1", "2", "3", "4"]
    );
}

#[tokio::test]
async fn retry_after_of_years_waits_a_day_beyond_the_back_off() {
    let receiver = Receiver::start(|_, before| match before {
        // A Unix time, the largest number, and a date in five years in a form that RFC 9110 calls obsolete.
        0 => Reply::status(429).header("retry-after", "1767225600"),
        1 => Reply::status(503).header("retry-after", "18446744073709551615"),
        2 => Reply::status(503).header("retry-after", "Thursday, 01-Jan-32 00:00:00 GMT"),
        _ => Reply::ok("done"),
    })
    .await;
    let hook = format!("{POLICY}{}", receiver.hook());
    let server = Server::builder().use_case("hook", &hook).test_clock().start().await;
    let id = server.api.submit("hook", json!({ "delay": "PT1S" })).await;
    server.api.advance("P4D").await;
    let done = server.api.request(&id).await;
    assert_eq!((text(&done, "status"), waits(&done)), ("succeeded", vec![86_410, 86_420, 86_430]), "{done}");
}
