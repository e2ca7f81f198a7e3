//! Cases about inserting and finding requests.

use std::sync::Arc;

use super::{at, find, insert, make};
use crate::lifecycle::{self, Change, Refusal};
use crate::ports::{Changed, Changes, Inserted, Intake, Requests};
use crate::request::{NewRequest, Query, Request, Status};
use crate::testing::{claim, join_all, new_request, sample_id};
use crate::trace::TraceParent;

/// First id of the cases in this module; the modules' ids do not overlap.
const IDS: u64 = 1000;

fn keyed(n: u64, use_case: &str, key: &str) -> NewRequest {
    let new = new_request(sample_id(IDS + n), use_case, at(60));
    let request = Request { idempotency_hash: Some(format!("hash-{n}")), ..new.request };
    NewRequest { request, idempotency_key: Some(key.to_owned()), ..new }
}

pub async fn an_inserted_request_is_found_with_its_history(ledger: &(impl Intake + Requests)) {
    // Each field has a value of its own, so that a ledger that drops one fails.
    let new = keyed(1, "intake-fields", "k");
    let request = Request {
        version: "0123456789abcdef".to_owned(),
        target: "hook".to_owned(),
        received_at: at(1) + chrono::TimeDelta::milliseconds(7),
        trigger_at: at(3600) + chrono::TimeDelta::milliseconds(1),
        first_trigger_at: at(3600) + chrono::TimeDelta::milliseconds(1),
        due_at: at(3600) + chrono::TimeDelta::milliseconds(1),
        lease: std::time::Duration::from_millis(40_500),
        owner: Some("shop".to_owned()),
        labels: [("customer", "ü 42"), ("order", "7")].map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        trace: Some(TraceParent { trace_id: 0x0af7_6519, span_id: 0xb7ad, sampled: true }),
        ..new.request.clone()
    };
    let new = NewRequest { request: request.clone(), body: "{\"text\":\"ü 漢 \\u0000 '\"}".to_owned(), ..new };
    insert(ledger, &new).await;
    assert_eq!(find(ledger, request.id).await, (request.clone(), vec![lifecycle::accepted(&request)]));
    assert_eq!(ledger.body(request.id).await.unwrap(), Some(new.body));
    assert_eq!(ledger.find_by_key("intake-fields", "k").await.unwrap(), Some(request));
}

pub async fn many_are_inserted_in_their_order_and_a_taken_key_hinders_no_other(ledger: &(impl Intake + Requests)) {
    assert_eq!(ledger.insert_all(Vec::new()).await.len(), 0);
    let first = keyed(300, "intake-many", "k");
    insert(ledger, &first).await;
    // More than one transaction of DynamoDB takes.
    let mut many: Vec<NewRequest> = (301..411).map(|n| new_request(sample_id(IDS + n), "intake-many", at(60))).collect();
    many[70] = keyed(371, "intake-many", "k");
    let inserted = ledger.insert_all(many.iter().cloned().map(Arc::new).collect()).await;
    assert_eq!(inserted.len(), many.len());
    for (n, (new, inserted)) in many.into_iter().zip(inserted).enumerate() {
        let inserted = inserted.unwrap();
        if n == 70 {
            assert_eq!(inserted, Inserted::Taken(first.request.clone().into()));
            assert_eq!(ledger.find(new.request.id).await.unwrap(), None);
            continue;
        }
        assert_eq!(inserted, Inserted::New);
        if n % 30 == 0 {
            assert_eq!(find(ledger, new.request.id).await, (new.request.clone(), vec![lifecycle::accepted(&new.request)]));
            assert_eq!(ledger.body(new.request.id).await.unwrap(), Some(new.body));
        }
    }
}

