//! The description of the API, `GET /openapi.json`: what it says holds for a server. The harness compares every answer of every test with
//! it, too.

use std::collections::BTreeSet;

use postdate_tests::openapi::{Call, calls, check, description};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, PUPPET, Server, root, text};

/// A sample of what every part of the API needs: `orders` is the use case of the examples, `puppet` fails when told to.
async fn server() -> Server {
    let retries = format!("{PUPPET}[retry]\nmax-attempts = 1\n");
    Server::builder().sample("orders", 9000).use_case("puppet", &retries).test_clock().start().await
}

/// Returns the statuses of the answers without an error.
fn successes(call: Call) -> Vec<u16> {
    let statuses = call.operation["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap());
    statuses.filter(|status| *status < 300).collect()
}

/// Sends a call whose answer may be no JSON, and compares it with its description.
async fn send(server: &Server, method: Method, path: &str, body: Option<&Value>) -> u16 {
    let call = server.api.call(method.clone(), path);
    let call = if let Some(body) = body { call.json(body) } else { call };
    let response = call.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    assert!(!headers["x-correlation-id"].is_empty(), "{method} {path}");
    let is_stream = headers["content-type"] == "text/event-stream";
    // The stream has no end.
    let bytes = if is_stream { Vec::new() } else { response.bytes().await.unwrap().to_vec() };
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    let document = serde_json::from_slice(&bytes).unwrap_or_default();
    if method != Method::HEAD && headers["content-type"].to_str().unwrap().ends_with("json") {
        check(method.as_str(), path, status, &document).unwrap();
    }
    status
}

async fn submit(server: &Server) -> String {
    server.api.submit("orders", json!({ "item": "book", "quantity": 1, "delay": "P7D" })).await
}

/// Returns the id of a request that has failed.
async fn failed(server: &Server) -> String {
    let failed = server.api.run("puppet", json!({ "process": { "do": "fail", "message": "no" } })).await;
    assert_eq!(text(&failed, "status"), "failed", "{failed}");
    text(&failed, "correlationId").to_owned()
}

/// Returns the path of a call, with names and ids for its variables.
async fn path_of(server: &Server, call: Call) -> String {
    let id = match call.path {
        "/requests/{id}/retry" => failed(server).await,
        path if path.contains("{id}") => submit(server).await,
        _ => String::new(),
    };
    call.path.replace("{id}", &id).replace("{use-case}", "orders").replace("{name}", "orders")
}

#[tokio::test]
async fn every_example_of_a_body_succeeds() {
    let server = server().await;
    let mut all: Vec<Call> = calls().collect();
    // The clock moves last, since the other examples are for its start.
    all.sort_by_key(|call| call.path == "/test-clock");
    // A use case of a directory has no former version; `uploads` rolls one of a store back.
    all.retain(|call| !call.path.ends_with("/rollback"));
    let mut count = 0;
    for call in all {
        for (name, example) in call.operation["requestBody"]["content"]["application/json"]["examples"].as_object().into_iter().flatten() {
            let path = path_of(&server, call).await;
            let status = send(&server, call.method.parse().unwrap(), &path, Some(&example["value"])).await;
            assert!(successes(call).contains(&status), "{} {}, example {name}: {status}", call.method, call.path);
            count += 1;
        }
    }
    assert!(count >= 11, "only {count} examples");
}

#[tokio::test]
async fn every_call_without_a_body_succeeds() {
    let server = server().await;
    let (mut count, mut without_example) = (0, Vec::new());
    for call in calls() {
        let body = &call.operation["requestBody"];
        if !body.is_null() {
            without_example.extend(body["content"]["application/json"].get("examples").is_none().then_some(call.path));
            continue;
        }
        let path = path_of(&server, call).await;
        let status = send(&server, call.method.parse().unwrap(), &path, None).await;
        assert!(successes(call).contains(&status), "{} {path}: {status}", call.method);
        count += 1;
    }
    assert!(count >= 20, "only {count} calls");
    // An archive is no example: the tests of uploads send some.
    assert_eq!(without_example, ["/use-cases/{name}"]);
}

#[tokio::test]
async fn every_example_of_a_query_parameter_is_taken() {
    let server = server().await;
    let mut count = 0;
    for call in calls().filter(|call| call.method == "GET") {
        let path = path_of(&server, call).await;
        for parameter in call.operation["parameters"].as_array().into_iter().flatten().filter(|parameter| parameter["in"] == "query") {
            let pairs = match &parameter["example"] {
                Value::Object(object) => object.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect(),
                Value::String(text) => vec![format!("{}={text}", text_of(parameter))],
                other => vec![format!("{}={other}", text_of(parameter))],
            };
            assert_eq!(send(&server, Method::GET, &format!("{path}?{}", pairs.join("&")), None).await, 200, "{pairs:?}");
            count += 1;
        }
    }
    assert!(count >= 12, "only {count} parameters");
}

fn text_of(parameter: &Value) -> &str {
    text(parameter, "name")
}

#[tokio::test]
async fn the_description_is_public_and_the_file_of_the_repository() {
    let server = Server::builder().use_case("puppet", PUPPET).key("key").start().await;
    let stranger = server.api.with_key(None);
    let file = std::fs::read_to_string(root().join("schemas/openapi.json")).unwrap();
    let response = stranger.call(Method::GET, "/openapi.json").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (200, "application/json"));
    assert!(response.text().await.unwrap() == file, "the server serves another description");
    let head = stranger.call(Method::HEAD, "/openapi.json").send().await.unwrap();
    assert_eq!(head.headers()["content-length"].to_str().unwrap(), file.len().to_string());
    let foreign = stranger.call(Method::GET, "/openapi.json").header("origin", "https://evil.example");
    stranger.send(foreign).await.expect_fault(403, "cross-origin");
    let post: Answer = stranger.send(stranger.call(Method::POST, "/openapi.json")).await;
    assert_eq!(post.header("allow"), "GET, HEAD");
    post.expect_fault(405, "method-not-allowed");
}

