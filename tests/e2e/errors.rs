//! Every error answer of the API. The harness's client checks that each is `application/problem+json` with a correlation id.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{PAYLOAD, PUPPET, SECRET, START, Server, events};

#[tokio::test]
async fn a_body_that_is_not_a_json_object_is_refused() {
    let server = Server::puppet().await;
    let post = async |body: &str| {
        let call = server.api.call(Method::POST, "/requests/puppet").header("content-type", "application/json");
        server.api.send(call.body(body.to_owned())).await
    };
    for malformed in ["", "{", "{\"a\":}", "{\"a\":1}}", "not json", &format!("{{\"a\":\"{PAYLOAD}")] {
        post(malformed).await.expect_fault(400, "malformed-json");
    }
    let not_utf8 =
        server.api.call(Method::POST, "/requests/puppet").header("content-type", "application/json").body(b"{\"a\":\"\xff\"}".to_vec());
    server.api.send(not_utf8).await.expect_fault(400, "malformed-json");
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    post(&deep).await.expect_fault(400, "malformed-json");
    post("\u{feff}{\"delay\":\"PT1S\"}").await.expect_fault(400, "byte-order-mark");
    let twice = post(&format!(r#"{{"delay":"PT1S","item":{{"sku":"{PAYLOAD}","sku":2}}}}"#)).await.expect_fault(400, "duplicate-key");
    assert!(twice["detail"].as_str().unwrap().contains("\"sku\" twice"), "{twice}");
    for other in ["[]", "1", "\"text\"", "null", "true"] {
        post(other).await.expect_fault(400, "not-an-object");
    }
}

#[tokio::test]
async fn an_unknown_path_use_case_or_request_is_a_404_with_its_own_code() {
    let server = Server::puppet().await;
    let body = json!({ "delay": "PT1S" });
    let fault = server.api.post("/requests/nothing", &body).await.expect_fault(404, "unknown-use-case");
    assert!(fault["detail"].as_str().unwrap().contains("nothing"), "{fault}");
    server.api.post("/requests/..%2Fpuppet", &body).await.expect_fault(404, "unknown-use-case");
    for path in ["/", "/nothing", "/requests/puppet/more/more", "/requests/", "//requests"] {
        let answer = server.api.get(path).await;
        assert!([404, 405].contains(&answer.status), "{path}: {}", answer.body);
    }
    server.api.get("/nothing").await.expect_fault(404, "not-found");
    let unknown = "/requests/01980000-0000-7000-8000-000000000000";
    server.api.get(unknown).await.expect_fault(404, "unknown-request");
    server.api.delete(unknown).await.expect_fault(404, "unknown-request");
    server.api.patch(unknown, &body).await.expect_fault(404, "unknown-request");
    server.api.post(&format!("{unknown}/retry"), &Value::Null).await.expect_fault(404, "unknown-request");
    server.api.get("/requests/not-an-id").await.expect_fault(404, "unknown-request");
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_lists_the_right_ones() {
    let server = Server::puppet().await;
    for (method, path, allow) in [
        (Method::PUT, "/requests/puppet", "POST"),
        (Method::DELETE, "/requests/puppet", "POST"),
        (Method::POST, "/requests", "GET, HEAD"),
        (Method::POST, "/health", "GET, HEAD"),
        (Method::DELETE, "/use-cases", "GET, HEAD"),
        (Method::PUT, "/requests/01980000-0000-7000-8000-000000000000", "GET, HEAD, PATCH, DELETE"),
        (Method::PUT, "/requests/01980000-0000-7000-8000-000000000000/retry", "POST"),
        (Method::DELETE, "/test-clock", "GET, HEAD, POST"),
        (Method::DELETE, "/use-cases/puppet", "GET, HEAD, PUT"),
        (Method::GET, "/use-cases/puppet/rollback", "POST"),
    ] {
        let call = server.api.call(method.clone(), path);
        let answer = server.api.send(call).await;
        if method == Method::DELETE && path == "/requests/puppet" {
            // DELETE expects an id here, so it reads `puppet` as an unknown id.
            answer.expect_fault(404, "unknown-request");
            continue;
        }
        assert_eq!(answer.header("allow"), allow, "{path}");
        answer.expect_fault(405, "method-not-allowed");
    }
}

#[tokio::test]
async fn a_body_of_more_than_256_kib_is_a_413() {
    let server = Server::puppet().await;
    let body_of = |bytes: usize| {
        let frame = json!({ "delay": "PT1S", "filler": "" }).to_string().len();
        json!({ "delay": "PT1S", "filler": "x".repeat(bytes - frame) }).to_string()
    };
    let post = async |body: String| {
        let call = server.api.call(Method::POST, "/requests/puppet").header("content-type", "application/json");
        server.api.send(call.body(body)).await
    };
    post(body_of(256 << 10)).await.expect(202);
    let fault = post(body_of((256 << 10) + 1)).await.expect_fault(413, "payload-too-large");
    assert!(fault["detail"].as_str().unwrap().contains("262144"), "{fault}");
    post(body_of(300 << 10)).await.expect_fault(413, "payload-too-large");
    post(body_of(5 << 20)).await.expect_fault(413, "payload-too-large");
    let patch = server
        .api
        .call(Method::PATCH, "/requests/01980000-0000-7000-8000-000000000000")
        .header("content-type", "application/json")
        .body(body_of(300 << 10));
    server.api.send(patch).await.expect_fault(413, "payload-too-large");
}

#[tokio::test]
async fn a_body_of_20_mib_is_refused_without_harm_to_the_server() {
    let server = Server::puppet().await;
    let call = server.api.call(Method::POST, "/requests/puppet").header("content-type", "application/json").body(vec![b'x'; 20 << 20]);
    // The server closes the connection without reading the whole body, so the sender may see a connection error instead.
    match server.api.try_send(call).await {
        Ok(answer) => drop(answer.expect_fault(413, "payload-too-large")),
        Err(error) => assert!(!error.is_timeout(), "{error:?}"),
    }
    server.api.get("/health").await.expect(200);
}

#[tokio::test]
async fn another_content_type_or_encoding_is_a_415() {
    let server = Server::puppet().await;
    for (path, body) in [("/requests/puppet", r#"{"delay":"PT1S"}"#), ("/test-clock", r#"{"advance":"P7D"}"#)] {
        let untyped = server.api.call(Method::POST, path).body(body);
        server.api.send(untyped).await.expect_fault(415, "unsupported-media-type");
        let text = server.api.call(Method::POST, path).header("content-type", "text/plain").body(body);
        server.api.send(text).await.expect_fault(415, "unsupported-media-type");
        let gzip = server.api.call(Method::POST, path).header("content-type", "application/json").header("content-encoding", "gzip");
        server.api.send(gzip.body(body)).await.expect_fault(415, "unsupported-content-encoding");
    }
    assert_eq!(server.api.get("/test-clock").await.body["now"], START, "the clock has not moved");
    let post = async |content_type: &str| {
        let call = server.api.call(Method::POST, "/requests/puppet").header("content-type", content_type);
        server.api.send(call.body(r#"{"delay":"PT1S"}"#)).await
    };
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "application/jsonx"] {
        post(wrong).await.expect_fault(415, "unsupported-media-type");
    }
    for right in ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"] {
        post(right).await.expect(202);
    }
}

#[tokio::test]
async fn every_call_but_get_health_needs_the_api_key_where_one_is_set() {
    let server = Server::builder().use_case("puppet", PUPPET).test_clock().key(SECRET).start().await;
    let id = server.api.submit("puppet", json!({ "delay": "PT1S" })).await;
    let request = format!("/requests/{id}");
    for (key, hint) in [(None, "Bearer"), (Some("wrong"), "wrong"), (Some(""), "Bearer")] {
        let api = server.api.with_key(key);
        let retry = format!("{request}/retry");
        for (method, path) in [
            (Method::GET, "/requests"),
            (Method::GET, "/use-cases"),
            (Method::POST, "/requests/puppet"),
            (Method::GET, &request),
            (Method::PATCH, &request),
            (Method::DELETE, &request),
            (Method::POST, &retry),
            (Method::GET, "/test-clock"),
            (Method::POST, "/test-clock"),
            (Method::GET, "/nothing"),
        ] {
            let answer = api.send(api.call(method, path)).await;
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
            let fault = answer.expect_fault(401, "unauthorized");
            assert!(key == Some("") || fault["detail"].as_str().unwrap().contains(hint), "{fault}");
        }
        assert_eq!(api.get("/health").await.status, 200);
    }
    let basic = server.api.with_key(None).call(Method::GET, "/requests").basic_auth("user", Some(SECRET));
    server.api.send(basic).await.expect_fault(401, "unauthorized");
    assert_eq!(events(&server.api.request(&id).await), ["accepted"], "calls without the key change nothing");
}

#[tokio::test]
async fn an_unknown_target_is_a_422_that_lists_the_known_ones() {
    let two = format!("{PUPPET}[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\nheavy = {{ kind = 'plugin' }}\n");
    let server = Server::builder().use_case("puppet", &two).test_clock().start().await;
    let fault = server.api.post("/requests/puppet", &json!({ "delay": "PT1S", "target": "elsewhere" })).await;
    let fault = fault.expect_fault(422, "unknown-target");
    assert_eq!((&fault["targets"], &fault["pointer"]), (&json!(["heavy", "here"]), &json!("/target")));
    let detail = fault["detail"].as_str().unwrap();
    assert!(detail.contains("elsewhere") && detail.contains("heavy, here"), "{detail}");
    for target in [json!(1), json!(null), json!(["here"])] {
        server.api.post("/requests/puppet", &json!({ "delay": "PT1S", "target": target })).await.expect_fault(422, "target-malformed");
    }
}

#[tokio::test]
async fn a_bad_query_names_its_parameter() {
    let server = Server::puppet().await;
    for (query, name) in [
        ("status=done", "status"),
        ("from=yesterday", "from"),
        ("to=2027-01-01T00:00:00", "to"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("cursor=nonsense", "cursor"),
        ("page=2", "page"),
        ("useCase=%ff", "useCase"),
    ] {
        let fault = server.api.get(&format!("/requests?{query}")).await.expect_fault(400, "bad-query");
        assert_eq!(fault["parameter"], name, "{fault}");
    }
}

#[tokio::test]
async fn an_idempotency_key_is_visible_ascii_of_at_most_255_characters() {
    let server = Server::puppet().await;
    let post = async |key: &[u8]| {
        let call = server.api.call(Method::POST, "/requests/puppet").header("idempotency-key", key);
        server.api.send(call.json(&json!({ "delay": "PT1S" }))).await
    };
    post(b"").await.expect_fault(400, "idempotency-key-malformed");
    post(&[b'k'; 256]).await.expect_fault(400, "idempotency-key-malformed");
    post("schlüssel".as_bytes()).await.expect_fault(400, "idempotency-key-malformed");
    post(&[b'k'; 255]).await.expect(202);
}

#[tokio::test]
async fn the_test_clock_is_refused_without_its_flag() {
    let server = Server::builder().use_case("puppet", PUPPET).start().await;
    let fault = server.api.post("/test-clock", &json!({ "advance": "P7D" })).await.expect_fault(404, "no-test-clock");
    assert!(fault["detail"].as_str().unwrap().contains("--test-clock"), "{fault}");
    server.api.get("/test-clock").await.expect_fault(404, "no-test-clock");
}

#[tokio::test]
async fn the_test_clock_takes_a_duration_or_a_later_time() {
    let server = Server::puppet().await;
    for wrong in
        [json!({}), json!({ "advance": 5 }), json!({ "to": "2026-12-31T00:00:00Z" }), json!([]), json!({ "advance": "P1D", "to": START })]
    {
        server.api.post("/test-clock", &wrong).await.expect_fault(422, "test-clock-malformed");
    }
    server.api.post("/test-clock", &json!({ "advance": "soon" })).await.expect_fault(422, "trigger-malformed");
    let same = server.api.post("/test-clock", &json!({ "to": START })).await.expect(200);
    assert_eq!(same["now"], START);
}
