//! The test clock: time passes only when a test advances it, and due requests then run in the order of their times.

use serde_json::{Value, json};

use crate::harness::{PUPPET, Receiver, START, Server, events, text};

#[tokio::test]
async fn a_week_passes_in_the_order_of_the_due_times() {
    let receiver = Receiver::accepting().await;
    let server = Server::builder().use_case("hook", &receiver.hook()).test_clock().start().await;
    // Every seventh hour of the week in scrambled order. 13 and 22 have no common divisor, so each hour occurs once.
    let hours: Vec<u64> = (0..22).map(|n| 7 * (n * 13 % 22 + 1)).collect();
    for hour in &hours {
        server.api.submit("hook", json!({ "delay": format!("PT{hour}H"), "hour": hour })).await;
    }
    let beyond = server.api.submit("hook", json!({ "delay": "P7DT0.001S", "hour": 0 })).await;
    let begun = std::time::Instant::now();
    server.api.advance("P7D").await;
    assert!(begun.elapsed().as_secs() < 60, "a week took {:?}", begun.elapsed());

    let came: Vec<u64> = receiver.deliveries().iter().filter_map(|delivery| delivery.json()["hour"].as_u64()).collect();
    let mut expected = hours;
    expected.sort_unstable();
    assert_eq!(came, expected);
    assert_eq!(server.api.get("/test-clock").await.expect(200)["now"], "2027-01-08T00:00:00.000Z");
    assert_eq!(text(&server.api.request(&beyond).await, "status"), "scheduled");
    let all = server.api.get("/requests?status=succeeded&limit=100").await.expect(200);
    for request in all["requests"].as_array().unwrap() {
        let whole = server.api.request(text(request, "correlationId")).await;
        assert_eq!(whole["history"][1]["at"], whole["triggerAt"], "a request starts exactly at its time: {whole}");
    }
}

#[tokio::test]
async fn the_back_off_of_a_retry_runs_on_the_test_clock() {
    let manifest = format!("{PUPPET}[retry]\nmax-attempts = 5\nbackoff = {{ initial = '1d', factor = 2, max = '10d', jitter = 0 }}\n");
    let server = Server::builder().use_case("puppet", &manifest).test_clock().start().await;
    let script = json!({ "do": "retry", "untilAttempt": 4 });
    let id = server.api.submit("puppet", json!({ "delay": "PT1H", "process": script })).await;
    server.api.advance("P8D").await;
    let done = server.api.request(&id).await;
    let starts: Vec<&Value> =
        done["history"].as_array().unwrap().iter().filter(|line| line["event"] == "started").map(|line| &line["at"]).collect();
    let expected = ["2027-01-01T01:00:00Z", "2027-01-02T01:00:00Z", "2027-01-04T01:00:00Z", "2027-01-08T01:00:00Z"];
    let expected: Vec<Value> = expected.iter().map(|at| json!(at.replace('Z', ".000Z"))).collect();
    assert_eq!(starts, expected.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn the_test_clock_stands_still_until_it_is_advanced_and_keeps_its_time_over_a_restart() {
    let mut server = Server::puppet().await;
    let id = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    assert_eq!(server.api.get("/test-clock").await.expect(200)["now"], START);
    let moved = server.api.post("/test-clock", &json!({ "advance": "PT30M" })).await.expect(200);
    assert_eq!(moved["now"], "2027-01-01T00:30:00.000Z");
    server.set_arguments(&["--test-clock"]);
    server.kill_and_start().await;
    assert_eq!(server.api.get("/test-clock").await.expect(200)["now"], "2027-01-01T00:30:00.000Z");
    assert_eq!(events(&server.api.request(&id).await), ["accepted"]);
    server.api.post("/test-clock", &json!({ "to": "2027-01-01T01:00:00Z" })).await.expect(200);
    assert_eq!(events(&server.api.request(&id).await), ["accepted", "started", "succeeded"]);
    server.stop().await;
    server.start().await;
    assert_eq!(server.api.get("/test-clock").await.expect(200)["now"], "2027-01-01T01:00:00.000Z");
}

#[tokio::test]
async fn the_test_clock_is_not_moved_beyond_the_year_9999_and_its_server_starts_again() {
    let mut server = Server::puppet().await;
    for body in [json!({ "advance": "P3000000D" }), json!({ "advance": "P3660000D" })] {
        server.api.post("/test-clock", &body).await.expect_fault(422, "test-clock-malformed");
    }
    server.api.post("/test-clock", &json!({ "to": "9999-12-31T23:59:59-01:00" })).await.expect_fault(422, "trigger-malformed");
    server.api.post("/test-clock", &json!({ "to": "9999-12-31T23:59:59Z" })).await.expect(200);
    server.set_arguments(&["--test-clock"]);
    server.kill_and_start().await;
    assert_eq!(server.api.get("/test-clock").await.expect(200)["now"], "9999-12-31T23:59:59.000Z");
    server.api.post("/requests/puppet", &json!({ "delay": "PT2S" })).await.expect_fault(422, "trigger-too-far");
}

#[tokio::test]
async fn a_data_directory_of_one_kind_of_clock_is_refused_on_the_other() {
    let mut server = Server::puppet().await;
    server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    server.stop().await;
    server.set_arguments(&[]);
    let said = server.second_refused().await;
    assert!(said.contains("test clock") && said.contains("--data"), "{said}");

    let mut server = Server::builder().use_case("puppet", PUPPET).start().await;
    server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    server.stop().await;
    server.set_arguments(&["--test-clock"]);
    let said = server.second_refused().await;
    assert!(said.contains("system clock") && said.contains("--data"), "{said}");
}
