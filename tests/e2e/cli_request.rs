//! `postdate request …` and `postdate use-case list`, the command-line client of the API.

use serde_json::{Value, json};

use crate::harness::{PUPPET, SECRET, Server, cli, cli_with, text};

const NOWHERE: &str = "http://127.0.0.1:1";

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}

#[tokio::test]
async fn a_request_is_posted_moved_cancelled_and_listed() {
    let server = Server::builder().use_case("puppet", PUPPET).start().await;
    let url = server.api.url.clone();
    let request = async |arguments: &[&str]| cli(&[&["request", "--url", &url], arguments].concat()).await;

    let posted = request(&["--json", "post", "puppet", "--in", "1h", "--body", r#"{"n":1}"#, "--idempotency-key", "k"]).await.expect(0);
    let posted = json_of(&posted.stdout);
    let id = text(&posted, "correlationId");
    let again = request(&["--json", "post", "puppet", "--in", "1h", "--body", r#"{"n":1}"#, "--idempotency-key", "k"]).await.expect(0);
    assert_eq!(json_of(&again.stdout), posted);
    request(&["post", "puppet", "--in", "PT2H"]).await.expect(0).says(&["scheduled puppet", "--wait"]);

    request(&["get", id]).await.expect(0).says(&[id, "scheduled", "accepted"]);
    request(&["list", "--status", "scheduled"]).await.expect(0).says(&["USE CASE", id, "puppet"]);
    let all = request(&["--json", "list", "--limit", "1", "--all"]).await.expect(0);
    let pages: Vec<Value> = all.stdout.lines().map(json_of).collect();
    assert_eq!(pages.iter().map(|page| page["requests"].as_array().unwrap().len()).sum::<usize>(), 2, "{pages:?}");

    request(&["get", id, "--wait=50ms"]).await.expect(1).complains(&["still scheduled after 50ms"]);
    request(&["move", id, "--in", "5h"]).await.expect(0).says(&[id, "is scheduled for"]);
    request(&["cancel", id]).await.expect(0).says(&[id, "is cancelled"]);
    let refused = request(&["cancel", id]).await.expect(1);
    refused.complains(&["not-scheduled", "HTTP 409", id]);
    assert_eq!(server.api.request(id).await["status"], "cancelled");
}

#[tokio::test]
async fn get_waits_for_the_end_and_retry_runs_a_failed_request_again() {
    let server = Server::builder().use_case("puppet", PUPPET).start().await;
    let url = server.api.url.clone();
    let request = async |arguments: &[&str]| cli(&[&["request", "--url", &url], arguments].concat()).await;

    let good = server.api.submit("puppet", json!({ "delay": "PT0.5S", "process": { "do": "succeed", "result": "well done" } })).await;
    request(&["get", &good, "--wait"]).await.expect(0).says(&["succeeded", "well done", "attempt 1"]);

    let bad = server.api.submit("puppet", json!({ "delay": "PT0S", "process": { "do": "fail", "message": "no such thing" } })).await;
    request(&["get", &bad, "--wait"]).await.expect(1).says(&["failed", "no such thing"]);
    request(&["retry", &bad]).await.expect(0).says(&[&bad]);
    request(&["get", &bad, "--wait"]).await.expect(1).says(&["retried", "attempt 2"]);
    request(&["retry", &good]).await.expect(1).complains(&["not-failed"]);
}

#[tokio::test]
async fn problems_are_shown_with_their_pointers_and_a_next_step() {
    let server = Server::puppet().await;
    let url = server.api.url.clone();
    let post = async |arguments: &[&str]| cli(&[&["request", "--url", &url, "post"], arguments].concat()).await;

    let body = r#"{"validate":{"do":"reject","pointer":"/quantity","code":"maximum","message":"too many"}}"#;
    let rejected = post(&["puppet", "--in", "1h", "--body", body]).await.expect(1);
    rejected.complains(&["rejected", "HTTP 422", "/quantity", "maximum", "too many", "correlation id", "next:"]);
    post(&["nothing", "--in", "1h"]).await.expect(1).complains(&["unknown-use-case", "postdate use-case list"]);
    let raw = cli(&["request", "--url", &url, "--json", "post", "puppet", "--in", "1h", "--body", body]).await.expect(1);
    assert_eq!(json_of(&raw.stdout)["problems"][0]["pointer"], "/quantity");

    // The client refuses arguments that it can check itself, without a call.
    for wrong in [&["puppet", "--at", "2027-03-01T09:00:00"][..], &["puppet", "--in", "soon"], &["puppet", "--in", "1h", "--body", "[1]"]] {
        assert_ne!(post(wrong).await.code, 0, "{wrong:?}");
    }
}

#[tokio::test]
async fn an_unreachable_server_or_a_missing_key_is_reported_with_the_next_step() {
    cli(&["request", "--url", NOWHERE, "list"]).await.expect(1).complains(&[NOWHERE, "postdate serve"]);
    let server = Server::builder().use_case("puppet", PUPPET).key(SECRET).start().await;
    let url = server.api.url.as_str();
    cli(&["request", "--url", url, "list"]).await.expect(1).complains(&["unauthorized", "POSTDATE_API_KEY"]);
    let variables = [("POSTDATE_URL", url), ("POSTDATE_API_KEY", SECRET)];
    cli_with(&variables, &["request", "list"]).await.expect(0);
    cli_with(&variables, &["use-case", "list"]).await.expect(0).says(&["NAME", "puppet", "here"]);
}

#[tokio::test]
async fn every_command_has_help_and_completions_and_help_shows_no_secret() {
    let help = cli(&["--help"]).await.expect(0);
    help.says(&["serve", "plugin", "request", "use-case", "completions", "Examples:"]);
    for command in ["serve", "plugin", "request", "use-case", "listen"] {
        cli(&[command, "--help"]).await.expect(0);
    }
    for shell in ["bash", "zsh", "fish"] {
        cli(&["completions", shell]).await.expect(0).says(&["postdate"]);
    }
    cli(&["frobnicate"]).await.expect(2);
    let key = cli_with(&[("POSTDATE_API_KEY", SECRET)], &["serve", "--help"]).await.expect(0);
    assert!(!key.stdout.contains(SECRET), "the help shows the key");
}
