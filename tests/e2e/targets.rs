//! Targets: delivery by the kind `http`, and the choice of the target by client and validator.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::harness::{PUPPET, Receiver, Reply, SECRET, Server, events, eventually, text};

fn hook(receiver: &Receiver) -> String {
    format!("[targets]\ndefault = 'hook'\nhook = {{ kind = 'http', url = '{}', timeout = '500ms' }}\n", receiver.url("/in?from=postdate"))
}

#[tokio::test]
async fn an_http_target_gets_the_body_unchanged_with_the_delivery_headers() {
    let receiver = Receiver::start(|_, _| Reply::status(201)).await;
    let server = Server::builder().use_case("hook", &hook(&receiver)).test_clock().start().await;
    // Delivery must keep the spaces, the escape and the order of the members.
    let body = "{ \"z\": 1.0,  \"delay\":\"PT1S\",\n \"a\": \"\\u00e4\u{1F4EC}\" }";
    let call = server.api.call(Method::POST, "/requests/hook").header("content-type", "application/json").body(body);
    let id = text(&server.api.send(call).await.expect(202), "correlationId").to_owned();
    server.api.advance("PT1S").await;

    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.len(), 1);
    assert_eq!((deliveries[0].method.as_str(), deliveries[0].path.as_str()), ("POST", "/in?from=postdate"));
    assert_eq!(deliveries[0].body, body);
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-correlation-id", &*id),
        ("x-postdate-use-case", "hook"),
        ("x-postdate-attempt", "1"),
        ("idempotency-key", &*id),
    ] {
        assert_eq!(deliveries[0].header(name), value, "{name}");
    }
    let done = server.api.request(&id).await;
    assert_eq!((text(&done, "status"), &done["result"]), ("succeeded", &json!(null)), "an empty response body gives no result");
}

#[tokio::test]
async fn the_status_of_an_http_target_decides_between_retry_and_failure() {
    let receiver = Receiver::start(|delivery, _| match delivery.header("x-postdate-attempt") {
        "1" => {
            let status = delivery.json()["status"].as_u64().unwrap();
            Reply::status(u16::try_from(status).unwrap()).header("location", "/elsewhere")
        }
        _ => Reply::ok("second time"),
    })
    .await;
    let server = Server::builder().use_case("hook", &hook(&receiver)).test_clock().start().await;
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        let id = server.api.submit("hook", json!({ "delay": "PT1S", "status": status })).await;
        server.api.advance("PT1H").await;
        let done = server.api.request(&id).await;
        assert_eq!(events(&done), ["accepted", "started", "attempt-failed", "started", "succeeded"], "{status}: {done}");
        assert!(text(&done["history"][2], "detail").contains(&status.to_string()), "{done}");
    }
    for status in [301, 302, 307, 400, 401, 404, 410, 422] {
        let id = server.api.submit("hook", json!({ "delay": "PT1S", "status": status })).await;
        server.api.advance("PT1H").await;
        let done = server.api.request(&id).await;
        assert_eq!(events(&done), ["accepted", "started", "failed"], "{status}: {done}");
        assert!(text(&done, "failure").contains(&status.to_string()), "{done}");
    }
    assert!(receiver.deliveries().iter().all(|delivery| delivery.path == "/in?from=postdate"), "no redirect was followed");
}

#[tokio::test]
async fn an_http_target_that_times_out_or_refuses_the_connection_is_retried() {
    let receiver =
        Receiver::start(|_, before| if before == 0 { Reply::ok("late").after(Duration::from_secs(20)) } else { Reply::ok("ok") }).await;
    let server = Server::builder().use_case("hook", &hook(&receiver)).test_clock().start().await;
    let id = server.api.submit("hook", json!({ "delay": "PT1S" })).await;
    server.api.advance("PT1H").await;
    let done = server.api.request(&id).await;
    assert_eq!(events(&done), ["accepted", "started", "attempt-failed", "started", "succeeded"], "{done}");
    assert!(text(&done["history"][2], "detail").contains("did not answer in time"), "{done}");

    drop(receiver);
    let id = server.api.submit("hook", json!({ "delay": "PT1S" })).await;
    server.api.advance("PT1S").await;
    let waiting = server.api.request(&id).await;
    assert_eq!(text(&waiting, "status"), "scheduled", "{waiting}");
    assert!(text(&waiting, "failure").contains("could not be reached"), "{waiting}");
}

