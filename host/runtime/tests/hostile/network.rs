//! HTTP from processors: hostile servers at granted origins, and the limits of a call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use postdate_runtime::LoadedBundle;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::host::{Host, bundle, hosts, run, turn};

/// A server on this machine that counts its connections.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// Number of connections that the host has closed.
    closed: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a server that answers each connection with `first`, and then with `again` in an endless loop, `pause` apart.
    async fn start(first: &'static [u8], again: &'static [u8], pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, closed) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counters = (Arc::clone(&connections), Arc::clone(&closed));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counters.0.fetch_add(1, Ordering::SeqCst);
                let closed = Arc::clone(&counters.1);
                tokio::spawn(async move {
                    let _ = talk(stream, first, again, pause).await;
                    closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, connections, closed }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Fails unless the host closes every connection within 5 s.
    async fn is_left_alone(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        while self.closed.load(Ordering::SeqCst) < self.connections() {
            assert!(Instant::now() < until, "a connection outlives its call");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn talk(stream: TcpStream, first: &[u8], again: &[u8], pause: Duration) -> std::io::Result<()> {
    let (mut from, mut to) = stream.into_split();
    // Read the request first: an answer before the request would be another fault.
    let _ = from.read(&mut [0; 1024]).await?;
    // The read ends when the other side closes the connection.
    let left = async { tokio::io::copy(&mut from, &mut tokio::io::sink()).await.map(drop) };
    let writes = async {
        to.write_all(first).await?;
        loop {
            to.write_all(again).await?;
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! { left = left => left, written = writes => written }
}

/// Loads the puppet as a processor with these granted origins.
async fn granted(host: &Host, origins: &[String], timeout: &str) -> LoadedBundle {
    let built = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests/components").into();
    let dir = std::env::var_os("POSTDATE_GUESTS").unwrap_or_else(built);
    let path = std::path::Path::new(&dir).join("puppet.wasm");
    let wasm = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins` first", path.display()));
    let lines = format!("timeout = '{timeout}'\nallow-http = {}\n", json!(origins));
    host.load(&bundle(&lines, wasm)).await.unwrap()
}

/// Calls the server from each host. The call must end within 3 s as `says`, release its memory, and close its connection.
async fn check_server(server: Server, timeout: &str, says: &str) {
    let _turn = turn().await;
    let origin = format!("http://{}", server.address);
    for host in hosts() {
        let plugin = granted(host, std::slice::from_ref(&origin), timeout).await;
        let before = crate::host::resident();
        let started = Instant::now();
        let report = run(&plugin, &json!({ "process": { "do": "http", "url": origin } }).to_string()).await;
        let took = started.elapsed();
        let outcome = match report.result {
            Err(error) => error.to_string(),
            Ok(Err(failure)) => failure.message,
            Ok(Ok(result)) => result.unwrap_or_default().chars().take(40).collect(),
        };
        println!("{}: {outcome}", host.name);
        assert!(outcome.contains(says), "{}: {outcome}", host.name);
        assert!(took < Duration::from_secs(3), "{}: {took:?}", host.name);
        assert!(crate::host::resident().saturating_sub(before) < 48 << 20, "{}", host.name);
        server.is_left_alone().await;
        host.serves().await;
    }
    assert_eq!(server.connections(), 2);
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_silent_or_answers_without_end_does_not_hold_a_call() {
    check_server(Server::start(b"", b"", Duration::from_mins(1)).await, "300ms", "its timeout of 300ms").await;
    check_server(Server::start(HEAD, b"x", Duration::from_millis(20)).await, "300ms", "its timeout of 300ms").await;
    // The puppet reads 64 KiB of the body and drops the rest.
    check_server(Server::start(HEAD, &[b'x'; 16_384], Duration::ZERO).await, "2s", "{\"body\":\"xxxx").await;
    let lines = "x-more: and more and more and more\r\n".repeat(1000).into_bytes().leak();
    check_server(Server::start(b"HTTP/1.1 200 OK\r\n", lines, Duration::ZERO).await, "2s", "no answer").await;
    // Bytes beyond the content length are ignored.
    let first = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nshort";
    check_server(Server::start(first, b"HTTP/1.1 500 Bad\r\n\r\n", Duration::ZERO).await, "2s", "\"short\"").await;
}

/// Sends `times` requests of `bytes` bytes from each host. The call must end with a `limit` error that contains `says`.
async fn check_flood(server: Server, times: u32, bytes: u32, says: &str) {
    let _turn = turn().await;
    let origin = format!("http://{}", server.address);
    let script = json!({ "process": { "do": "flood", "url": origin, "times": times, "bytes": bytes } }).to_string();
    for host in hosts() {
        let plugin = granted(host, std::slice::from_ref(&origin), "15s").await;
        let before = crate::host::resident();
        let error = crate::host::unanswered(host, run(&plugin, &script).await);
        println!("{}: {error}", host.name);
        assert_eq!(error.reason.code(), "limit", "{}: {error}", host.name);
        assert!(error.to_string().contains(says), "{}: {error}", host.name);
        assert!(crate::host::resident().saturating_sub(before) < 48 << 20, "{}", host.name);
        server.is_left_alone().await;
        host.serves().await;
    }
}

const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_requests_and_their_bytes_beyond_the_limits_of_a_call_end_it() {
    let empty = async || Server::start(EMPTY, b"", Duration::from_mins(1)).await;
    check_flood(empty().await, 257, 0, "its limit of 256 HTTP requests").await;
    check_flood(empty().await, 17, 1 << 20, "its limit of 16777216 bytes of HTTP request bodies").await;
    let endless = Server::start(HEAD, &[b'x'; 16_384], Duration::ZERO).await;
    check_flood(endless, 9, 0, "its limit of 67108864 bytes of HTTP responses").await;
}
