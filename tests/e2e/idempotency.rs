//! `Idempotency-Key`: a repeated key and body returns the first answer.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Client, PUPPET, Server, text};

/// Posts the body as text, because the key is bound to the exact bytes.
async fn post(api: &Client, use_case: &str, key: &str, body: &str) -> Answer {
    let call = api.call(Method::POST, &format!("/requests/{use_case}")).header("content-type", "application/json");
    api.send(call.header("idempotency-key", key).body(body.to_owned())).await
}

const BODY: &str = r#"{"delay":"PT1H","n":1}"#;

#[tokio::test]
async fn a_repeated_key_and_body_return_the_first_answer_after_any_later_change() {
    let mut server = Server::puppet().await;
    let first = post(&server.api, "puppet", "key", BODY).await;
    assert_eq!(first.status, 202);
    let same = async |server: &Server, when: &str| {
        let again = post(&server.api, "puppet", "key", BODY).await;
        assert_eq!((again.status, &again.body), (202, &first.body), "{when}");
        assert_eq!(again.header("location"), first.header("location"), "{when}");
    };
    same(&server, "at once").await;
    server.api.advance("PT10M").await;
    same(&server, "later, when the delay would yield another time").await;
    server.api.patch(first.header("location"), &json!({ "delay": "PT5H" })).await.expect(200);
    same(&server, "after the request was moved").await;
    server.api.advance("P1D").await;
    assert_eq!(server.api.request(text(&first.body, "correlationId")).await["status"], "succeeded");
    same(&server, "after the request ran").await;
    server.kill();
    server.set_arguments(&["--test-clock"]);
    server.start().await;
    same(&server, "after a crash").await;
    let all = server.api.get("/requests").await.expect(200);
    assert_eq!(all["requests"].as_array().unwrap().len(), 1, "{all}");
}

#[tokio::test]
async fn a_repeat_is_accepted_after_its_trigger_at_has_passed() {
    let server = Server::puppet().await;
    let body = r#"{"triggerAt":"2027-01-01T00:00:01Z"}"#;
    let first = post(&server.api, "puppet", "key", body).await.expect(202);
    server.api.advance("P7D").await;
    assert_eq!(post(&server.api, "puppet", "key", body).await.expect(202), first);
    post(&server.api, "puppet", "other key", body).await.expect_fault(422, "trigger-in-past");
}

#[tokio::test]
async fn another_body_under_the_same_key_is_a_409_that_names_the_first_request() {
    let server = Server::puppet().await;
    let first = post(&server.api, "puppet", "key", BODY).await.expect(202);
    // The last body is not JSON; the key is checked first.
    for other in [r#"{"delay":"PT1H","n":2}"#, r#"{"n":1,"delay":"PT1H"}"#, r#"{"delay":"PT1H","n":1} "#, "{"] {
        let fault = post(&server.api, "puppet", "key", other).await.expect_fault(409, "idempotency-key-reused");
        assert_eq!(fault["first"], first["correlationId"]);
    }
}

#[tokio::test]
async fn the_key_of_a_cancelled_request_is_a_409_that_names_it() {
    let server = Server::puppet().await;
    let first = post(&server.api, "puppet", "key", BODY).await;
    server.api.delete(first.header("location")).await.expect(200);
    let fault = post(&server.api, "puppet", "key", BODY).await.expect_fault(409, "idempotency-key-cancelled");
    assert_eq!(fault["first"], first.body["correlationId"]);
    assert!(text(&fault, "detail").contains("was cancelled"), "{fault}");
    post(&server.api, "puppet", "another key", BODY).await.expect(202);
}

#[tokio::test]
async fn a_key_is_scoped_to_its_use_case_and_a_refused_request_does_not_claim_it() {
    let server = Server::builder().use_case("one", PUPPET).use_case("two", PUPPET).test_clock().start().await;
    let one = post(&server.api, "one", "key", BODY).await.expect(202);
    let two = post(&server.api, "two", "key", BODY).await.expect(202);
    assert_ne!(one["correlationId"], two["correlationId"]);
    post(&server.api, "one", "fresh", r#"{"delay":"never"}"#).await.expect_fault(422, "trigger-malformed");
    post(&server.api, "one", "fresh", BODY).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_concurrent_posts_with_one_key_create_one_request() {
    let server = Server::puppet().await;
    for round in 0..5 {
        let key = format!("key-{round}");
        let posts: Vec<_> = (0..20)
            .map(|_| {
                let (api, key) = (server.api.clone(), key.clone());
                tokio::spawn(async move { post(&api, "puppet", &key, BODY).await })
            })
            .collect();
        let mut answers = Vec::new();
        for post in posts {
            answers.push(post.await.unwrap().expect(202));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    }
    let all = server.api.get("/requests").await.expect(200);
    assert_eq!(all["requests"].as_array().unwrap().len(), 5, "{all}");
}

/// Returns the numbers of transactions that the ledger has made, and of changes in them.
async fn commits(api: &Client) -> (u64, u64) {
    let metrics = api.call(Method::GET, "/metrics").send().await.expect("an answer").text().await.expect("text");
    let value = |name: &str| {
        let sample = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        // A sum has a fraction, which is zero.
        let value = sample.and_then(|value| value.split('.').next()?.parse::<u64>().ok());
        value.unwrap_or_else(|| panic!("no {name} in {metrics}"))
    };
    (value("postdate_ledger_commit_seconds_count"), value("postdate_ledger_commit_changes_sum"))
}

#[tokio::test]
async fn a_batch_is_stored_whole_and_repeated_safely_under_one_key() {
    let mut server = Server::puppet().await;
    // One item is refused by its time, and one by its form.
    let mut items: Vec<String> = (0..498).map(|n| format!(r#"{{"delay":"PT1H","n":{n}}}"#)).collect();
    items.insert(7, r#"{"triggerAt":"2020-01-01T00:00:00Z"}"#.to_owned());
    items.insert(300, "[]".to_owned());
    let body = format!("[{}]", items.join(","));
    let before = commits(&server.api).await;
    let first = post(&server.api, "puppet/batch", "key", &body).await.expect(200);
    let outcomes = first["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 500);
    for (n, outcome) in outcomes.iter().enumerate() {
        let expected = match n {
            7 => 422,
            300 => 400,
            _ => 202,
        };
        assert_eq!(outcome["status"], expected, "item {n}: {outcome}");
    }
    let (transactions, changes) = commits(&server.api).await;
    assert_eq!((transactions - before.0, changes - before.1), (1, 1), "the batch is one change of the ledger, in one transaction");
    server.kill();
    server.set_arguments(&["--test-clock"]);
    server.start().await;
    let accepted = |outcomes: &serde_json::Value| -> Vec<serde_json::Value> {
        outcomes.as_array().unwrap().iter().filter(|outcome| outcome["status"] == 202).cloned().collect()
    };
    let again = post(&server.api, "puppet/batch", "key", &body).await.expect(200);
    assert_eq!(accepted(&again["outcomes"]), accepted(&first["outcomes"]), "after a crash");
    server.api.advance("PT2H").await;
    let last = server.api.request(text(&outcomes[499]["body"], "correlationId")).await;
    assert_eq!((&last["status"], &last["attempts"]), (&json!("succeeded"), &json!(1)));
    let done = server.api.get("/requests?status=succeeded&limit=500").await.expect(200);
    assert_eq!(done["requests"].as_array().unwrap().len(), 498);
}
