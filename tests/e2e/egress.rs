//! Egress: plugins and targets of the kind `http` connect only to addresses that the operator allows, whatever a manifest names.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::harness::{Client, Receiver, SECRET, Server, root, text};

/// Returns a manifest whose requests go to this URL: through the puppet by default, and through the target `hook` directly.
fn to(url: &str) -> String {
    let origin = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    format!(
        "[process]\nplugin = 'puppet.wasm'\nallow-http = ['{origin}']\n[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\n\
         hook = {{ kind = 'http', url = '{url}' }}\n"
    )
}

async fn by_plugin(api: &Client, use_case: &str, url: &str) -> Value {
    api.run(use_case, json!({ "process": { "do": "http", "url": url } })).await
}

async fn by_target(api: &Client, use_case: &str) -> Value {
    api.run(use_case, json!({ "target": "hook" })).await
}

#[tokio::test]
async fn a_manifest_that_names_metadata_or_private_addresses_does_not_reach_them() {
    let urls = [
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254"),
        ("http://[::ffff:169.254.169.254]/latest", "::ffff:169.254.169.254"),
        ("http://[64:ff9b::a9fe:a9fe]/latest", "64:ff9b::a9fe:a9fe"),
        ("http://10.0.0.1:8080/", "10.0.0.1"),
        ("http://[fd00:ec2::254]/", "fd00:ec2::254"),
        ("http://0.0.0.0:9/", "0.0.0.0"),
    ];
    let name = |index: usize| format!("try-{index}");
    let builder = urls.iter().enumerate().fold(Server::builder(), |builder, (index, (url, _))| builder.use_case(&name(index), &to(url)));
    let server = builder.test_clock().start().await;
    for (index, (url, address)) in urls.iter().enumerate() {
        let refusal = format!("address {address} is not allowed by this server (--allow-egress)");
        let done = by_target(&server.api, &name(index)).await;
        assert_eq!((text(&done, "status"), &done["attempts"]), ("failed", &json!(1)), "{url}: {done}");
        assert!(text(&done, "failure").contains(&refusal), "{url}: {done}");
        assert!(!done.to_string().contains("latest"), "the failure shows more than the host: {done}");

        let done = by_plugin(&server.api, &name(index), url).await;
        assert!(text(&done, "failure").to_lowercase().contains("prohibited"), "{url}: {done}");
        server.logged("with the refusal", |line| text(line, "message").contains(&refusal)).await;
    }
}

#[tokio::test]
async fn decimal_and_octal_forms_of_an_address_are_judged_by_the_address() {
    let urls = ["http://2852039166/", "http://0251.0376.0251.0376/", "http://0xa9fea9fe/"];
    let name = |index: usize| format!("try-{index}");
    let builder = urls.iter().enumerate().fold(Server::builder(), |builder, (index, url)| builder.use_case(&name(index), &to(url)));
    let server = builder.test_clock().start().await;
    for (index, url) in urls.iter().enumerate() {
        let done = by_target(&server.api, &name(index)).await;
        assert!(text(&done, "failure").contains("address 169.254.169.254 is not allowed"), "{url}: {done}");
        let done = by_plugin(&server.api, &name(index), url).await;
        assert_eq!(text(&done, "status"), "failed", "{url}: {done}");
    }
}