/// Returns the statuses and codes of the table in `docs/api.md`.
fn documented() -> BTreeSet<(u16, String)> {
    let page = std::fs::read_to_string(root().join("docs/api.md")).unwrap();
    let (_, table) = page.split_once("| status | code | meaning |").expect("docs/api.md has the table of errors");
    let rows = table.lines().map_while(|line| if line.is_empty() { Some(Vec::new()) } else { line.strip_prefix('|').map(cells) });
    let rows = rows.filter(|cells: &Vec<&str>| cells.len() >= 2 && !cells[0].starts_with("---"));
    let pairs = rows.flat_map(|cells| {
        let codes: Vec<String> = cells[1].split(',').map(|code| code.trim().trim_matches('`').to_owned()).collect();
        let statuses: Vec<u16> = cells[0].split(',').map(|status| status.trim().parse().unwrap()).collect();
        // `414, 431` stands before two codes, one for each.
        if statuses.len() > 1 {
            statuses.into_iter().zip(codes).collect()
        } else {
            codes.into_iter().map(|code| (statuses[0], code)).collect::<Vec<_>>()
        }
    });
    pairs.collect()
}

fn cells(row: &str) -> Vec<&str> {
    row.split('|').map(str::trim).collect()
}

#[test]
fn the_table_of_errors_has_the_codes_of_the_description() {
    let problems = description()["x-problems"].as_array().unwrap().iter();
    let described: BTreeSet<(u16, String)> = problems
        // `postdate ui` answers with this one; the page is not the API.
        .filter(|problem| problem["code"] != "unreachable")
        .flat_map(|problem| {
            let statuses = problem["statuses"].as_array().unwrap().iter();
            statuses.map(move |status| (u16::try_from(status.as_u64().unwrap()).unwrap(), text(problem, "code").to_owned()))
        })
        .collect();
    let documented = documented();
    let missing: Vec<_> = described.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&described).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "docs/api.md lacks {missing:?} and has {unknown:?}, which do not exist");
}