pub async fn an_unknown_id_is_not_found(ledger: &(impl Intake + Requests + Changes)) {
    let id = sample_id(IDS + 999);
    assert_eq!(ledger.find(id).await.unwrap(), None);
    assert_eq!(ledger.change(id, Change::Cancel { by: None }, at(0)).await.unwrap(), Changed::NotFound);
    assert_eq!(ledger.body(id).await.unwrap(), None);
    assert_eq!(ledger.find_by_key("intake-fields", "no such key").await.unwrap(), None);
    assert_eq!(ledger.find_by_key("no-such-use-case", "k").await.unwrap(), None);
}

pub async fn an_id_is_taken_once(ledger: &(impl Intake + Requests)) {
    let first = new_request(sample_id(IDS + 10), "intake-ids", at(60));
    insert(ledger, &first).await;
    let second = new_request(first.request.id, "intake-ids", at(120));
    assert!(ledger.insert(second.into()).await.is_err(), "the ledger inserted a second request with the same id");
    let (found, history) = find(ledger, first.request.id).await;
    assert_eq!((found, history.len()), (first.request, 1));
}

pub async fn an_idempotency_key_is_taken_once_a_use_case(ledger: &(impl Intake + Requests)) {
    let first = keyed(20, "intake-keys", "k");
    insert(ledger, &first).await;
    let second = keyed(21, "intake-keys", "k");
    assert_eq!(ledger.insert(second.clone().into()).await.unwrap(), Inserted::Taken(first.request.clone().into()));
    assert_eq!(ledger.find(second.request.id).await.unwrap(), None, "an insert with a taken key stored its request");
    assert_eq!(ledger.find_by_key("intake-keys", "k").await.unwrap(), Some(first.request));
    // Keys are compared byte by byte, and belong to one use case.
    for (n, use_case, key) in [(22, "intake-keys", "K"), (23, "intake-keys", "k "), (24, "intake-keys-2", "k")] {
        let other = keyed(n, use_case, key);
        insert(ledger, &other).await;
        assert_eq!(find(ledger, other.request.id).await.0, other.request);
        assert_eq!(ledger.find_by_key(use_case, key).await.unwrap(), Some(other.request));
    }
    // Requests without a key never collide.
    for n in [25, 26] {
        insert(ledger, &new_request(sample_id(IDS + n), "intake-keys", at(60))).await;
    }
}

pub async fn an_idempotency_key_stays_taken_after_the_end(ledger: &(impl Intake + Changes)) {
    let first = keyed(30, "intake-ended", "k");
    insert(ledger, &first).await;
    let cancelled = make(ledger, first.request.id, Change::Cancel { by: None }, at(5)).await;
    assert_eq!(cancelled.status, Status::Cancelled);
    assert_eq!(ledger.insert(keyed(31, "intake-ended", "k").into()).await.unwrap(), Inserted::Taken(cancelled.clone().into()));
    assert_eq!(ledger.find_by_key("intake-ended", "k").await.unwrap(), Some(cancelled));
}

pub async fn an_idempotency_key_is_free_again_when_its_request_was_aborted(ledger: &(impl Intake + Requests + Changes)) {
    let first = keyed(40, "intake-aborted", "k");
    insert(ledger, &first).await;
    let aborted = make(ledger, first.request.id, Change::Abort { reason: "no more rules".to_owned() }, at(5)).await;
    assert_eq!(aborted.status, Status::Cancelled);
    assert_eq!(ledger.find_by_key("intake-aborted", "k").await.unwrap(), None);
    let second = keyed(41, "intake-aborted", "k");
    insert(ledger, &second).await;
    assert_eq!(find(ledger, second.request.id).await.0, second.request);
    // An abort that is refused does not free the key.
    make(ledger, second.request.id, claim(), at(60)).await;
    ledger.change(second.request.id, Change::Abort { reason: String::new() }, at(61)).await.unwrap();
    assert!(ledger.find_by_key("intake-aborted", "k").await.unwrap().is_some());
}

