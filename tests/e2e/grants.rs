//! Grants: a plugin reaches only the origins, config keys and secrets that its manifest grants.

use serde_json::json;

use crate::harness::{PUPPET, Receiver, SECRET, Server, text};

/// Returns a manifest with the puppet as processor, without a validator, and with these lines in `[process]`.
fn processor(lines: &str) -> String {
    format!("[process]\nplugin = 'puppet.wasm'\n{lines}\n")
}

#[tokio::test]
async fn a_request_without_a_grant_does_not_leave_the_host_and_the_log_names_the_missing_grant() {
    let receiver = Receiver::accepting().await;
    let server = Server::puppet().await;
    let done = server.api.run("puppet", json!({ "process": { "do": "http", "url": receiver.url("/secret") } })).await;
    assert_eq!((text(&done, "status"), receiver.count()), ("failed", 0), "{done}");
    assert!(text(&done, "failure").to_lowercase().contains("request-denied"), "{done}");
    let grant = format!("add \"http://127.0.0.1:{}\" to process.allow-http", receiver.port);
    let line = server.logged("that names the missing grant", |line| text(line, "message").contains(&grant)).await;
    assert_eq!(line["correlation_id"], done["correlationId"]);
}

#[tokio::test]
async fn a_grant_covers_exactly_one_scheme_host_and_port() {
    let (granted, other) = (Receiver::accepting().await, Receiver::accepting().await);
    let manifest = processor(&format!("allow-http = ['{}']", granted.url("")));
    let server = Server::builder().use_case("puppet", &manifest).test_clock().start().await;
    let url = granted.url("/in?x=1");
    let done = server.api.run("puppet", json!({ "process": { "do": "http", "url": url, "method": "PUT", "body": "hello" } })).await;
    assert_eq!(done["result"], json!({ "status": 200, "body": "done" }), "{done}");
    let delivery = &granted.deliveries()[0];
    assert_eq!((delivery.method.as_str(), delivery.path.as_str(), delivery.body.as_str()), ("PUT", "/in?x=1", "hello"));

    for url in [
        other.url("/"),
        format!("http://localhost:{}/", granted.port),
        format!("https://127.0.0.1:{}/", granted.port),
        format!("http://127.0.0.1:{}@127.0.0.1:{}/", granted.port, other.port),
    ] {
        let refused = server.api.run("puppet", json!({ "process": { "do": "http", "url": url } })).await;
        assert_eq!(text(&refused, "status"), "failed", "{url}: {refused}");
    }
    assert_eq!((granted.count(), other.count()), (1, 0));
}

#[tokio::test]
async fn a_redirect_to_an_ungranted_origin_is_not_followed() {
    let outside = Receiver::accepting().await;
    let location = outside.url("/");
    let receiver = Receiver::start(move |_, _| crate::harness::Reply::status(302).header("location", &location)).await;
    let manifest = processor(&format!("allow-http = ['{}']", receiver.url("")));
    let server = Server::builder().use_case("puppet", &manifest).test_clock().start().await;
    let done = server.api.run("puppet", json!({ "process": { "do": "http", "url": receiver.url("/") } })).await;
    assert_eq!(done["result"]["status"], 302, "{done}");
    assert_eq!(outside.count(), 0);
}

#[tokio::test]
async fn a_plugin_sees_no_environment_no_files_and_no_network() {
    let server = Server::builder().use_case("puppet", PUPPET).test_clock().variable("HOST_SECRET", SECRET).start().await;
    let done = server.api.run("puppet", json!({ "process": { "do": "env" } })).await;
    let seen = &done["result"];
    for member in ["variables", "arguments", "directories"] {
        assert_eq!(seen[member], json!([]), "{member}: {done}");
    }
    assert_ne!(text(seen, "readDir"), "readable", "{seen}");
    assert_ne!(text(seen, "tcp"), "connected", "{seen}");
}

#[tokio::test]
async fn config_config_files_and_granted_secrets_reach_the_plugin_and_nothing_else_does() {
    let manifest = processor(
        "config = { plain = 'text', number = 7, table = { a = [1, 2] } }\nconfig-files = { file = 'text.txt' }\nsecrets = ['GRANTED']",
    );
    let builder = Server::builder().use_case("puppet", "").secret("GRANTED", SECRET).secret("NOT_GRANTED", SECRET);
    builder.use_cases.write_file("puppet", "text.txt", "from a file\n");
    let server = builder.use_case("puppet", &manifest).test_clock().start().await;
    for (key, expected) in [
        ("plain", json!("text")),
        ("number", json!("7")),
        ("table", json!({ "a": [1, 2] })),
        ("file", json!("from a file\n")),
        ("GRANTED", json!(SECRET)),
    ] {
        let done = server.api.run("puppet", json!({ "process": { "do": "config", "key": key } })).await;
        assert_eq!(done["result"], expected, "{key}: {done}");
    }
    for key in ["NOT_GRANTED", "PATH", "nothing"] {
        let done = server.api.run("puppet", json!({ "process": { "do": "config", "key": key } })).await;
        assert_eq!((text(&done, "status"), text(&done, "failure")), ("failed", &*format!("no config `{key}`")), "{done}");
    }
}

#[tokio::test]
async fn a_use_case_with_an_unset_secret_is_reported_as_broken_and_the_others_serve() {
    let manifest = processor("secrets = ['MISSING_ONE']");
    let server = Server::builder().use_case("broken", &manifest).use_case("puppet", PUPPET).test_clock().start().await;
    let health = server.api.get("/health").await.expect(200);
    assert_eq!(text(&health["brokenUseCases"][0], "useCase"), "broken", "{health}");
    assert!(text(&health["brokenUseCases"][0], "error").contains("MISSING_ONE"), "{health}");
    server.api.post("/requests/broken", &json!({ "delay": "PT1S" })).await.expect_fault(503, "use-case-broken");
    assert_eq!(text(&server.api.run("puppet", json!({})).await, "status"), "succeeded");
}

#[tokio::test]
async fn a_use_case_with_an_unusable_plugin_is_listed_with_the_reason() {
    let builder = Server::builder()
        .use_case("version", "[validate]\nplugin = 'wrong-version.wasm'\n[process]\nplugin = 'minimal-process.wasm'\n")
        .use_case("role", "[process]\nplugin = 'minimal-validate.wasm'\n")
        .use_case("network", &format!("{PUPPET}allow-http = ['http://127.0.0.1:1/path']\n"))
        .use_case("nonsense", "[process]\nplugin = 'text.wasm'\n");
    builder.use_cases.write_file("nonsense", "text.wasm", "not a component");
    let server = builder.test_clock().start().await;
    for (name, parts) in [
        ("version", &["2.0.0", "1.0.0"][..]),
        ("role", &["minimal-validate.wasm", "process"]),
        ("network", &["allow-http"]),
        ("nonsense", &["text.wasm"]),
    ] {
        let info = server.api.use_case(name).await.expect("the use case");
        assert!(parts.iter().all(|part| text(&info, "error").contains(part)), "{info}");
    }
}
