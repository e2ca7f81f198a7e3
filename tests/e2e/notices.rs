//! `[on]`: notices of the end of a request, delivered to the targets of `success` and `failure`.

use serde_json::json;

use crate::harness::{PUPPET, Receiver, Reply, Server, events, text};

fn manifest(receiver: &Receiver) -> String {
    format!(
        "{PUPPET}[retry]\nmax-attempts = 2\nbackoff = {{ initial = '10s', factor = 1, max = '10s', jitter = 0 }}\n\
         [targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\nyes = {{ kind = 'http', url = '{}' }}\nno = {{ kind = 'http', url = '{}' }}\n\
         [on]\nsuccess = 'yes'\nfailure = 'no'\n",
        receiver.url("/yes"),
        receiver.url("/no"),
    )
}

#[tokio::test]
async fn success_and_failure_each_send_a_notice_to_their_target() {
    let receiver = Receiver::accepting().await;
    let server = Server::builder().use_case("puppet", &manifest(&receiver)).test_clock().start().await;
    let done = server.api.run("puppet", json!({ "process": { "do": "succeed", "result": "{\"n\":1}" } })).await;
    let failed = server.api.run("puppet", json!({ "process": { "do": "fail", "message": "no such customer" } })).await;

    let told = receiver.deliveries();
    assert_eq!(told.iter().map(|delivery| delivery.path.as_str()).collect::<Vec<_>>(), ["/yes", "/no"]);
    let (yes, no) = (told[0].json(), told[1].json());
    for (notice, request) in [(&yes, &done), (&no, &failed)] {
        for member in ["correlationId", "useCase", "status", "target", "triggerAt", "attempts", "finishedAt"] {
            assert_eq!(notice[member], request[member], "{member} of {notice}");
        }
    }
    assert_eq!((&yes["result"], &no["failure"]), (&json!({ "n": 1 }), &json!("no such customer")));
    assert_eq!(told[0].header("x-correlation-id"), text(&done, "correlationId"));
    assert_eq!(told[1].header("x-correlation-id"), text(&failed, "correlationId"));
    assert_ne!(told[0].header("idempotency-key"), text(&done, "correlationId"), "a notice has an id of its own");
    assert!(!told[1].body.contains(crate::harness::PAYLOAD), "the payload is not part of a notice");
}

#[tokio::test]
async fn no_notice_is_sent_before_the_end_or_for_a_cancelled_request() {
    let receiver = Receiver::accepting().await;
    let server = Server::builder().use_case("puppet", &manifest(&receiver)).test_clock().start().await;
    let retried = server.api.run("puppet", json!({ "process": { "do": "retry" } })).await;
    assert_eq!((text(&retried, "status"), receiver.count()), ("scheduled", 0), "another attempt follows");
    server.api.delete(&format!("/requests/{}", text(&retried, "correlationId"))).await.expect(200);
    server.api.advance("P1D").await;
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_notice_is_a_request_with_its_own_retries_and_sends_no_notice_itself() {
    let receiver = Receiver::start(|_, before| if before == 0 { Reply::status(503) } else { Reply::status(400) }).await;
    let server = Server::builder().use_case("puppet", &manifest(&receiver)).test_clock().start().await;
    let done = server.api.run("puppet", json!({})).await;
    server.api.advance("P1D").await;
    assert_eq!(text(&done, "status"), "succeeded");
    let told = receiver.deliveries();
    assert_eq!(told.iter().map(|delivery| delivery.header("x-postdate-attempt").to_owned()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(told[0].header("idempotency-key"), told[1].header("idempotency-key"));
    let notice = server.api.request(told[0].header("idempotency-key")).await;
    assert_eq!(notice["noticeOf"], done["correlationId"]);
    assert_eq!(events(&notice), ["accepted", "started", "attempt-failed", "started", "failed"]);
    assert_eq!(text(&server.api.request(text(&done, "correlationId")).await, "status"), "succeeded", "the request keeps its status");
}