#[tokio::test]
async fn a_server_with_a_key_reaches_loopback_only_where_the_operator_allows_it() {
    let receiver = Receiver::accepting().await;
    let url = receiver.url("/in");
    let builder = || Server::builder().use_case("puppet", &to(&url)).test_clock().variable("POSTDATE_API_KEY", SECRET);
    let server = builder().start().await;
    let api = server.api.with_key(Some(SECRET));
    let done = by_target(&api, "puppet").await;
    assert!(text(&done, "failure").contains("host 127.0.0.1: address 127.0.0.1 is not allowed"), "{done}");
    assert_eq!(text(&by_plugin(&api, "puppet", &url).await, "status"), "failed");
    assert_eq!(receiver.count(), 0);

    let server = builder().arguments(&["--allow-egress", "public,127.0.0.1"]).start().await;
    let api = server.api.with_key(Some(SECRET));
    assert_eq!(text(&by_target(&api, "puppet").await, "status"), "succeeded");
    assert_eq!(text(&by_plugin(&api, "puppet", &url).await, "status"), "succeeded");
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_name_that_leads_to_a_refused_address_is_refused_after_the_look_up() {
    let receiver = Receiver::accepting().await;
    let url = format!("http://localhost:{}/", receiver.port);
    let server = Server::builder().use_case("puppet", &to(&url)).test_clock().arguments(&["--allow-egress", "10.0.0.0/8"]).start().await;
    let done = by_target(&server.api, "puppet").await;
    assert_eq!((text(&done, "status"), &done["attempts"]), ("failed", &json!(1)), "{done}");
    assert!(text(&done, "failure").contains("host localhost: address "), "{done}");
    assert!(text(&by_plugin(&server.api, "puppet", &url).await, "failure").to_lowercase().contains("prohibited"));
    assert_eq!(receiver.count(), 0);
}

/// A JavaScript plugin traps when `fetch` fails and nobody catches the exception. The puppet traps in the same place.
#[tokio::test]
async fn a_trap_after_a_failed_request_shows_the_cause() {
    let closed = format!("http://127.0.0.1:{}", postdate_tests::process::free_port());
    let server = Server::builder()
        .use_case("puppet", &to(&format!("{closed}/secret-path")))
        .use_case("private", &to("http://10.0.0.1/"))
        .use_case("nameless", &to("http://nowhere.invalid/"))
        .test_clock()
        .start()
        .await;
    for (use_case, url, cause) in [
        ("puppet", format!("{closed}/secret-path?a=b"), format!("cannot connect to {closed}: Connection refused")),
        ("puppet", "http://127.0.0.1:1/x".to_owned(), "add \"http://127.0.0.1:1\" to process.allow-http".to_owned()),
        ("private", "http://10.0.0.1/".to_owned(), "address 10.0.0.1 is not allowed by this server (--allow-egress)".to_owned()),
        ("nameless", "http://nowhere.invalid/".to_owned(), "host nowhere.invalid: the name look-up failed".to_owned()),
    ] {
        // Panics if the request fails.
        let done = server.api.run(use_case, json!({ "process": { "do": "flood", "url": url, "times": 1, "bytes": 0 } })).await;
        let failure = text(&done, "failure");
        assert!(failure.contains("trapped") && failure.contains(&cause), "{url}: {done}");
        assert!(!failure.contains("secret-path"), "{done}");
    }
}

/// Serves HTTPS on a free port of loopback with a certificate of a private authority. Answers every request with 200 and `done`.
async fn private_https() -> u16 {
    let pem = |name: &str| root().join("tests/fixtures/tls").join(name);
    let chain = CertificateDer::pem_file_iter(pem("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(pem("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust the certificate ends the handshake.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = vec![0; 64 << 10];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone";
                    if stream.write_all(answer).await.is_err() || stream.shutdown().await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_private_authority_is_trusted_by_plugins_and_targets_alike_once_the_operator_names_it() {
    let url = format!("https://localhost:{}/", private_https().await);
    let manifest = format!("{}[retry]\nmax-attempts = 1\n", to(&url));
    let builder = || Server::builder().use_case("puppet", &manifest).test_clock();
    let server = builder().start().await;
    let done = by_target(&server.api, "puppet").await;
    assert!(text(&done, "failure").contains("UnknownIssuer"), "{done}");
    let done = by_plugin(&server.api, "puppet", &url).await;
    assert!(text(&done, "failure").to_lowercase().contains("certificate"), "{done}");

    let ca = root().join("tests/fixtures/tls/ca.pem").display().to_string();
    let server = builder().arguments(&["--ca-file", &ca]).start().await;
    let done = by_target(&server.api, "puppet").await;
    assert_eq!(text(&done, "result"), "done", "{done}");
    let done = by_plugin(&server.api, "puppet", &url).await;
    assert_eq!(done["result"], json!({ "status": 200, "body": "done" }), "{done}");

    let said = Server::builder().arguments(&["--ca-file", "/nowhere/ca.pem"]).refused().await;
    assert!(said.contains("/nowhere/ca.pem"), "{said}");
}