#[tokio::test]
async fn a_2xx_whose_body_breaks_off_is_delivered_once() {
    // The first answer is cut short of its length, the second one is in chunks without an end.
    let answer = |before| if before == 0 { Reply::ok("ok").header("content-length", "100") } else { Reply::ok("ok") };
    let receiver = Receiver::start(move |_, before| answer(before).broken_off()).await;
    let server = Server::builder().use_case("hook", &hook(&receiver)).test_clock().start().await;
    for count in 1..=2 {
        let id = server.api.submit("hook", json!({ "delay": "PT1S" })).await;
        server.api.advance("P1D").await;
        let done = server.api.request(&id).await;
        assert_eq!((events(&done), receiver.count()), (vec!["accepted", "started", "succeeded"], count), "{done}");
        assert_eq!(text(&done, "result"), "ok… (the answer broke off)");
    }
}

#[tokio::test]
async fn no_answer_notice_or_log_shows_more_of_a_targets_url_than_its_origin() {
    let receiver = Receiver::start(|delivery, _| match delivery.path.as_str() {
        "/told" => Reply::ok("thanks"),
        path => Reply::status(404).body(&format!("Cannot {} {path} with {}", delivery.method, delivery.header("x-key"))),
    })
    .await;
    // Nothing listens on the port of a receiver that is gone.
    let gone = Receiver::accepting().await.url("/services/TOKEN?sig=abc");
    let manifest = format!(
        "[retry]\nmax-attempts = 2\n[targets]\ndefault = 'gone'\ngone = {{ kind = 'http', url = '{gone}' }}\n\
         echo = {{ kind = 'http', url = '{}', headers = {{ x-key = '{SECRET}' }} }}\n\
         told = {{ kind = 'http', url = '{}' }}\n[on]\nfailure = 'told'\n",
        receiver.url("/services/TOKEN?sig=abc"),
        receiver.url("/told"),
    );
    let builder = Server::builder().use_case("hook", &manifest).test_clock().variable("POSTDATE_LOG", "trace");
    let server = builder.start().await;
    for target in ["gone", "echo"] {
        let id = server.api.submit("hook", json!({ "delay": "PT1S", "target": target })).await;
        server.api.advance("P1D").await;
        let failed = server.api.request(&id).await;
        assert_eq!(text(&failed, "status"), "failed", "{failed}");
        let list = server.api.get("/requests?useCase=hook&limit=100").await.expect(200);
        let notices = receiver.deliveries().into_iter().filter(|delivery| delivery.path == "/told").map(|delivery| delivery.body);
        let shown = format!("{failed}{list}{}{}", notices.collect::<String>(), server.log.text());
        assert!(shown.contains(if target == "gone" { "could not be reached" } else { "Cannot POST [hidden] with [hidden]" }), "{shown}");
        for hidden in ["TOKEN", "sig=", SECRET] {
            assert!(!shown.contains(hidden), "{target} shows {hidden}: {shown}");
        }
    }
}

