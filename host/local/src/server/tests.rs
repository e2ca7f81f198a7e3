use postdate_runtime::trust::Trust;
use postdate_runtime::{Options, Runtime, Secrets};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;

const LIMITS: Limits = Limits { head: Duration::from_millis(600), body: Duration::from_millis(600) };
/// Longest wait for the server. A server without time limits fails the tests after it.
const BOUND: Duration = Duration::from_secs(20);
/// Pause between two pieces of a slow upload: a third of the limit. All pieces together take twice the limit.
const SLOW_PIECE: Duration = Duration::from_millis(200);

struct Server {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    _directory: TempDir,
}

impl Server {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let runtime = Runtime::new(Options { slots: 1, cache: None, ..Options::default() }).unwrap();
        let secrets = Secrets::none();
        let use_cases = Catalog::open(runtime, secrets, data.to_owned(), data.join("store"), Trust::new(Vec::new())).unwrap();
        let ledger = SqliteLedger::open(&data.join("ledger.sqlite")).unwrap();
        let api = Api { use_cases, ledger, scheduler: Wake::default(), base_path: String::new() };
        let auth = Auth::open(Some("key"), None, true).unwrap();
        let app = App { api, auth, clock: Clock::System, test_clock: None, scratch: data.to_owned(), limits: LIMITS };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let serving = tokio::spawn(serve(listener, app, stop.clone()));
        Self { address, stop, serving, _directory: directory }
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
    format!("{method} {path} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {key}\r\ncontent-length: {length}\r\n\r\n")
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
async fn a_refused_upload_that_stops_is_answered_after_the_limit() {
    let server = Server::start().await;
    let mut stream = server.send(&(head("PUT", "/use-cases/orders", "other", 100) + "tar")).await;
    check(&to_end(&mut stream).await, "401", "unauthorized");
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
    let mut stream = server.send("GET /health HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
    server.stop.cancel();
    timeout(LIMITS.head / 2, server.serving).await.expect("an idle connection delays the stop").unwrap();
}
