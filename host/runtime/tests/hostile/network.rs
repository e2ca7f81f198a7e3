//! HTTP from processors: requests to origins that `allow-http` does not grant, and hostile servers at granted origins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use postdate_core::plugin::JobResult;
use postdate_runtime::{LoadedBundle, Report};
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
        Self::after(0, first, again, pause).await
    }

    /// As [`Server::start`], but answers only after so many bytes of a connection.
    async fn after(bytes: u64, first: &'static [u8], again: &'static [u8], pause: Duration) -> Self {
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
                    let _ = talk(stream, bytes, first, again, pause).await;
                    closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, connections, closed }
    }

    fn port(&self) -> u16 {
        self.address.port()
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

async fn talk(stream: TcpStream, bytes: u64, first: &[u8], again: &[u8], pause: Duration) -> std::io::Result<()> {
    let (mut from, mut to) = stream.into_split();
    // Read the request first: an answer before the request would be another fault.
    let read = from.read(&mut [0; 1024]).await?;
    tokio::io::copy(&mut (&mut from).take(bytes.saturating_sub(read as u64)), &mut tokio::io::sink()).await?;
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

async fn get(plugin: &LoadedBundle, url: &str) -> Report<JobResult> {
    run(plugin, &json!({ "process": { "do": "http", "url": url } }).to_string()).await
}

/// Returns the message of the plugin's failure, and the log lines of the call.
#[track_caller]
fn failure(report: Report<JobResult>, url: &str) -> (String, String) {
    let lines: Vec<_> = report.lines.into_iter().map(|line| line.text).collect();
    let failure = report.result.unwrap_or_else(|error| panic!("{url}: {error}")).expect_err(url);
    (failure.message, lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_an_ungranted_origin_is_denied_and_the_missing_grant_is_named() {
    let _turn = turn().await;
    let granted_server = Server::start(b"", b"", Duration::from_mins(1)).await;
    let server = Server::start(b"", b"", Duration::from_mins(1)).await;
    let (grant, port) = (format!("http://{}", granted_server.address), server.port());
    for host in hosts() {
        let plugin = granted(host, std::slice::from_ref(&grant), "5s").await;
        for (url, names) in [
            (format!("http://127.0.0.1:{port}/"), format!("add \"http://127.0.0.1:{port}\" to process.allow-http")),
            (format!("https://127.0.0.1:{}/", granted_server.port()), format!("add \"https://{}\"", granted_server.address)),
            (format!("http://localhost:{port}/"), format!("add \"http://localhost:{port}\"")),
            (format!("http://LocalHost.:{port}/"), format!("add \"http://localhost.:{port}\"")),
            (format!("http://[::1]:{port}/"), format!("add \"http://[::1]:{port}\"")),
            (format!("http://[::ffff:127.0.0.1]:{}/", granted_server.port()), "add \"http://[::ffff:127.0.0.1]".to_owned()),
            (format!("http://2130706433:{}/", granted_server.port()), "add \"http://2130706433".to_owned()),
            (format!("http://0x7f.0.0.1:{}/", granted_server.port()), "add \"http://0x7f.0.0.1".to_owned()),
            (format!("http://0177.0.0.1:{}/", granted_server.port()), "add \"http://0177.0.0.1".to_owned()),
            (format!("http://127.1:{}/", granted_server.port()), "add \"http://127.1".to_owned()),
            ("http://169.254.169.254/latest/meta-data".to_owned(), "add \"http://169.254.169.254\"".to_owned()),
        ] {
            let (message, notes) = failure(get(&plugin, &url).await, &url);
            assert!(message.contains("refused the request: http-request-denied"), "{url}: {message}");
            assert!(notes.contains(&names), "{url}: {names:?} is not in {notes:?}");
        }
        // User information before the `@` must not change the origin that is checked.
        for url in [format!("{grant}@127.0.0.1:{port}/"), format!("http://127.0.0.1:{port}@{}/", granted_server.address)] {
            let (message, _) = failure(get(&plugin, &url).await, &url);
            assert!(message.contains("denied") || message.contains("cannot be sent"), "{url}: {message}");
        }
        host.serves().await;
    }
    assert_eq!((granted_server.connections(), server.connections()), (0, 0), "a denied request reached a server");
}

/// Other notations of an IP address count as host names, and these resolve to the loopback address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_name_that_resolves_to_a_private_address_is_refused() {
    let _turn = turn().await;
    let server = Server::start(b"", b"", Duration::from_mins(1)).await;
    let port = server.port();
    let origins: Vec<_> = ["2130706433", "0x7f000001", "017700000001", "127.1", "0"].map(|host| format!("http://{host}:{port}")).into();
    for host in hosts() {
        let plugin = granted(host, &origins, "5s").await;
        for url in &origins {
            let (message, notes) = failure(get(&plugin, url).await, url);
            let refused = message.contains("destination-ip-prohibited") && notes.contains("is not allowed by this server (--allow-egress)");
            // Some resolvers refuse such names.
            assert!(refused || message.contains("dns-error"), "{url}: {message}: {notes}");
        }
        host.serves().await;
    }
    assert_eq!(server.connections(), 0, "a refused request reached the server");
}

/// Calls the server from each host. The call must end within 3 s as `says`, release its memory, and close its connection.
async fn check_server(server: Server, timeout: &str, says: &str) {
    let _turn = turn().await;
    let origin = format!("http://{}", server.address);
    for host in hosts() {
        let plugin = granted(host, std::slice::from_ref(&origin), timeout).await;
        let before = crate::host::resident();
        let started = Instant::now();
        let report = get(&plugin, &origin).await;
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
async fn a_call_to_a_silent_server_ends_at_its_timeout() {
    check_server(Server::start(b"", b"", Duration::from_mins(1)).await, "300ms", "its timeout of 300ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_to_a_server_with_a_slow_endless_body_ends_at_its_timeout() {
    check_server(Server::start(HEAD, b"x", Duration::from_millis(20)).await, "300ms", "its timeout of 300ms").await;
}

/// The puppet reads 64 KiB of the body and drops the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_can_drop_the_rest_of_a_fast_endless_body() {
    check_server(Server::start(HEAD, &[b'x'; 16_384], Duration::ZERO).await, "2s", "{\"body\":\"xxxx").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_response_headers_fail_the_request() {
    let lines = "x-more: and more and more and more\r\n".repeat(1000).into_bytes().leak();
    check_server(Server::start(b"HTTP/1.1 200 OK\r\n", lines, Duration::ZERO).await, "2s", "no answer").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_beyond_the_content_length_are_ignored() {
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
async fn http_requests_beyond_the_limit_of_a_call_end_it() {
    check_flood(Server::start(EMPTY, b"", Duration::from_mins(1)).await, 257, 0, "its limit of 256 HTTP requests").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_request_bytes_beyond_the_limit_of_a_call_end_it() {
    // An answer before the body is read would end its sending, and what is not sent is not counted.
    let server = Server::after(1 << 20, EMPTY, b"", Duration::from_mins(1)).await;
    check_flood(server, 17, 1 << 20, "its limit of 16777216 bytes of HTTP request bodies").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_response_bytes_beyond_the_limit_of_a_call_end_it() {
    let server = Server::start(HEAD, &[b'x'; 16_384], Duration::ZERO).await;
    check_flood(server, 9, 0, "its limit of 67108864 bytes of HTTP responses").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_returned_to_the_plugin_and_not_followed() {
    let first = b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/meta-data\r\ncontent-length: 0\r\n\r\n";
    check_server(Server::start(first, b"", Duration::from_mins(1)).await, "2s", "{\"body\":\"\",\"status\":302}").await;
}
