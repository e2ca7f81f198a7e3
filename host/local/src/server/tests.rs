use std::collections::BTreeSet;
use std::path::Path;

use postdate_core::lifecycle::Change;
use postdate_core::pause::Pause;
use postdate_core::plugin::{Role, Stopped};
use postdate_core::ports::{Intake as _, Pauses as _};
use postdate_core::request::Status;
use postdate_core::testing::{new_request, sample_id};
use postdate_runtime::trust::Trust;
use postdate_runtime::{EndedCall, Options, Runtime, Secrets};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::catalog::{CatalogOptions, Quotas};

const SHORT: Duration = Duration::from_millis(600);
const LIMITS: ConnectionLimits =
    ConnectionLimits { head: SHORT, body: SHORT, upload: Duration::from_mins(1), answer: SHORT, connections: 8 };
/// Longest wait for the server. A server without time limits fails the tests after it.
const BOUND: Duration = Duration::from_secs(20);
/// Pause between two pieces of a slow upload: a third of the limit. All pieces together take twice the limit.
const SLOW_PIECE: Duration = Duration::from_millis(200);

struct Server {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    ledger: SqliteLedger,
    _directory: TempDir,
}

impl Server {
    async fn start() -> Self {
        Self::with(LIMITS).await
    }

    async fn with(limits: ConnectionLimits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let runtime = Runtime::new(Options { slots: 1, cache: None, ..Options::default() }).unwrap();
        let secrets = Secrets::none();
        let options = CatalogOptions {
            directory: data.to_owned(),
            store: data.join("store"),
            quotas: Quotas { use_cases: usize::MAX, store_bytes: u64::MAX, loaded_bytes: u64::MAX },
            trust: Trust::default(),
            names: Vec::new(),
        };
        let use_cases = Catalog::open(runtime, secrets, options).unwrap();
        let ledger = SqliteLedger::open(&data.join("ledger.sqlite")).unwrap();
        let api = Api { use_cases, ledger: ledger.clone(), scheduler: TimerHandle::new(ledger.paused().clone()), base_path: String::new() };
        let auth = Auth::open(Some("key"), None, true).unwrap();
        let app = App {
            api,
            auth,
            clock: Clock::System,
            test_clock: None,
            scratch: data.to_owned(),
            limits,
            names: Vec::new(),
            batches: FairSemaphore::new(BATCHES),
            waits: FairSemaphore::new(limits.connections / 2),
            traces: Traces::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let serving = tokio::spawn(serve(listener, app, stop.clone()));
        Self { address, stop, serving, ledger, _directory: directory }
    }

    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

/// Returns what the server sends until it closes the connection.
async fn to_end(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut text = String::new();
    timeout(BOUND, stream.read_to_string(&mut text)).await.expect("the connection stays open").unwrap();
    text
}

#[track_caller]
fn check(answer: &str, status: &str, code: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains("content-type: application/problem+json"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["code"], code, "{body}");
}

fn head(method: &str, path: &str, key: &str, length: usize) -> String {
    let kind = if method == "PUT" { "application/x-tar" } else { "application/json" };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\nauthorization: Bearer {key}\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn half_a_request_head_is_cut_off_after_the_limit() {
    let server = Server::start().await;
    assert_eq!(to_end(server.send("GET /health HTTP/1.1\r\nhost: h").await).await, "");
    assert_eq!(to_end(server.send("").await).await, "");
}

#[tokio::test]
async fn a_body_that_stops_is_a_408_and_closes_the_connection() {
    let server = Server::start().await;
    for (method, path) in [("POST", "/requests/orders"), ("PUT", "/use-cases/orders")] {
        let answer = to_end(server.send(&(head(method, path, "key", 100) + "{\"delay\"")).await).await;
        check(&answer, "408", "body-timeout");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_without_the_key_is_not_waited_for() {
    let server = Server::with(ConnectionLimits { body: 2 * BOUND, ..LIMITS }).await;
    for (method, path) in [("POST", "/requests/orders"), ("PUT", "/use-cases/orders"), ("POST", "/test-clock")] {
        let mut stream = server.send(&head(method, path, "other", 100)).await;
        let answer = to_end(&mut stream).await;
        check(&answer, "401", "unauthorized");
        assert!(answer.contains("connection: close") && answer.contains("www-authenticate: Bearer"), "{answer}");
    }
}

#[tokio::test]
async fn the_answer_to_a_large_refused_body_arrives() {
    let server = Server::start().await;
    let (read, mut write) = server.send(&head("POST", "/requests/orders", "other", 64 << 20)).await.into_split();
    let sending = tokio::spawn(async move { while write.write_all(&[b' '; 4096]).await.is_ok() {} });
    let answer = timeout(BOUND, read_answer(read)).await.expect("no answer");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    timeout(BOUND, sending).await.expect("the server reads on").unwrap();
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_off_after_the_limit() {
    let server = Server::start().await;
    let (read, mut write) = server.send("GET /health HTTP/1.1\r\nx: ").await.into_split();
    let trickle = tokio::spawn(async move {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SLOW_PIECE / 4).await;
        }
    });
    let mut end = Vec::new();
    // The server may reset the connection, since the client still sends.
    let ended = timeout(BOUND, tokio::io::AsyncReadExt::take(read, 1).read_to_end(&mut end)).await;
    ended.expect("the connection stays open").unwrap_or_default();
    assert!(end.is_empty());
    timeout(BOUND, trickle).await.expect("the connection stays open").unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = Server::start().await;
    let mut stream = server.send("").await;
    let calls = "GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1000);
    let sending = timeout(BOUND, async { while stream.write_all(calls.as_bytes()).await.is_ok() {} });
    sending.await.expect("the connection stays open");
}

#[tokio::test]
async fn half_sent_requests_do_not_lock_others_out() {
    let server = Server::with(ConnectionLimits { head: 2 * BOUND, body: 2 * BOUND, ..LIMITS }).await;
    let mut held = Vec::new();
    for n in 0..5 * LIMITS.connections {
        let part = if n % 2 == 0 { "GET /health HTTP/1.1\r\nho".to_owned() } else { head("POST", "/requests/orders", "key", 100) + "{" };
        held.push(server.send(&part).await);
    }
    let answer = timeout(BOUND, read_answer(server.send("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await)).await;
    assert!(answer.expect("no answer").starts_with("HTTP/1.1 200 "));
    let first = held.swap_remove(0);
    timeout(BOUND, read_answer(first)).await.expect("the oldest connection stays open");
}

#[tokio::test]
async fn a_connection_without_a_place_is_answered_503() {
    let server = Server::with(ConnectionLimits { connections: 0, ..LIMITS }).await;
    let answer = to_end(server.send("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await).await;
    check(&answer, "503", "too-many-connections");
    assert!(answer.contains("retry-after: 1\r\n") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn bytes_that_are_not_http_are_answered_with_a_problem() {
    let server = Server::start().await;
    let long = "a".repeat(70_000);
    let many = "x: y\r\n".repeat(101);
    for (request, status, code) in [
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n".to_owned(), "400", "malformed-request"),
        ("\u{1}\u{2}\r\n\r\n".to_owned(), "400", "malformed-request"),
        ("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n".to_owned(), "400", "malformed-request"),
        (format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n"), "414", "uri-too-long"),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"), "431", "headers-too-large"),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {long}{long}\r\n\r\n"), "431", "headers-too-large"),
    ] {
        let answer = to_end(server.send(&request).await).await;
        check(&answer, status, code);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(head.contains(&format!("x-correlation-id: {}", body["correlationId"].as_str().unwrap())), "{head}");
    }
    // The answer to the call before is untouched.
    let both = to_end(server.send("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nbad\r\n\r\n").await).await;
    assert!(both.starts_with("HTTP/1.1 200 ") && both.contains("malformed-request"), "{both}");
}

#[tokio::test]
async fn every_path_refuses_other_hosts_and_origins() {
    let server = Server::start().await;
    for (method, path) in [
        ("GET", "/health"),
        ("GET", "/openapi.json"),
        ("GET", "/requests"),
        ("POST", "/requests/orders"),
        ("PUT", "/use-cases/orders"),
        ("GET", "/use-cases"),
        ("POST", "/test-clock"),
        ("OPTIONS", "*"),
        ("GET", "/nothing"),
        ("PUT", "/use-cases/%ff"),
        ("DELETE", "//"),
    ] {
        for (headers, status, code) in [
            ("", "400", "bad-host"),
            ("host: localhost\r\nhost: localhost\r\n", "400", "bad-host"),
            ("host: evil.example\r\n", "421", "unknown-host"),
            ("host: localhost\r\norigin: https://evil.example\r\n", "403", "cross-origin"),
            ("host: localhost\r\nsec-fetch-site: cross-site\r\n", "403", "cross-origin"),
        ] {
            let call = format!("{method} {path} HTTP/1.1\r\n{headers}authorization: Bearer key\r\nconnection: close\r\n\r\n");
            check(&to_end(server.send(&call).await).await, status, code);
        }
    }
}

#[tokio::test]
async fn odd_paths_are_answered_with_a_problem() {
    let server = Server::start().await;
    for (method, path, status, code) in [
        ("PUT", "/use-cases/%ff", "404", "unknown-use-case"),
        ("PUT", "/use-cases/..", "404", "unknown-use-case"),
        ("OPTIONS", "*", "404", "not-found"),
        ("CONNECT", "localhost:80", "404", "not-found"),
        ("GET", "/%ff", "404", "not-found"),
    ] {
        let call = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer key\r\nconnection: close\r\n\r\n");
        check(&to_end(server.send(&call).await).await, status, code);
    }
    let untyped = "PUT /use-cases/orders HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer key\r\ncontent-length: 0\r\n\r\n";
    check(&to_end(server.send(untyped).await).await, "415", "unsupported-media-type");
}

#[test]
fn every_path_of_the_server_is_in_the_description_of_the_api() {
    let description: serde_json::Value = serde_json::from_str(postdate_core::api::OPENAPI).unwrap();
    for (path, _, _) in ROUTES {
        assert!(description["paths"][path].is_object(), "schemas/openapi.json lacks {path}");
    }
}

#[tokio::test]
async fn a_path_takes_the_methods_of_its_route_and_answers_others_with_them() {
    let server = Server::start().await;
    for (path, allowed, _) in ROUTES {
        let path = path.replace("{name}", "orders");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            let call = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer key\r\nconnection: close\r\n\r\n");
            let mut stream = server.send(&call).await;
            // The stream of changes does not end.
            let mut answer = vec![0; 4096];
            let read = timeout(Duration::from_secs(30), stream.read(&mut answer)).await.expect("an answer in time").unwrap();
            let answer = String::from_utf8_lossy(&answer[..read]).to_ascii_lowercase();
            let is_refused = answer.starts_with("http/1.1 405");
            assert_eq!(is_refused, !allowed.split(", ").any(|one| one == method), "{method} {path}: {answer}");
            assert_eq!(is_refused, answer.contains(&format!("\r\nallow: {}\r\n", allowed.to_ascii_lowercase())), "{answer}");
        }
    }
}

#[tokio::test]
async fn head_is_the_head_of_get() {
    let server = Server::start().await;
    for path in ["/health", "/openapi.json", "/requests", "/use-cases", "/nothing"] {
        let call =
            |method| format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer key\r\nconnection: close\r\n\r\n");
        let (head, get) = (to_end(server.send(&call("HEAD")).await).await, to_end(server.send(&call("GET")).await).await);
        let (get, body) = get.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.lines().next(), get.lines().next(), "{path}");
        let length = format!("content-length: {}\r\n", body.len());
        assert!(head.ends_with("\r\n\r\n") && head.contains(&length) && get.contains(&length), "{head}\n{get}");
    }
}

/// Returns the names of metrics in a text.
fn names_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("postdate_")).collect()
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_use_metrics_that_are_shown() {
    let server = Server::start().await;
    let new = new_request(sample_id(1), "orders", chrono::Utc::now() - Duration::from_mins(1));
    let (metrics, request) = (server.ledger.metrics(), new.request.clone());
    server.ledger.insert(new.clone().into()).await.unwrap();
    let pause = Pause { use_case: "orders".to_owned(), target: None, since: chrono::Utc::now(), until: None, by: None };
    server.ledger.pause(pause).await.unwrap();
    metrics.rejected(None, "unknown-use-case");
    metrics.started(&request);
    metrics.began(&request, chrono::Utc::now());
    drop(metrics.running("orders", "processor"));
    let stopped = Some(&Stopped::Memory(1));
    metrics.called(EndedCall { use_case: "orders", role: Role::Process, elapsed: SHORT, peak_memory: 1, stopped });
    let ended = postdate_core::request::Request { status: Status::Failed, ..request };
    metrics.changed(&Change::Release { claim: 1, reason: String::new(), notice: Some(Box::new(new)) }, &ended);
    metrics.changed(&Change::Defer { claim: 1, waits_for: String::new(), at: ended.due_at }, &ended);
    metrics.changed(&Change::Retry { by: None }, &ended);
    let call = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer key\r\nconnection: close\r\n\r\n";
    let answer = to_end(server.send(call).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("# EOF\n"), "{answer}");
    let shown = names_in(&answer);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/observability");
    for file in ["grafana.json", "alerts.yaml", "alerts-test.yaml"] {
        let text = std::fs::read_to_string(directory.join(file)).unwrap();
        let used = names_in(&text);
        assert!(used.len() > 5, "{file}: {used:?}");
        assert!(used.is_subset(&shown), "{file}: {:?} are not among {shown:?}", used.difference(&shown));
    }
    // Each metric that is shown is also described.
    let document = std::fs::read_to_string(directory.join("../../docs/operations.md")).unwrap();
    for name in answer.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(document.contains(&format!("`{name}")), "docs/operations.md lacks {name}");
    }
}

#[tokio::test]
async fn a_body_that_trickles_beyond_the_limit_is_a_408() {
    let server = Server::start().await;
    let (read, mut write) = server.send(&head("POST", "/requests/orders", "key", 1000)).await.into_split();
    let trickle = tokio::spawn(async move {
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(SLOW_PIECE / 4).await;
        }
    });
    let answer = timeout(BOUND, read_answer(read)).await.expect("no answer");
    trickle.abort();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

/// Returns the first bytes of the answer. The rest may be lost: a server that closes resets a connection that still sends.
async fn read_answer(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut bytes = [0; 64];
    let count = stream.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

#[tokio::test]
async fn an_upload_that_makes_progress_outlasts_the_limit() {
    let server = Server::start().await;
    let pieces = 6;
    let mut stream = server.send(&head("PUT", "/use-cases/orders", "key", pieces)).await;
    for _ in 0..pieces {
        tokio::time::sleep(SLOW_PIECE).await;
        stream.write_all(b"x").await.unwrap();
    }
    // The archive is malformed, so the answer shows that all of it was read.
    check(&to_end(&mut stream).await, "422", "bundle-refused");
}

#[tokio::test]
async fn a_stop_closes_idle_connections() {
    let server = Server::start().await;
    let mut stream = server.send("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
    server.stop.cancel();
    timeout(LIMITS.head / 2, server.serving).await.expect("an idle connection delays the stop").unwrap();
}
