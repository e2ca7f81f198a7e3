//! Misbehaving plugins: the API's answers and the history's entries for each fault.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{PUPPET, Receiver, SECRET, Server, events, text};

/// A manifest with short timeouts, little memory and two attempts.
const STRICT: &str = "
[validate]
plugin = 'puppet.wasm'
memory = '16MiB'
timeout = '400ms'
headers = ['x-signature', 'x-other']
[process]
plugin = 'puppet.wasm'
memory = '16MiB'
timeout = '400ms'
[retry]
max-attempts = 2
backoff = { initial = '10s', factor = 2, max = '1m', jitter = 0 }
";

async fn strict() -> Server {
    Server::builder().use_case("puppet", STRICT).test_clock().start().await
}

#[tokio::test]
async fn a_rejection_lists_the_validators_problems() {
    let server = Server::puppet().await;
    let reject = json!({ "do": "reject", "pointer": "/quantity", "code": "maximum", "message": "too many" });
    let fault = server.api.post("/requests/puppet", &json!({ "delay": "PT1S", "validate": reject })).await.expect_fault(422, "rejected");
    assert_eq!(fault["problems"], json!([{ "pointer": "/quantity", "code": "maximum", "message": "too many" }]));
    assert_eq!(server.api.get("/requests").await.expect(200)["requests"], json!([]), "a rejected request is not stored");
}

#[tokio::test]
async fn a_rejection_without_a_problem_is_reported_to_the_client_and_logged_as_a_warning() {
    let server = Server::puppet().await;
    let silent = json!({ "delay": "PT1S", "validate": { "do": "reject-silently" } });
    let fault = server.api.post("/requests/puppet", &silent).await.expect_fault(422, "rejected");
    assert!(text(&fault, "detail").ends_with("which gave no reason"), "{fault}");
    let line = server.logged("of the rejection", |line| line["message"] == "the validator rejected a request without a reason").await;
    assert_eq!((text(&line, "level"), text(&line, "use_case")), ("WARN", "puppet"), "{line}");
    assert_eq!(line["correlation_id"], fault["correlationId"]);
    assert_eq!(line["version"], server.api.use_case("puppet").await.expect("the use case")["version"], "{line}");

    // A rejection with a problem needs no warning.
    let lines = server.log.len();
    let reject = json!({ "delay": "PT1S", "validate": { "do": "reject" } });
    server.api.post("/requests/puppet", &reject).await.expect_fault(422, "rejected");
    server.api.advance("PT1S").await;
    assert!(server.log.lines(lines).iter().all(|line| line["level"] != "WARN"), "{}", server.log.text());
}

#[tokio::test]
async fn a_failing_validator_is_a_500_that_names_the_plugin_and_the_reason() {
    let server = strict().await;
    for (script, reason, hint) in [
        (json!({ "do": "trap" }), "trap", "trapped"),
        (json!({ "do": "loop" }), "timeout", "400ms"),
        (json!({ "do": "sleep", "ms": 60_000 }), "timeout", "400ms"),
        (json!({ "do": "memory", "mib": 64 }), "memory", "16 MiB"),
        (json!({ "do": "output", "bytes": 3 << 20 }), "output", "1048576"),
    ] {
        let fault = server.api.post("/requests/puppet", &json!({ "delay": "PT1S", "validate": script })).await;
        let fault = fault.expect_fault(500, "validator-failed");
        assert_eq!(fault["reason"], reason, "{fault}");
        let detail = text(&fault, "detail");
        assert!(detail.contains("puppet") && detail.contains("validate") && detail.contains(hint), "{detail}");
    }
    server.api.submit("puppet", json!({ "delay": "PT1S" })).await;
}

#[tokio::test]
async fn a_validators_panic_message_is_in_the_log_and_not_in_the_answer() {
    let server = strict().await;
    let trap = json!({ "do": "trap", "message": "last words of the validator" });
    let fault =
        server.api.post("/requests/puppet", &json!({ "delay": "PT1S", "validate": trap })).await.expect_fault(500, "validator-failed");
    assert!(!fault.to_string().contains("last words of the validator"), "{fault}");
    let line = server.logged("with the panic", |line| line.to_string().contains("last words of the validator")).await;
    assert_eq!(line["correlation_id"], fault["correlationId"]);
}

#[tokio::test]
async fn an_unusable_answer_of_a_validator_is_a_500() {
    let server = Server::puppet().await;
    // Values that a client may not send either.
    for script in [
        json!({ "do": "body", "value": "not json" }),
        json!({ "do": "body", "value": "[]" }),
        json!({ "do": "body", "value": "{\"x\":\"\\ud800\"}" }),
        json!({ "do": "body", "value": "{\"x\":1e999}" }),
        json!({ "do": "output", "bytes": 300_000 }),
        json!({ "do": "target", "value": "elsewhere" }),
        json!({ "do": "trigger-at", "value": "2020-01-01T00:00:00Z" }),
        json!({ "do": "trigger-at", "value": "2027-02-01T00:00:00" }),
        json!({ "do": "trigger-at", "value": "2037-02-01T00:00:00Z" }),
    ] {
        let answer = server.api.post("/requests/puppet", &json!({ "delay": "PT1S", "validate": script })).await;
        let fault = answer.expect_fault(500, "validator-answer-unusable");
        assert!(text(&fault, "detail").contains("the validate plugin of use case puppet (version "), "{fault}");
    }
    assert_eq!(server.api.get("/requests").await.expect(200)["requests"], json!([]));
}

