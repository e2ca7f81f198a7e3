//! The lifecycle of a request on the system clock, from `POST` to result.

use std::time::Duration;

use chrono::Utc;
use serde_json::json;

use crate::harness::{PUPPET, Receiver, Reply, Server, events, eventually, text, time};

#[tokio::test]
async fn a_request_is_acknowledged_processed_at_its_time_and_recorded() {
    let server = Server::builder().use_case("puppet", PUPPET).start().await;
    let before = Utc::now();
    let body = json!({ "delay": "PT1S", "process": { "do": "succeed", "result": "{\"receipt\":7}" } });
    let answer = server.api.post("/requests/puppet", &body).await;

    assert_eq!(answer.status, 202);
    let id = text(&answer.body, "correlationId").to_owned();
    assert_eq!(answer.header("location"), format!("/requests/{id}"));
    assert_eq!(answer.header("x-correlation-id"), id);
    let trigger_at = time(&answer.body["triggerAt"]);
    assert!(trigger_at >= before + chrono::TimeDelta::milliseconds(999), "{trigger_at} is a second after {before}");
    let expected = json!({
        "status": "scheduled", "useCase": "puppet", "target": "here", "triggerAt": answer.body["triggerAt"],
        "links": { "self": format!("/requests/{id}") }, "correlationId": id,
    });
    assert_eq!(answer.body, expected);

    let waiting = server.api.get(answer.header("location")).await.expect(200);
    assert_eq!((text(&waiting, "status"), &waiting["attempts"]), ("scheduled", &json!(0)));
    assert_eq!(events(&waiting), ["accepted"]);

    let done = server.api.reaches(&id, "succeeded").await;
    assert_eq!(done["result"], json!({ "receipt": 7 }));
    assert_eq!(done["attempts"], 1);
    assert_eq!(done["failure"], json!(null));
    assert_eq!(events(&done), ["accepted", "started", "succeeded"]);
    let history = done["history"].as_array().unwrap();
    assert_eq!(history[0]["at"], done["receivedAt"]);
    assert!(time(&history[1]["at"]) >= trigger_at, "started early: {done}");
    assert_eq!(history[2]["at"], done["finishedAt"]);
    assert_eq!(history.iter().map(|line| line["attempt"].as_u64()).collect::<Vec<_>>(), [Some(0), Some(1), Some(1)]);
}

#[tokio::test]
async fn a_request_is_running_while_its_target_works_and_never_starts_early() {
    let receiver = Receiver::start(|_, _| Reply::ok("").after(Duration::from_secs(3))).await;
    let server = Server::builder().use_case("hook", &receiver.hook()).start().await;
    let mut promised = Vec::new();
    for n in 0..20 {
        let body = json!({ "delay": format!("PT0.{:03}S", 100 + 37 * n) });
        let answer = server.api.post("/requests/hook", &body).await.expect(202);
        promised.push((text(&answer, "correlationId").to_owned(), time(&answer["triggerAt"])));
    }
    server.api.reaches(&promised[0].0, "running").await;
    for (id, trigger_at) in promised {
        let arrived = eventually("the delivery", async || {
            receiver.deliveries().into_iter().find(|delivery| delivery.header("x-correlation-id") == id)
        });
        let arrived = arrived.await.at;
        assert!(arrived >= trigger_at, "{id} came at {arrived}, before {trigger_at}");
        assert_eq!(server.api.reaches(&id, "succeeded").await["attempts"], 1);
    }
    assert_eq!(receiver.count(), 20);
}

#[tokio::test]
async fn every_call_starts_in_a_fresh_instance() {
    let server = Server::puppet().await;
    for _ in 0..3 {
        let done = server.api.run("puppet", json!({ "process": { "do": "count" } })).await;
        assert_eq!(done["result"], "1");
    }
}

#[tokio::test]
async fn a_processor_sees_every_field_of_its_job() {
    let server = Server::puppet().await;
    let done = server.api.run("puppet", json!({ "process": { "do": "job" }, "n": 1 })).await;
    let job = &done["result"];
    assert_eq!(job["id"], done["correlationId"]);
    assert_eq!(job["useCase"], "puppet");
    assert_eq!((&job["target"], &job["attempt"]), (&json!("here"), &json!(1)));
    assert_eq!(job["scheduledFor"], done["triggerAt"]);
    let body: serde_json::Value = serde_json::from_str(text(job, "body")).unwrap();
    assert_eq!(body["n"], 1);
}
