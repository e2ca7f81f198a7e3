//! The DynamoDB ledger against moto: the contract of all ledgers, and the ledger's own rules.

mod counters;
mod expiry;
mod indexes;
mod labels;
mod notified;
mod scene;
mod units;

use chrono::{DateTime, TimeDelta, Utc};
use postdate_aws::ledger::{Layout, MAX_BODY_BYTES};
use postdate_aws::ports::Backlog;
use postdate_core::lifecycle::{Change, Outcome};
use postdate_core::ports::{Changed, Changes as _, Claims, Intake, LedgerError, Requests};
use postdate_core::request::{NewRequest, Request, ScheduleKind, Status};
use postdate_core::testing::{adoption_contract, ledger_contract, moment, new_request, sample_id};
use scene::{TABLE, scene};

/// Returns the time `seconds` after [`moment`].
fn at(seconds: i64) -> DateTime<Utc> {
    moment() + TimeDelta::seconds(seconds)
}

fn succeeded(claim: u32) -> Change {
    Change::Finish { claim, outcome: Outcome::Succeeded { result: None, notice: None } }
}

#[tokio::test]
async fn the_dynamodb_ledger_keeps_the_ledger_contract() {
    // Few partitions, since a list of all use cases reads each one of each use case.
    let scene = scene().await.with_layout(Layout { lists: 2, open: 2 }, 20_000);
    let ledger = &scene.ledger;
    ledger_contract(ledger).await;
    adoption_contract(ledger).await;
}

#[tokio::test]
async fn bodies_come_back_from_a_claim_and_large_ones_are_items_of_their_own() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    for (n, bytes, items) in [(1, 100, 1), (2, 8 << 10, 1), (3, (8 << 10) + 1, 2), (4, MAX_BODY_BYTES, 2)] {
        let new = NewRequest { body: "x".repeat(bytes), ..new_request(sample_id(n), "orders", moment()) };
        ledger.insert(new.clone().into()).await.unwrap();
        let id = sample_id(n).to_string();
        let stored = scene.account.aws.items(TABLE).await.into_iter().filter(|item| item["pk"]["S"] == id.as_str());
        assert_eq!(stored.count(), items, "{bytes} bytes");
        assert_eq!(ledger.body(sample_id(n)).await.unwrap().as_ref(), Some(&new.body), "{bytes} bytes");
        let (changed, body) = ledger.claim(sample_id(n), |request| request.lease, moment()).await.unwrap();
        assert!(matches!(changed, Changed::Done(request) if request.status == Status::Running));
        assert_eq!(body, Some(new.body), "{bytes} bytes");
    }
}

#[tokio::test]
async fn a_body_larger_than_an_item_is_refused_with_its_size_and_the_limit() {
    let scene = scene().await;
    let new = NewRequest { body: "x".repeat(MAX_BODY_BYTES + 1), ..new_request(sample_id(1), "orders", moment()) };
    let error = scene.ledger.insert(new.into()).await.unwrap_err();
    assert!(matches!(error, LedgerError::TooLarge { size, limit } if size == limit + 1), "{error}");
    assert!(scene.account.aws.items(TABLE).await.is_empty());
}

#[tokio::test]
async fn the_janitors_cursor_is_stored() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    assert_eq!(ledger.cursor().await.unwrap(), "");
    ledger.set_cursor("postdate-orders-1").await.unwrap();
    assert_eq!(ledger.cursor().await.unwrap(), "postdate-orders-1");
}

#[tokio::test]
async fn the_kind_of_schedule_is_stored_and_changed_without_a_line_of_history() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let stored = async |id| ledger.find(id).await.unwrap().map(|(request, history)| (request.schedule, history.len())).unwrap();
    for (n, kind) in [(1, None), (2, Some(ScheduleKind::Rule)), (3, Some(ScheduleKind::KeptSchedule))] {
        let new = new_request(sample_id(n), "orders", moment());
        ledger.insert(NewRequest { request: Request { schedule: kind, ..new.request }, ..new }.into()).await.unwrap();
        assert_eq!(stored(sample_id(n)).await, (kind, 1));
        ledger.change(sample_id(n), Change::ScheduleBy { kind: ScheduleKind::Schedule }, moment()).await.unwrap();
        assert_eq!(stored(sample_id(n)).await, (Some(ScheduleKind::Schedule), 1));
    }
}
