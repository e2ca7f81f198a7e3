use chrono::TimeDelta;
use postdate_core::envelope::{Ended, Envelope};
use postdate_core::fire::End;
use postdate_core::host_fault::HostFault;
use postdate_core::lifecycle::Change;
use postdate_core::plugin::JobFailure;
use postdate_core::ports::{Changed, Changes, Intake, Requests};
use postdate_core::request::{NewRequest, Request, Status};
use postdate_core::testing::{claim, moment, new_request, sample_id};
use serde_json::value::RawValue;

use super::*;
use crate::fakes::{accepted, deadline, expiring, firing};

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
    firing.ledger.memory.change(sample_id(1), Change::Cancel { by: None }, moment()).await.unwrap();
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
    assert_eq!(firing.timing(), ["schedule hook at 90", "clean postdate-orders-1"]);
    assert_eq!(firing.notifier.take(), ["topic: orders failed", "letter: attempt 3"]);
    assert_eq!(firing.fire_at(&envelope, 100).await, "Ended(Failed)");
    assert_eq!(firing.fire_at(&envelope, 200).await, "Ended(Failed)");
    assert!(firing.notifier.take().is_empty(), "a second delivery must not notify again");
    let letter = Envelope { redrive: true, attempt: 3, ..envelope };
    assert_eq!(firing.fire_at(&letter, 210).await, "ran: scheduled", "a redrive resets the attempts");
    assert_eq!(firing.fire_at(&Envelope { attempt: 4, redrive: false, ..letter.clone() }, 240).await, "ran: failed");
    assert_eq!(firing.notifier.take(), ["topic: orders failed", "letter: attempt 5"]);
    // The second letter of the same failure, and the one of an earlier attempt.
    for attempt in [3, 1] {
        assert_eq!(firing.fire_at(&Envelope { attempt, ..letter.clone() }, 250).await, "Ended(Failed)");
    }
    assert!(firing.notifier.take().is_empty(), "a stale letter must not make another letter");
}

#[tokio::test]
async fn a_delivery_after_the_expiry_ends_the_request_and_a_redrive_runs_it() {
    let firing = firing(Ok(None));
    let envelope = expiring(&firing).await;
    assert_eq!(firing.fire_at(&envelope, 90).await, "Expired");
    assert_eq!(firing.timing(), ["schedule hook at 90", "clean postdate-orders-1"]);
    assert_eq!(firing.notifier.take(), ["topic: orders expired", "letter: attempt 1"]);
    assert_eq!(firing.fire_at(&envelope, 91).await, "Ended(Expired)");
    let letter = Envelope { redrive: true, ..envelope };
    assert_eq!(firing.fire_at(&letter, 9000).await, "ran: succeeded");
}

#[tokio::test]
async fn a_deferred_request_expires_at_a_later_delivery() {
    let firing = firing(Ok(None));
    let envelope = expiring(&firing).await;
    firing.use_cases.remove("orders");
    firing.use_cases.fail_with(HostFault::new("the store", "no route to host"));
    assert_eq!(firing.fire_at(&envelope, 89).await, "Deferred");
    assert_eq!(firing.fire_at(&envelope, 95).await, "Parked", "the manifest names the target of the notice");
    firing.use_cases.fail_with(None);
    assert_eq!(firing.fire_at(&envelope, 99).await, "Expired");
    let request = firing.ledger.find(sample_id(1)).await.unwrap().unwrap().0;
    assert!(request.failure.unwrap().ends_with("it waited for the store"));
}

#[tokio::test]
async fn a_notification_that_failed_is_sent_by_a_repeated_delivery() {
    let firing = firing(Err(JobFailure { message: "no stock".to_owned(), retry: false, retry_after: None }));
    let envelope = accepted(&firing).await;
    *firing.notifier.fails_letters.lock().unwrap() = true;
    assert_eq!(firing.fire_at(&envelope, 60).await, "ran: failed");
    assert_eq!(firing.fire_at(&envelope, 100).await, "Ended(Failed)", "the letter fails again");
    assert_eq!(firing.notifier.take(), ["topic: orders failed"]);
    *firing.notifier.fails_letters.lock().unwrap() = false;
    assert_eq!(firing.fire_at(&envelope, 70).await, "Ended(Failed)");
    assert!(firing.notifier.take().is_empty(), "the first host may still be sending it");
    assert_eq!(firing.fire_at(&envelope, 100).await, "Ended(Failed)");
    assert_eq!(firing.notifier.take(), ["letter: attempt 2"]);
    assert_eq!(firing.fire_at(&envelope, 200).await, "Ended(Failed)");
    assert!(firing.notifier.take().is_empty());
}

#[tokio::test]
async fn a_delivery_that_the_ledger_fails_for_now_is_parked_for_seconds() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    *firing.ledger.failing_claims.lock().unwrap() = 4;
    for (second, wait) in [(60, 1), (62, 2), (75, 15), (360, 60)] {
        assert_eq!(firing.fire_at(&envelope, second).await, "Parked");
        assert_eq!(firing.timing(), [format!("park 1 for {wait} s")]);
    }
    assert_eq!(firing.fire_at(&envelope, 421).await, "ran: succeeded");
    // Without the queue, Lambda repeats the delivery.
    *firing.ledger.failing_claims.lock().unwrap() = 1;
    *firing.scheduler.fails_to_park.lock().unwrap() = true;
    assert!(firing.fire(&envelope, deadline()).await.is_err());
}

