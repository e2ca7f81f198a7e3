//! The DynamoDB ledger against moto: the contract of all ledgers, and the ledger's own rules.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::Credentials;
use chrono::TimeDelta;
use postdate_aws::ledger::{DynamoLedger, MAX_BODY_BYTES};
use postdate_aws::ports::Backlog;
use postdate_core::lifecycle::Change;
use postdate_core::ports::{Changed, Changes, Claims, Intake, LedgerError, Requests as _};
use postdate_core::request::{NewRequest, Request, ScheduleKind, Status};
use postdate_core::testing::{adoption_contract, ledger_contract, moment, new_request, sample_id};
use postdate_tests::moto::Account;

const TABLE: &str = "ledger";

/// A ledger over a table that no other test uses.
struct Scene {
    ledger: DynamoLedger,
    account: Account,
}

async fn scene() -> Scene {
    let account = Account::new().await;
    account.aws.create_table(TABLE).await;
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(postdate_tests::aws::REGION))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(account.proxy.url())
        .http_client(http)
        .build();
    let ledger = DynamoLedger::new(aws_sdk_dynamodb::Client::from_conf(config), TABLE, Duration::from_hours(24));
    Scene { ledger, account }
}

#[tokio::test]
async fn the_dynamodb_ledger_keeps_the_ledger_contract() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    ledger_contract(ledger).await;
    adoption_contract(ledger).await;
}

#[tokio::test]
async fn a_claim_returns_the_body_and_an_ended_request_gets_an_expiry_time() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let new = new_request(sample_id(1), "orders", moment());
    let new = NewRequest {
        idempotency_key: Some("k".to_owned()),
        request: Request { idempotency_hash: Some("h".to_owned()), ..new.request },
        ..new
    };
    ledger.insert(new.clone()).await.unwrap();
    let (changed, body) = ledger.claim(sample_id(1), |request| request.lease, moment()).await.unwrap();
    assert!(matches!(changed, Changed::Done(request) if request.status == Status::Running));
    assert_eq!(body, Some(new.body));
    let outcome = postdate_core::lifecycle::Outcome::Succeeded { result: None, notice: None };
    ledger.change(sample_id(1), Change::Finish { claim: 1, outcome }, moment()).await.unwrap();
    let expires = (moment() + TimeDelta::days(1)).timestamp().to_string();
    let items = scene.account.aws.items(TABLE).await;
    let requests: Vec<_> = items.iter().filter(|item| item["sk"]["S"] != "use-cases").collect();
    assert_eq!(requests.len(), 3, "{items:?}");
    assert!(requests.iter().all(|item| item["expires"]["N"] == expires.as_str()), "{items:?}");
}

#[tokio::test]
async fn overdue_requests_are_found_oldest_first_unless_claimed_or_ended() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    for n in 1..=9 {
        let due = moment() + TimeDelta::seconds(10 - i64::try_from(n).unwrap());
        ledger.insert(new_request(sample_id(n), "orders", due)).await.unwrap();
    }
    ledger.change(sample_id(9), Change::Cancel { by: None }, moment()).await.unwrap();
    let late = moment() + TimeDelta::seconds(8);
    assert_eq!(ledger.overdue(late, 3).await.unwrap(), [sample_id(8), sample_id(7), sample_id(6)]);
    assert_eq!(ledger.overdue(late, 100).await.unwrap().len(), 6, "requests that are due later are not overdue");
    let claimed = match ledger.claim(sample_id(8), |request| request.lease, late).await.unwrap().0 {
        Changed::Done(request) => request,
        other => panic!("{other:?}"),
    };
    assert!(!ledger.overdue(late, 100).await.unwrap().contains(&sample_id(8)), "a claimed request is not overdue before its lease ends");
    assert!(ledger.overdue(late + claimed.lease + TimeDelta::seconds(1), 100).await.unwrap().contains(&sample_id(8)));
}

#[tokio::test]
async fn a_body_larger_than_an_item_is_refused_with_its_size_and_the_limit() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let new = NewRequest { body: "x".repeat(MAX_BODY_BYTES + 1), ..new_request(sample_id(1), "orders", moment()) };
    let error = ledger.insert(new).await.unwrap_err();
    assert!(matches!(error, LedgerError::TooLarge { size, limit } if size == limit + 1), "{error}");
    assert!(scene.account.aws.items(TABLE).await.is_empty());
    let largest = NewRequest { body: "x".repeat(MAX_BODY_BYTES), ..new_request(sample_id(2), "orders", moment()) };
    ledger.insert(largest).await.unwrap();
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
        ledger.insert(NewRequest { request: Request { schedule: kind, ..new.request }, ..new }).await.unwrap();
        assert_eq!(stored(sample_id(n)).await, (kind, 1));
        ledger.change(sample_id(n), Change::ScheduleBy { kind: ScheduleKind::Schedule }, moment()).await.unwrap();
        assert_eq!(stored(sample_id(n)).await, (Some(ScheduleKind::Schedule), 1));
    }
}
