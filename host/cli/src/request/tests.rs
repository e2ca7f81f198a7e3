use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request as Incoming;
use axum::http::StatusCode;
use clap::Parser;
use serde_json::json;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    command: RequestCommand,
}

/// Runs a command line against a server that answers the n-th call with `answers[n]`; also returns what it was asked.
async fn run_against(answers: Vec<(u16, serde_json::Value)>, arguments: &[&str]) -> (anyhow::Result<ExitCode>, Vec<String>) {
    crate::install_tls_provider();
    let asked: &'static Mutex<Vec<String>> = Box::leak(Box::default());
    let calls = AtomicUsize::new(0);
    let answer = move |request: Incoming| {
        let (status, body) = answers[calls.fetch_add(1, Ordering::Relaxed)].clone();
        async move {
            let (parts, content) = request.into_parts();
            let content = axum::body::to_bytes(content, 1 << 20).await.unwrap();
            let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
            let (authorization, key) = (header("authorization"), header("idempotency-key"));
            let line = format!("{} {} {authorization} {key} {}", parts.method, parts.uri, String::from_utf8_lossy(&content));
            asked.lock().unwrap().push(line.split_whitespace().collect::<Vec<_>>().join(" "));
            (StatusCode::from_u16(status).unwrap(), body.to_string())
        }
    };
    let answer = std::sync::Arc::new(answer);
    let router = Router::new().fallback(move |request: Incoming| answer(request));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let result = run_line(&url, arguments).await;
    let asked = asked.lock().unwrap().clone();
    (result, asked)
}

/// Runs a command line against the server at `url`.
pub async fn run_line(url: &str, arguments: &[&str]) -> anyhow::Result<ExitCode> {
    let line = [&["request", "--url", url, "--api-key", "k3y"], arguments].concat();
    run(Line::try_parse_from(line).unwrap().command).await
}

/// Returns the text of clap's refusal of a command line.
fn misread(arguments: &[&str]) -> String {
    Line::try_parse_from([&["request"], arguments].concat()).unwrap_err().to_string()
}

pub fn exit(result: anyhow::Result<ExitCode>) -> String {
    format!("{:?}", result.unwrap())
}