#[tokio::test]
async fn an_end_that_the_ledger_does_not_take_is_recorded_by_the_next_delivery() {
    let firing = firing(Ok(Some("once".to_owned())));
    let envelope = accepted(&firing).await;
    *firing.ledger.fails_records.lock().unwrap() = true;
    assert_eq!(firing.fire_at(&envelope, 60).await, "Parked");
    assert_eq!(firing.timing(), ["park 1 for 9 s with its end"], "the record was tried for 9 s");
    let parked = firing.scheduler.parked.lock().unwrap().clone().unwrap();
    assert_eq!(firing.fire_at(&parked, 78).await, "Parked", "the ledger still fails");
    assert_eq!(firing.status().await, Status::Running);
    *firing.ledger.fails_records.lock().unwrap() = false;
    assert_eq!(firing.fire_at(&parked, 90).await, "ran: succeeded");
    let (request, history) = firing.ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!((request.attempts, request.interruptions, request.result.as_deref()), (1, 0, Some("once")));
    assert_eq!(history.len(), 3, "accepted, started, succeeded: {history:?}");
    assert_eq!(firing.fire_at(&parked, 91).await, "Ended(Succeeded)");
}

#[tokio::test]
async fn the_end_of_an_earlier_claim_is_not_recorded_for_a_later_one() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    let claim = async || firing.ledger.memory.claim(sample_id(1), moment() + TimeDelta::seconds(60)).await.unwrap().unwrap().request;
    let first = claim().await;
    let release = Change::Release { claim: first.claim(), reason: "its lease ran out".to_owned(), notice: None };
    firing.ledger.memory.change(first.id, release, moment() + TimeDelta::seconds(60)).await.unwrap();
    assert!(claim().await.claim() > first.claim());
    let ended = Ended { claim: first.claim(), end: End::Answered(Ok(None)) };
    assert_eq!(firing.fire_at(&Envelope { ended: Some(ended), ..envelope }, 61).await, "Busy");
    assert_eq!(firing.status().await, Status::Running);
}

#[tokio::test]
async fn the_last_second_of_a_lease_is_waited_for_in_the_function() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    let claimed = firing.ledger.memory.claim(sample_id(1), moment() + TimeDelta::seconds(60)).await.unwrap().unwrap();
    let lease = i64::try_from(claimed.request.lease.as_secs()).unwrap();
    assert_eq!(firing.fire_at(&envelope, 60 + lease - 1).await, "ran: succeeded");
    assert_eq!(firing.timing(), ["clean postdate-orders-1"], "nothing is parked");
}

#[tokio::test]
async fn the_letter_of_a_direct_target_is_delivered_by_the_host() {
    let firing = firing(Ok(None));
    let request = Request { target: "away".to_owned(), ..new_request(sample_id(1), "orders", moment()).request };
    let new = new_request(sample_id(1), "orders", moment());
    firing.ledger.memory.insert(NewRequest { request: request.clone(), ..new }).await.unwrap();
    let letter = Envelope { redrive: true, ..Envelope::of(&request, None) };
    assert_eq!(firing.fire_at(&letter, 60).await, "ran: succeeded");
    assert_eq!(firing.deliver.delivered().len(), 1);
    assert_eq!(firing.fire_at(&letter, 61).await, "Ended(Succeeded)", "a confirmed delivery is not repeated");
    assert_eq!(firing.deliver.delivered().len(), 1);
}

#[tokio::test]
async fn a_letter_does_not_disturb_a_request_that_waits_for_its_time() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    let letter = Envelope { redrive: true, scheduled_for: "at its time".to_owned(), ..envelope };
    assert_eq!(firing.fire_at(&letter, 20).await, "Early");
    assert!(firing.timing().is_empty(), "its own delivery is scheduled already");
}

#[tokio::test]
async fn a_delivery_during_a_running_attempt_is_parked_until_the_lease_ends() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    let running = match firing.ledger.memory.change(sample_id(1), claim(), moment() + TimeDelta::seconds(60)).await.unwrap() {
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
    let envelope = Envelope::of(&new.request, Some("postdate-orders-7".to_owned()));
    assert_eq!(firing.fire_at(&envelope, 0).await, "Unknown");
    assert_eq!(firing.timing(), ["clean postdate-orders-7"]);
}

#[tokio::test]
async fn a_cancelled_request_never_runs() {
    let firing = firing(Ok(None));
    let envelope = accepted(&firing).await;
    firing.ledger.memory.change(sample_id(1), Change::Cancel { by: None }, moment()).await.unwrap();
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
    assert_eq!(firing.timing(), ["park 1 for 1 s"], "the queue's shortest delay, for a wait of 250 ms");
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
    let envelope = Envelope::of(&new.request, None).to_json(Some("{\"a\": 1.0}"));
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

#[test]
fn the_type_of_an_error_is_a_stable_word() {
    for (event, code) in [("null", "foreign-event"), (r#"{"v":2}"#, "unknown-version"), (r#"{"Records":"x"}"#, "foreign-event")] {
        assert_eq!(parse(event).unwrap_err().code(), code, "{event}");
    }
}
