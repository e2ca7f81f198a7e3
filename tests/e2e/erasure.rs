//! Labels and their erasure, bodies, and the end that a call waits for.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{PUPPET, Receiver, Server, eventually, text};

const LABELS: &str = "[labels]\ncustomer = '/customer/id'\n";

/// Returns how often the files of the ledger have these bytes.
fn occurrences(data: &Path, bytes: &[u8]) -> usize {
    let files = ["ledger.sqlite", "ledger.sqlite-wal"].map(|name| std::fs::read(data.join(name)).unwrap_or_default());
    files.iter().map(|file| file.windows(bytes.len()).filter(|window| *window == bytes).count()).sum()
}

/// Starts a server whose use case has a label, and a receiver of its notices.
async fn labelled() -> (Server, Receiver) {
    let receiver = Receiver::accepting().await;
    let more = format!(
        "[on]\nsuccess = 'hook'\n[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\nhook = {{ kind = 'http', url = '{}' }}\n",
        receiver.url("/")
    );
    let server = Server::builder().use_case("puppet", &format!("{PUPPET}{more}{LABELS}")).start().await;
    (server, receiver)
}

#[tokio::test]
async fn an_erased_request_leaves_no_trace_in_the_files() {
    let (server, receiver) = labelled().await;
    let secret = "Q7-unmistakable-Q7";
    let body = json!({ "delay": "PT0S", "customer": { "id": secret }, "pad": "x".repeat(9_000), "process": { "do": "succeed", "result": secret } });
    let ended = server.api.submit("puppet", body).await;
    server.api.reaches(&ended, "succeeded").await;
    let open = server.api.submit("puppet", json!({ "delay": "PT1H", "customer": { "id": secret } })).await;
    eventually("the notice", async || (receiver.count() == 1).then_some(())).await;
    let of_label = format!("/requests?label.customer={secret}");
    let labelled = server.api.get(&of_label).await.expect(200);
    assert_eq!(labelled["requests"].as_array().map(Vec::len), Some(2));
    assert!(occurrences(server.data(), secret.as_bytes()) > 0, "the test looks in the right files");

    eventually("the end of the notice", async || {
        let erased = server.api.post(&format!("/requests/{ended}/erase"), &json!({})).await;
        (erased.status == 200).then_some(())
    })
    .await;
    let cancelled = server.api.post(&format!("/requests/{open}/erase"), &json!({})).await.expect(200);
    assert_eq!(text(&cancelled, "status"), "cancelled");
    eventually("nothing left in the files", async || (occurrences(server.data(), secret.as_bytes()) == 0).then_some(())).await;
    let left = server.api.request(&ended).await;
    assert_eq!((text(&left, "status"), left.get("result"), left.get("labels")), ("succeeded", None, None), "{left}");
    server.api.get(&format!("/requests/{ended}/body")).await.expect_fault(410, "erased");
    assert_eq!(server.api.get(&of_label).await.expect(200)["requests"], json!([]));
}

#[tokio::test]
async fn an_erased_request_leaves_no_trace_after_a_kill() {
    let (mut server, _receiver) = labelled().await;
    let secret = "K7-unmistakable-K7";
    let open = server.api.submit("puppet", json!({ "delay": "PT1H", "customer": { "id": secret } })).await;
    server.api.post(&format!("/requests/{open}/erase"), &json!({})).await.expect(200);
    // Nearly always before the log is emptied, within half a second.
    server.kill();
    server.start().await;
    eventually("nothing left in the files", async || (occurrences(server.data(), secret.as_bytes()) == 0).then_some(())).await;
}

#[tokio::test]
async fn labels_are_in_lists_notices_and_logs() {
    let (server, receiver) = labelled().await;
    let id = server.api.submit("puppet", json!({ "delay": "PT0S", "customer": { "id": 42 } })).await;
    server.api.submit("puppet", json!({ "delay": "PT0S", "customer": { "id": 43 } })).await;
    let done = server.api.reaches(&id, "succeeded").await;
    assert_eq!(done["labels"], json!({ "customer": "42" }));
    let listed =
        server.api.get("/requests?label.customer=42&useCase=puppet&status=succeeded&endedFrom=2020-01-01T00:00:00Z").await.expect(200);
    assert_eq!(listed["requests"].as_array().map(Vec::len), Some(1), "{listed}");
    let notice =
        eventually("the notice", async || receiver.deliveries().into_iter().find(|one| one.json()["labels"]["customer"] == "42")).await;
    assert_eq!(notice.json()["correlationId"], json!(id));
    server.logged("the end with its labels", |line| line["message"] == "ended" && line["labels"] == "customer=42").await;
    let fault = server.api.post("/requests/puppet", &json!({ "delay": "PT0S", "customer": {} })).await;
    assert_eq!(fault.expect_fault(422, "label-unreadable")["pointer"], "/customer/id");
}

#[tokio::test]
async fn a_call_waits_for_the_end_of_its_request_and_no_longer() {
    let server = Server::builder().use_case("puppet", PUPPET).start().await;
    let id = server.api.submit("puppet", json!({ "delay": "PT1H" })).await;
    let begun = Instant::now();
    let open = server.api.get(&format!("/requests/{id}?wait=300ms")).await.expect(200);
    assert_eq!(text(&open, "status"), "scheduled");
    assert!(begun.elapsed() >= Duration::from_millis(300), "it did not wait");
    let path = format!("/requests/{id}?wait=50s");
    let (waited, ()) = tokio::join!(server.api.get(&path), async {
        server.api.patch(&format!("/requests/{id}"), &json!({ "delay": "PT0S" })).await.expect(200);
    });
    assert_eq!(text(&waited.expect(200), "status"), "succeeded");
}

#[tokio::test]
async fn changes_are_sent_as_they_happen_to_those_who_may_see_them() {
    let server = Server::builder().use_case("puppet", PUPPET).start().await;
    let mut events = server.api.events().await;
    let id = server.api.submit("puppet", json!({ "delay": "PT0S" })).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|status: &String| status != "succeeded") {
        let event = events.next().await;
        assert_eq!(event["correlationId"], json!(id));
        seen.push(text(&event, "status").to_owned());
    }
    assert_eq!(seen, ["scheduled", "running", "succeeded"]);
}
