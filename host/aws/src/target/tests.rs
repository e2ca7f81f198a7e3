use chrono::TimeDelta;
use postdate_core::envelope::Envelope;
use postdate_core::host_fault::HostFault;
use postdate_core::lifecycle::Change;
use postdate_core::plugin::JobFailure;
use postdate_core::ports::{Changed, Changes, Requests};
use postdate_core::request::Status;
use postdate_core::testing::{claim, moment, new_request, sample_id};
use serde_json::value::RawValue;

use super::*;
use crate::fakes::{accepted, firing};

#[tokio::test]
async fn a_request_runs_at_its_time_and_its_rule_is_deleted() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    assert_eq!(firing.fire_at(&envelope, 60).await, "ran: succeeded");
    assert_eq!(firing.timing(), ["clean postdate-orders-1"]);
    assert_eq!(firing.fire_at(&envelope, 61).await, "Ended(Succeeded)", "a second delivery only cleans up");
    assert_eq!(firing.timing(), ["clean postdate-orders-1"]);
}

#[tokio::test]
async fn an_early_delivery_is_parked_in_the_queue_or_gets_a_rule() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    assert_eq!(firing.fire_at(&envelope, 20).await, "Early");
    assert_eq!(firing.timing(), ["park 1 for 40 s"]);
    assert_eq!(firing.fire_at(&envelope, -3600).await, "Early");
    assert_eq!(firing.timing(), ["schedule here at 60"]);
    assert_eq!(firing.status().await, Status::Scheduled);
    // The envelope has the due time, so an early delivery does not read the ledger.
    firing.ledger.0.change(sample_id(1), Change::Cancel { by: None }, moment()).await.unwrap();
    assert_eq!(firing.fire_at(&envelope, 20).await, "Early");
    assert_eq!(firing.timing(), ["park 1 for 40 s"]);
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_and_operators_are_notified_of_the_last_one() {
    let firing = firing(Err(JobFailure { message: "no stock".to_owned(), retry: true, retry_after: None }));
    let envelope = accepted(&firing).await;
    assert_eq!(firing.fire_at(&envelope, 60).await, "ran: scheduled");
    assert_eq!(firing.timing(), ["park 2 for 30 s"], "the rule stays until the end");
    assert_eq!(firing.fire_at(&envelope, 90).await, "ran: failed");
    assert_eq!(firing.timing(), ["clean postdate-orders-1", "schedule hook at 90"]);
    assert_eq!(*firing.notifier.0.lock().unwrap(), [sample_id(1); 2], "the topic, and the dead-letter queue");
    assert_eq!(firing.fire_at(&envelope, 100).await, "Ended(Failed)");
    let redriven = Envelope { redrive: true, ..envelope };
    assert_eq!(firing.fire_at(&redriven, 110).await, "ran: scheduled", "a redrive resets the attempts");
}

#[tokio::test]
async fn a_delivery_during_a_running_attempt_is_parked_until_the_lease_ends() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    let running = match firing.ledger.0.change(sample_id(1), claim(), moment() + TimeDelta::seconds(60)).await.unwrap() {
        Changed::Done(request) => request,
        other => panic!("{other:?}"),
    };
    let lease = running.lease.as_secs();
    assert_eq!(firing.fire_at(&envelope, 60).await, "Busy");
    assert_eq!(firing.timing(), [format!("park 1 for {lease} s")]);
    // The environment of the attempt is frozen or gone: its lease runs out, and the next delivery takes over.
    let after = 61 + i64::try_from(lease).unwrap();
    assert_eq!(firing.fire_at(&envelope, after).await, "ran: succeeded");
    let (request, _) = firing.ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!((request.attempts, request.interruptions), (2, 1));
}

#[tokio::test]
async fn the_rule_of_a_request_unknown_to_the_ledger_is_deleted() {
    let firing = firing(Ok(None));
    let new = new_request(sample_id(7), "orders", moment());
    let envelope = Envelope::of(&new.request, Some("postdate-orders-7".to_owned()), None);
    assert_eq!(firing.fire_at(&envelope, 0).await, "Unknown");
    assert_eq!(firing.timing(), ["clean postdate-orders-7"]);
}

#[tokio::test]
async fn a_cancelled_request_never_runs() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    firing.ledger.0.change(sample_id(1), Change::Cancel { by: None }, moment()).await.unwrap();
    assert_eq!(firing.fire_at(&envelope, 60).await, "Ended(Cancelled)");
    assert_eq!(firing.timing(), ["clean postdate-orders-1"]);
}

#[tokio::test]
async fn a_request_deferred_by_a_host_fault_is_parked_and_spends_no_attempt() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    firing.use_cases.remove("orders");
    firing.use_cases.fail_with(HostFault::new("machine code of version v1", "no route to the store"));
    assert_eq!(firing.fire_at(&envelope, 60).await, "Deferred");
    assert_eq!(firing.timing(), ["park 1 for 0 s"], "250 ms, shown in whole seconds");
    let (request, history) = firing.ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!((request.status, request.attempts, request.failures), (Status::Scheduled, 0, 0));
    assert_eq!(request.waiting.unwrap().on, "machine code of version v1");
    assert_eq!(history.len(), 2, "accepted, deferred: {history:?}");
    firing.use_cases.fail_with(None);
    assert_eq!(firing.fire_at(&envelope, 61).await, "ran: succeeded");
}

fn parse(text: &str) -> Result<Event, ForeignEvent> {
    Event::parse(&RawValue::from_string(text.to_owned()).unwrap())
}

#[test]
fn an_event_is_an_envelope_or_an_sqs_batch_of_envelopes() {
    let new = new_request(sample_id(1), "orders", moment());
    let envelope = Envelope::of(&new.request, None, None).to_json(Some("{\"a\": 1.0}"));
    assert!(matches!(parse(&envelope), Ok(Event::Direct(read)) if read.body() == Some("{\"a\": 1.0}")));
    let record = |id: &str, source: &str, body: &str| serde_json::json!({ "messageId": id, "eventSource": source, "body": body, "attributes": {}, "awsRegion": "eu-west-1" });
    let batch = serde_json::json!({ "Records": [record("m1", "aws:sqs", &envelope), record("m2", "aws:sqs", "hello")] });
    let Ok(Event::Queue(messages)) = parse(&batch.to_string()) else { panic!("an SQS event") };
    assert_eq!(
        messages.iter().map(|message| (message.id.as_str(), message.envelope.is_ok())).collect::<Vec<_>>(),
        [("m1", true), ("m2", false)]
    );
    assert_eq!(batch_response(&["m2".to_owned()]).to_string(), r#"{"batchItemFailures":[{"itemIdentifier":"m2"}]}"#);
}

#[test]
fn the_error_on_a_foreign_event_names_the_expected_form() {
    for (event, expected) in [
        (r#"{"version":"0","detail-type":"Scheduled Event","source":"aws.events"}"#, "correlationId"),
        (r#"{"Records":[{"messageId":"1","eventSource":"aws:kinesis","body":""}]}"#, "aws:sqs"),
        (r#"{"Records":[{"eventSource":"aws:s3"}]}"#, "messageId"),
        (r#"{"Records":"x"}"#, "messageId"),
        ("null", "correlationId"),
        ("[1]", "correlationId"),
    ] {
        let message = parse(event).unwrap_err().to_string();
        assert!(message.contains(expected), "{event}: {message}");
    }
}