#[tokio::test]
async fn a_post_carries_key_and_body() {
    let accepted = json!({ "correlationId": "1", "status": "scheduled" });
    let arguments = ["post", "orders", "--in", "90s", "--body", "{\"n\":1.0}", "--target", "heavy", "--idempotency-key", "a"];
    let (result, asked) = run_against(vec![(202, accepted)], &arguments).await;
    assert_eq!(exit(result), exit(Ok(ExitCode::SUCCESS)));
    assert_eq!(asked, [r#"POST /requests/orders Bearer k3y a {"delay":"PT90S","n":1.0,"target":"heavy"}"#]);
}

#[tokio::test]
async fn waiting_ends_with_the_request() {
    let stands = |status: &str| (200, json!({ "correlationId": "1", "status": status }));
    let (result, asked) = run_against(vec![stands("scheduled"), stands("running"), stands("failed")], &["get", "--wait", "1"]).await;
    assert_eq!(exit(result), exit(Ok(ExitCode::FAILURE)));
    assert_eq!(asked.len(), 3);
    // One call waits for as long as every deployment allows.
    assert_eq!(asked[0], "GET /requests/1?wait=20000ms Bearer k3y");
    let (result, asked) = run_against(vec![stands("succeeded")], &["get", "1", "--wait=5s"]).await;
    assert_eq!(exit(result), exit(Ok(ExitCode::SUCCESS)));
    let wait: u64 = asked[0].split(['=', 'm']).nth(1).unwrap().parse().unwrap();
    assert!((4_000..=5_000).contains(&wait), "{asked:?}");
    let (result, asked) = run_against(vec![stands("scheduled")], &["get", "1"]).await;
    assert_eq!((exit(result), asked), (exit(Ok(ExitCode::SUCCESS)), vec!["GET /requests/1 Bearer k3y".to_owned()]));
    let (result, _) = run_against(vec![stands("scheduled"); 9], &["get", "1", "--wait=50ms"]).await;
    assert!(result.unwrap_err().to_string().contains("still scheduled after 50ms"));
}

#[tokio::test]
async fn a_body_of_another_server_or_an_error_is_no_body() {
    let gone = json!({ "correlationId": "1", "code": "erased", "detail": "the body was erased" });
    let (result, asked) = run_against(vec![(410, gone)], &["get", "1", "--body"]).await;
    assert!(result.unwrap_err().to_string().contains("erased (HTTP 410)"));
    assert_eq!(asked, ["GET /requests/1/body Bearer k3y"]);
    // The answer has no correlation id in its header.
    let (result, _) = run_against(vec![(200, json!({}))], &["get", "1", "--body"]).await;
    assert!(result.unwrap_err().to_string().contains("does not come from a Postdate API"));
}

#[tokio::test]
async fn filters_are_sent_as_parameters() {
    let page = || vec![(200, json!({ "correlationId": "c", "requests": [] }))];
    let (from, to) = ("2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z");
    let times = ["list", "--due-from", from, "--due-to", to, "--label", "customer=4=2", "--label", "region=eu"];
    let sent =
        "GET /requests?limit=50&dueFrom=2027-01-01T00%3A00%3A00Z&dueTo=2027-01-02T00%3A00%3A00Z&label.customer=4%3D2&label.region=eu";
    assert_eq!(run_against(page(), &times).await.1, [format!("{sent} Bearer k3y")]);
    let (_, asked) = run_against(page(), &["list", "--since", from, "--use-case", "orders"]).await;
    assert_eq!(asked, ["GET /requests?limit=50&useCase=orders&from=2027-01-01T00%3A00%3A00Z Bearer k3y"]);
    let (_, asked) = run_against(page(), &["list", "--ended-from", "-1d", "--ended-to", "now"]).await;
    assert!(asked[0].contains("endedFrom=20") && asked[0].contains("&endedTo=20"), "{asked:?}");
    assert!(misread(&["list", "--label", "customer"]).contains("NAME=VALUE"));
    assert!(misread(&["list", "--from", "yesterday"]).contains("-1d"));
}

#[tokio::test]
async fn all_pages_are_followed_only_where_asked_for() {
    let page = |next: Option<&str>| (200, json!({ "correlationId": "c", "requests": [], "nextCursor": next }));
    let (result, asked) = run_against(vec![page(Some("x")), page(None)], &["list", "--all", "--status", "failed", "--limit", "2"]).await;
    assert!(result.is_ok());
    assert_eq!(asked, ["GET /requests?limit=2&status=failed Bearer k3y", "GET /requests?limit=2&status=failed&cursor=x Bearer k3y"]);
    assert_eq!(run_against(vec![page(Some("x"))], &["list"]).await.1.len(), 1);
}

#[tokio::test]
async fn changes_go_to_their_request() {
    let changed = || vec![(200, json!({ "correlationId": "1", "status": "scheduled" }))];
    let at = "2027-01-01T00:00:00Z";
    assert_eq!(run_against(changed(), &["cancel", "1"]).await.1, ["DELETE /requests/1 Bearer k3y"]);
    assert_eq!(run_against(changed(), &["retry", "1"]).await.1, ["POST /requests/1/retry Bearer k3y"]);
    assert_eq!(run_against(changed(), &["erase", "1"]).await.1, ["POST /requests/1/erase Bearer k3y"]);
    let moved = format!("PATCH /requests/1 Bearer k3y {{\"triggerAt\":\"{at}\"}}");
    assert_eq!(run_against(changed(), &["move", "1", "--at", at]).await.1, [moved]);
    let moved = r#"PATCH /requests/1 Bearer k3y {"triggerAt":"2027-03-28T09:00:00[Europe/Berlin]"}"#;
    assert_eq!(run_against(changed(), &["move", "1", "--at", "2027-03-28 09:00", "--zone", "Europe/Berlin"]).await.1, [moved]);
}

#[tokio::test]
async fn a_problem_is_an_error_or_with_json_an_exit_code() {
    let problem = || vec![(409, json!({ "correlationId": "1", "code": "not-scheduled", "detail": "d" }))];
    let (result, _) = run_against(problem(), &["cancel", "1"]).await;
    assert!(result.unwrap_err().to_string().starts_with("d\n  code: not-scheduled (HTTP 409)"));
    let (result, _) = run_against(problem(), &["cancel", "1", "--json"]).await;
    assert_eq!(exit(result), exit(Ok(ExitCode::FAILURE)));
}

#[test]
fn a_change_names_ids_or_filters_and_a_move_names_one_time() {
    assert!(misread(&["cancel", "1", "--use-case", "orders"]).contains("cannot be used with"));
    assert!(misread(&["cancel", "1", "--dry-run"]).contains("cannot be used with"));
    assert!(misread(&["move", "--use-case", "orders"]).contains("--at"));
    assert!(misread(&["move", "1", "--at", "2027-01-01T00:00:00Z", "--in", "1h"]).contains("cannot be used with"));
    assert!(misread(&["retry", "--use-case", "orders", "--rate", "fast"]).contains("50/s"));
}