/// Part of [`super::adoption_contract`]: only hosts whose scheduler can fail abort requests.
pub async fn an_acknowledged_request_is_not_aborted(ledger: &(impl Intake + Requests + Changes)) {
    let first = keyed(50, "intake-adopted", "k");
    insert(ledger, &first).await;
    ledger.adopt(&first.request, "k").await.unwrap();
    let abort = Change::Abort { reason: "no more rules".to_owned() };
    let answer = ledger.change(first.request.id, abort, at(5)).await.unwrap();
    assert_eq!(answer, Changed::Refused(first.request.clone(), Refusal::Acknowledged));
    assert_eq!(ledger.find_by_key("intake-adopted", "k").await.unwrap(), Some(first.request.clone()));
    let cancelled = make(ledger, first.request.id, Change::Cancel { by: None }, at(6)).await;
    assert_eq!(cancelled.status, Status::Cancelled, "the client can still cancel an acknowledged request");
}

/// Part of [`super::adoption_contract`]: the client got an error, while the insert was still under way.
pub async fn a_request_that_was_aborted_before_it_arrived_is_not_inserted(ledger: &(impl Intake + Requests + Changes)) {
    let late = keyed(60, "intake-late", "k");
    let abort = Change::Abort { reason: "the ledger is not available".to_owned() };
    for _ in 0..2 {
        assert_eq!(ledger.change(late.request.id, abort.clone(), at(5)).await.unwrap(), Changed::NotFound);
    }
    assert!(
        ledger.insert(late.clone().into()).await.is_err(),
        "the ledger inserted a request whose client was told that it does not exist"
    );
    assert_eq!(ledger.find(late.request.id).await.unwrap(), None);
    assert_eq!(ledger.body(late.request.id).await.unwrap(), None);
    assert_eq!(ledger.find_by_key("intake-late", "k").await.unwrap(), None);
    // A repeat of the call has the same key and another id.
    let repeat = keyed(61, "intake-late", "k");
    insert(ledger, &repeat).await;
    assert_eq!(find(ledger, repeat.request.id).await.0, repeat.request);
    // No other change keeps a request out.
    let absent = keyed(62, "intake-late", "other");
    assert_eq!(ledger.change(absent.request.id, Change::Cancel { by: None }, at(5)).await.unwrap(), Changed::NotFound);
    insert(ledger, &absent).await;
    assert_eq!(find(ledger, absent.request.id).await.0, absent.request);
    let keyless = new_request(sample_id(IDS + 63), "intake-late", at(60));
    assert_eq!(ledger.change(keyless.request.id, abort, at(5)).await.unwrap(), Changed::NotFound);
    assert!(ledger.insert(keyless.clone().into()).await.is_err(), "the ledger inserted an aborted request without a key");
    assert_eq!(ledger.find(keyless.request.id).await.unwrap(), None);
}

pub async fn concurrent_inserts_under_one_key_store_one_request(ledger: &(impl Intake + Requests)) {
    let inserts = (0..32).map(|n| ledger.insert(keyed(100 + n, "intake-race", "k").into()));
    let answers: Vec<Inserted> = join_all(inserts).await.into_iter().map(|answer| answer.unwrap()).collect();
    let taken: Vec<&Inserted> = answers.iter().filter(|answer| **answer != Inserted::New).collect();
    assert_eq!(taken.len(), 31, "one insert must win");
    let first = answers.iter().position(|answer| *answer == Inserted::New).unwrap();
    let winner = keyed(100 + first as u64, "intake-race", "k").request;
    assert_eq!(ledger.find_by_key("intake-race", "k").await.unwrap().as_ref(), Some(&winner));
    assert!(taken.iter().all(|answer| **answer == Inserted::Taken(winner.clone().into())), "{taken:?}");
    let query = Query { use_case: Some("intake-race".to_owned()), limit: 100, ..Query::default() };
    assert_eq!(ledger.list(query).await.unwrap().requests, [winner.listed()]);
}