#[tokio::test]
async fn a_validator_may_change_body_time_and_target() {
    let two = format!("{PUPPET}[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\nheavy = {{ kind = 'plugin' }}\n");
    let server = Server::builder().use_case("puppet", &two).test_clock().start().await;
    let body = json!({ "do": "body", "value": { "process": { "do": "job" }, "changed": true } });
    let done = server.api.run("puppet", json!({ "validate": body })).await;
    let seen: Value = serde_json::from_str(text(&done["result"], "body")).unwrap();
    assert_eq!(seen["changed"], true);

    let done = server.api.run("puppet", json!({ "validate": { "do": "target", "value": "heavy" }, "process": { "do": "job" } })).await;
    assert_eq!((text(&done, "target"), text(&done["result"], "target")), ("heavy", "heavy"));

    let at = "2027-03-01T09:00:00.000Z";
    let later = server.api.run("puppet", json!({ "validate": { "do": "trigger-at", "value": "2027-03-01T10:00:00+01:00" } })).await;
    assert_eq!((text(&later, "status"), text(&later, "triggerAt")), ("scheduled", at));
}

#[tokio::test]
async fn a_validator_sees_the_request_and_only_the_listed_headers() {
    let receiver = Receiver::accepting().await;
    let server = Server::builder().use_case("puppet", &format!("{STRICT}{}", receiver.hook())).test_clock().start().await;
    let body = json!({ "delay": "PT1S", "target": "hook", "validate": { "do": "request" } });
    let call = server.api.call(Method::POST, "/requests/puppet").json(&body);
    let call = call.header("X-Signature", "s1").header("x-secret-thing", "hidden").header("authorization", format!("Bearer {SECRET}"));
    let answer = server.api.send(call).await.expect(202);
    server.api.advance("PT1S").await;

    // The puppet puts the request that it saw into the body, and the target receives that body.
    let seen = &receiver.deliveries()[0].json()["seen"];
    assert_eq!(seen["id"], answer["correlationId"]);
    assert_eq!(seen["headers"], json!([["x-signature", "s1"]]));
    assert_eq!((&seen["useCase"], &seen["target"], &seen["caller"]), (&json!("puppet"), &json!("hook"), &json!([])));
    assert_eq!((&seen["receivedAt"], &seen["triggerAt"]), (&json!("2027-01-01T00:00:00.000Z"), &json!("2027-01-01T00:00:01.000Z")));
    let seen_body: Value = serde_json::from_str(text(seen, "body")).unwrap();
    assert_eq!(seen_body, body);
}

#[tokio::test]
async fn a_failing_processor_is_retried_and_the_failure_names_the_reason_and_the_panic_message() {
    let server = strict().await;
    for (script, reason) in [
        (json!({ "do": "trap", "message": "no stock" }), ": no stock"),
        (json!({ "do": "loop" }), "did not answer within its timeout of 400ms"),
        (json!({ "do": "sleep", "ms": 60_000 }), "did not answer within its timeout of 400ms"),
        (json!({ "do": "memory", "mib": 64 }), "needed more memory than its limit of 16 MiB"),
        (json!({ "do": "output", "bytes": 3 << 20 }), "more than the 1048576 that are taken"),
    ] {
        let id = server.api.submit("puppet", json!({ "delay": "PT1S", "process": script })).await;
        server.api.advance("PT1S").await;
        let waiting = server.api.request(&id).await;
        assert_eq!(text(&waiting, "status"), "scheduled", "another attempt follows: {waiting}");
        let failure = text(&waiting, "failure");
        assert!(failure.contains(reason) && failure.contains("process plugin of use case puppet (version "), "{failure}");
        server.api.advance("PT10S").await;
        let failed = server.api.request(&id).await;
        assert_eq!(events(&failed), ["accepted", "started", "attempt-failed", "started", "failed"], "{failed}");
        assert!(text(&failed, "failure").contains(reason), "{failed}");
    }
}

#[tokio::test]
async fn a_large_result_is_cut_and_marked() {
    let server = Server::puppet().await;
    let done = server.api.run("puppet", json!({ "process": { "do": "output", "bytes": 200_000 } })).await;
    let result = text(&done, "result");
    assert_eq!(result.len(), 64 << 10);
    assert!(result.ends_with("(cut)"), "…{}", &result[result.len() - 20..]);
}

#[tokio::test]
async fn a_plugins_output_lines_are_bounded_log_lines_with_the_correlation_id() {
    let server = Server::puppet().await;
    let done = server.api.run("puppet", json!({ "process": { "do": "stderr", "lines": 5_000 } })).await;
    server.logged("of the end of the attempt", |line| line["message"] == "ended").await;
    let lines: Vec<Value> = server.log.lines(0).into_iter().filter(|line| !line["stream"].is_null()).collect();
    assert_eq!((text(&lines[0], "message"), text(&lines[0], "stream")), ("line 1", "stderr"));
    assert!((100..=1_001).contains(&lines.len()), "{} lines", lines.len());
    assert!(lines.iter().all(|line| line["correlation_id"] == done["correlationId"] && line["use_case"] == "puppet"));
    assert!(text(lines.last().unwrap(), "message").contains("dropped"));
}

#[tokio::test]
async fn a_use_case_without_a_validator_accepts_any_object_with_a_valid_time() {
    let server = Server::builder().use_case("open", "[process]\nplugin = 'minimal-process.wasm'\n").test_clock().start().await;
    let done = server.api.run("open", json!({ "anything": [1, 2, 3] })).await;
    assert_eq!(text(&done, "status"), "succeeded", "{done}");
    server.api.post("/requests/open", &json!({})).await.expect_fault(422, "trigger-missing");
}
