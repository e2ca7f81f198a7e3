//! Exposure of a server: the addresses it binds, the permissions of its data directory, the content of its log.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::harness::{PAYLOAD, PUPPET, Receiver, SECRET, Server, text};

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::puppet().await;
    let said = server.second_refused().await;
    assert!(said.contains("another server uses") && said.contains("--data"), "{said}");
    server.api.get("/health").await.expect(200);
}

#[tokio::test]
async fn a_public_address_without_a_key_is_refused() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let said = Server::builder().use_case("puppet", PUPPET).listen(address).refused().await;
        assert!(said.contains("POSTDATE_API_KEY") && said.contains("--allow-public"), "{said}");
    }
    let said = Server::builder().use_case("puppet", PUPPET).listen("0.0.0.0:0").key("  ").refused().await;
    assert!(said.contains("POSTDATE_API_KEY"), "a blank key counts as no key: {said}");
}

#[tokio::test]
async fn a_public_address_is_allowed_with_a_key_or_on_request() {
    let with_key = Server::builder().use_case("puppet", PUPPET).listen("0.0.0.0:0").key(SECRET).start().await;
    with_key.api.get("/requests").await.expect(200);
    drop(with_key);
    let on_request = Server::builder().use_case("puppet", PUPPET).listen("0.0.0.0:0").arguments(&["--allow-public"]).start().await;
    on_request.api.get("/requests").await.expect(200);
}

#[tokio::test]
async fn a_host_is_refused_unless_it_is_a_name_of_the_server() {
    let server = Server::builder().use_case("puppet", PUPPET).test_clock().arguments(&["--host", "api.example.com"]).start().await;
    let call = |method, path, host| server.api.call(method, path).header("host", host);
    for path in ["/health", "/requests", "/test-clock"] {
        server.api.send(call(Method::GET, path, "evil.example")).await.expect_fault(421, "unknown-host");
        server.api.send(call(Method::GET, path, "API.example.com:443")).await.expect(200);
        let foreign = server.api.call(Method::GET, path).header("origin", "https://evil.example");
        server.api.send(foreign).await.expect_fault(403, "cross-origin");
    }
    let moved = server.api.call(Method::POST, "/test-clock").header("sec-fetch-site", "cross-site").json(&json!({ "advance": "P7D" }));
    server.api.send(moved).await.expect_fault(403, "cross-origin");
    let posted = call(Method::POST, "/requests/puppet", "evil.example").json(&json!({ "delay": "PT1S" }));
    server.api.send(posted).await.expect_fault(421, "unknown-host");
    assert_eq!(server.api.get("/requests").await.body["requests"], json!([]));
}

#[tokio::test]
async fn half_sent_requests_do_not_take_all_descriptors() {
    let server = Server::builder().use_case("puppet", PUPPET).test_clock().open_files(256).start().await;
    let address = server.api.url.strip_prefix("http://").unwrap().to_owned();
    let mut held = Vec::new();
    for n in 0..300 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let body = "POST /requests/puppet HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
        // The server may have closed the connection already.
        stream.write_all(if n % 2 == 0 { "GET /health HTT" } else { body }.as_bytes()).await.unwrap_or_default();
        held.push(stream);
    }
    let begun = Instant::now();
    assert_eq!(server.api.run("puppet", json!({})).await["status"], "succeeded");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}: the server waited for a slow client's limit", begun.elapsed());
    drop(held);
}

#[tokio::test]
async fn the_data_directory_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let temporary = tempfile::tempdir().unwrap();
    let data = temporary.path().join("made/by/serve");
    let server = Server::builder().use_case("puppet", PUPPET).arguments(&["--grace", "1s"]).data_at(&data).start().await;
    server.api.get("/health").await.expect(200);
    for directory in [data.clone(), data.join("compiled")] {
        let mode = std::fs::metadata(&directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", directory.display());
    }
}

/// Drives a server through every kind of success, failure and refusal, each with the payload mark and a secret in its input.
/// The harness searches the log of every server for both when the server ends; this test fills the log.
#[tokio::test]
async fn the_log_shows_no_payload_and_no_secret_and_each_line_has_a_correlation_id() {
    let receiver = Receiver::start(|_, before| crate::harness::Reply::status([500, 404, 200][before % 3])).await;
    let manifest = format!(
        "{PUPPET}secrets = ['GRANTED']\n[retry]\nmax-attempts = 3\nbackoff = {{ initial = '1s', factor = 1, max = '1s', jitter = 0 }}\n\
         [targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\nhook = {{ kind = 'http', url = '{}' }}\n",
        receiver.url("/"),
    );
    let server = Server::builder().use_case("puppet", &manifest).test_clock().key(SECRET).secret("GRANTED", SECRET).start().await;
    let started = server.log.len();
    for body in [
        json!({}),
        json!({ "target": "hook" }),
        json!({ "target": "hook" }),
        json!({ "process": { "do": "trap" } }),
        json!({ "process": { "do": "retry" } }),
        json!({ "process": { "do": "fail" } }),
        json!({ "process": { "do": "loop" } }),
        json!({ "process": { "do": "http", "url": receiver.url("/") } }),
        json!({ "process": { "do": "config", "key": "GRANTED" } }),
    ] {
        server.api.run("puppet", body).await;
        server.api.advance("PT1M").await;
    }
    let post = async |body: String| {
        let call = server.api.call(Method::POST, "/requests/puppet").header("content-type", "application/json").body(body);
        server.api.send(call.header("idempotency-key", PAYLOAD)).await
    };
    for body in [
        format!("{{\"{PAYLOAD}\": {PAYLOAD}"),
        json!([PAYLOAD]).to_string(),
        json!({ "delay": PAYLOAD }).to_string(),
        json!({ "delay": "PT1S", "target": PAYLOAD }).to_string(),
        json!({ "delay": "PT1S", "note": PAYLOAD, "validate": { "do": "reject" } }).to_string(),
        json!({ "delay": "PT1S", "note": PAYLOAD, "validate": { "do": "trap" } }).to_string(),
        json!({ "delay": "PT1S", "note": PAYLOAD, "validate": { "do": "body", "value": PAYLOAD } }).to_string(),
        PAYLOAD.repeat(30_000),
    ] {
        assert!(post(body).await.status >= 400);
    }
    server.api.with_key(Some(&format!("wrong-{SECRET}"))).get("/requests").await.expect_fault(401, "unauthorized");

    let lines: Vec<Value> = server.log.lines(started);
    assert!(lines.len() > 40, "only {} lines", lines.len());
    for line in lines {
        assert_eq!(text(&line, "correlation_id").len(), 36, "{line}");
    }
    server.log.assert_discreet();
}
