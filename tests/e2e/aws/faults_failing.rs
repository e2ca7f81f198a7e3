//! Every fault of every AWS call while a request fails for good. The request runs once, and the topic, the dead-letter queue and the
//! notice tell of its failure, whichever call fails.

use postdate_tests::fault_proxy::Fault;
use postdate_tests::stack::{Options, TABLE};
use serde_json::{Value, json};

use super::faults::{Fired, beside, calls_of_firing, firing};
use super::scene::Scene;
use crate::harness::{Receiver, text};

fn body() -> Value {
    json!({ "process": { "do": "fail", "message": "no stock" } })
}

/// Starts a scene whose notices go to the receiver.
async fn scene(receiver: &Receiver) -> Scene {
    let told = format!("told = {{ kind = 'http', url = '{}' }}", receiver.url("/told"));
    let manifest = format!("[targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\n{told}\n[on]\nfailure = 'told'\n");
    Scene::with(&manifest, Options::default()).await
}

/// Returns how many of the queue's messages are about the request.
async fn messages(scene: &Scene, queue: &str, id: &str) -> usize {
    let messages = scene.stack.aws.take_messages(queue).await;
    let about =
        |message: &Value| message["correlationId"] == id && (message["event"] == "request-failed" || message["useCase"].is_string());
    messages.iter().filter(|message| about(&message.json())).count()
}

async fn failing(call: String) {
    let receiver = Receiver::accepting().await;
    firing(scene(&receiver).await, call, body(), async |scene: &Scene, fired: &Fired| assert_notified(scene, &receiver, fired).await).await;
}

async fn assert_notified(scene: &Scene, receiver: &Receiver, fired: &Fired) {
    let Fired { case, fault, id, request } = fired;
    assert_eq!((text(request, "status"), text(request, "failure")), ("failed", "no stock"), "{case}: {request}");
    let notices = messages(scene, &scene.stack.notices_url, id).await;
    let letters = messages(scene, &scene.stack.dead_letters_url, id).await;
    // A lost answer, and a record of the notification that fails, are reasons to notify again.
    if *fault == Fault::LostResponse || case.starts_with("dynamodb") {
        assert!(notices >= 1 && letters >= 1, "{case}: {notices} notifications, {letters} letters");
    } else {
        assert_eq!((notices, letters), (1, 1), "{case}");
    }
    let items = scene.stack.aws.items(TABLE).await;
    let of_notices: Vec<_> = items.iter().filter(|item| item["notice_of"]["S"] == json!(id)).map(|item| &item["status"]["S"]).collect();
    let delivered = receiver.deliveries().iter().filter(|notice| notice.json()["correlationId"] == json!(id)).count();
    assert_eq!((of_notices.as_slice(), delivered), ([&json!("succeeded")].as_slice(), 1), "{case}");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_notified_of_a_request_that_fails_for_good_despite_faults_at_each_call() {
    let receiver = Receiver::accepting().await;
    let calls = calls_of_firing(&scene(&receiver).await, body()).await;
    assert!(calls.iter().any(|call| call == "sns.Publish") && calls.iter().any(|call| call == "sqs.SendMessage"), "{calls:?}");
    beside(calls.into_iter().map(failing).collect()).await;
}