/// Writes a secrets file that only its owner may read.
fn write_secrets(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn an_http_target_gets_headers_with_secrets_and_waits_for_a_missing_one() {
    let receiver = Receiver::accepting().await;
    let keys =
        "headers = { authorization = 'Bearer ${secret:TOKEN}', content-type = 'application/cloudevents+json' }, sign = ['NEW', 'OLD']";
    let manifest = format!("[targets]\nhook = {{ kind = 'http', url = '{}', {keys} }}\n", receiver.url("/in"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.toml");
    let all = format!("[hook]\nTOKEN = '{SECRET}-token'\nNEW = \"whsec_{SECRET}\\n\"\nOLD = 'v1,whsec_b2xk'\n");
    write_secrets(&path, &all);
    let arguments = ["--secrets-file", &path.display().to_string(), "--secrets-lifetime", "1s"];
    let server = Server::builder().use_case("hook", &manifest).test_clock().arguments(&arguments).start().await;

    let done = server.api.run("hook", json!({})).await;
    assert_eq!(text(&done, "status"), "succeeded", "{done}");
    let delivery = &receiver.deliveries()[0];
    assert_eq!(delivery.header("authorization"), format!("Bearer {SECRET}-token"));
    assert_eq!(delivery.header("content-type"), "application/cloudevents+json");
    assert_eq!(delivery.header("webhook-id"), delivery.header("idempotency-key"));
    let timestamp = delivery.header("webhook-timestamp");
    let expected = [SECRET, "b2xk"].map(|key| signature(key, delivery.header("webhook-id"), timestamp, &delivery.body));
    assert_eq!(delivery.header("webhook-signature"), expected.join(" "));

    // The cached values end after a second of the machine's clock. The request then waits, and loses no attempt.
    write_secrets(&path, &format!("[hook]\nNEW = '{SECRET}'\n"));
    let id = eventually("a request that waits for its secret", async || {
        let waiting = server.api.run("hook", json!({})).await;
        (waiting["waitsFor"] == "the secrets of the use case").then(|| text(&waiting, "correlationId").to_owned())
    })
    .await;
    let sent = receiver.count();
    write_secrets(&path, &all);
    eventually("the delivery", async || {
        server.api.advance("PT30S").await;
        let done = server.api.request(&id).await;
        (text(&done, "status") == "succeeded").then(|| assert_eq!((&done["attempts"], receiver.count()), (&json!(1), sent + 1), "{done}"))
    })
    .await;
}

/// Returns a signature of Standard Webhooks, made by other code than the host's. `key` is Base64.
fn signature(key: &str, id: &str, timestamp: &str, body: &str) -> String {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use hmac::Mac as _;
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&BASE64_STANDARD.decode(key).unwrap()).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_use_case_whose_target_has_a_broken_signing_secret_does_not_serve() {
    let manifest = "[targets]\nhook = { kind = 'http', url = 'http://127.0.0.1:9/', sign = 'SECRET_KEY' }\n";
    let server = Server::builder().use_case("hook", manifest).variable("SECRET_KEY", &format!("whsec_{SECRET}!")).start().await;
    let health = server.api.get("/use-cases").await.expect(200);
    let error = text(&health["useCases"][0], "error");
    let expected = "targets.hook names SECRET_KEY, which cannot sign: the text after `whsec_` is not Base64";
    assert!(error.contains(expected) && !error.contains(SECRET), "{error}");
}

#[tokio::test]
async fn the_clients_target_is_used_unless_the_validator_chooses_another() {
    let receiver = Receiver::accepting().await;
    let targets = format!(
        "{PUPPET}[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\none = {{ kind = 'http', url = '{}' }}\ntwo = {{ kind = 'http', url = '{}' }}\n",
        receiver.url("/one"),
        receiver.url("/two"),
    );
    let server = Server::builder().use_case("puppet", &targets).test_clock().start().await;
    let by_default = server.api.run("puppet", json!({})).await;
    assert_eq!((text(&by_default, "target"), receiver.count()), ("here", 0));
    let by_client = server.api.run("puppet", json!({ "target": "one" })).await;
    assert_eq!((text(&by_client, "target"), receiver.deliveries()[0].path.as_str()), ("one", "/one"));
    let choose = json!({ "do": "target", "value": "two" });
    let by_validator = server.api.run("puppet", json!({ "target": "one", "validate": choose })).await;
    assert_eq!((text(&by_validator, "target"), receiver.deliveries()[1].path.as_str()), ("two", "/two"));
    assert_eq!(receiver.count(), 2);
}
