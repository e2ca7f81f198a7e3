//! The DynamoDB ledger against a server of its API: the contract that every ledger is held to.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::Credentials;
use chrono::TimeDelta;
use postdate_aws::ledger::{DynamoLedger, MAX_BODY_BYTES};
use postdate_aws::ports::Backlog;
use postdate_core::lifecycle::Change;
use postdate_core::ports::{Changed, Changes, Claims, Intake, LedgerError};
use postdate_core::request::{NewRequest, Request, Status};
use postdate_core::testing::{adoption_contract, ledger_contract, moment, new_request, sample_id};
use postdate_tests::aws::Aws;
use postdate_tests::clock::Clock;
use postdate_tests::fault_proxy::FaultProxy;
use postdate_tests::moto::{Moto, new_account};

struct Place {
    ledger: DynamoLedger,
    aws: Aws,
    table: String,
    _moto: std::sync::Arc<Moto>,
    /// moto's own transactions are not atomic when two meet.
    _proxy: FaultProxy,
}

/// A ledger over a table that no other test uses.
async fn place() -> Place {
    let moto = Moto::shared().await;
    let account = new_account();
    let proxy = FaultProxy::start(&moto.url(), &account, Clock::new()).await;
    let table = format!("ledger-{account}");
    let aws = Aws::new(&proxy.url(), &account);
    aws.create_table(&table).await;
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(postdate_tests::aws::REGION))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(proxy.url())
        .http_client(http)
        .build();
    let ledger = DynamoLedger::new(aws_sdk_dynamodb::Client::from_conf(config), &table, Duration::from_hours(24));
    Place { ledger, aws, table, _moto: moto, _proxy: proxy }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let place = place().await;
    let ledger = &place.ledger;
    ledger_contract(ledger).await;
    adoption_contract(ledger).await;
}

#[tokio::test]
async fn a_claim_brings_the_body_and_the_end_lets_everything_expire() {
    let place = place().await;
    let ledger = &place.ledger;
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
    let items = place.aws.items(&place.table).await;
    let requests: Vec<_> = items.iter().filter(|item| item["sk"]["S"] != "use-cases").collect();
    assert_eq!(requests.len(), 3, "{items:?}");
    assert!(requests.iter().all(|item| item["expires"]["N"] == expires.as_str()), "{items:?}");
}

#[tokio::test]
async fn what_is_overdue_is_found_oldest_first_until_it_has_ended() {
    let place = place().await;
    let ledger = &place.ledger;
    for n in 1..=9 {
        let due = moment() + TimeDelta::seconds(10 - i64::try_from(n).unwrap());
        ledger.insert(new_request(sample_id(n), "orders", due)).await.unwrap();
    }
    ledger.change(sample_id(9), Change::Cancel, moment()).await.unwrap();
    let late = moment() + TimeDelta::seconds(8);
    assert_eq!(ledger.overdue(late, 3).await.unwrap(), [sample_id(8), sample_id(7), sample_id(6)]);
    assert_eq!(ledger.overdue(late, 100).await.unwrap().len(), 6, "those due later are not overdue");
    let claimed = match ledger.claim(sample_id(8), |request| request.lease, late).await.unwrap().0 {
        Changed::Done(request) => request,
        other => panic!("{other:?}"),
    };
    assert!(!ledger.overdue(late, 100).await.unwrap().contains(&sample_id(8)), "it is being worked on");
    assert!(ledger.overdue(late + claimed.lease + TimeDelta::seconds(1), 100).await.unwrap().contains(&sample_id(8)));
}

#[tokio::test]
async fn a_body_that_no_item_can_hold_is_refused_by_its_size() {
    let place = place().await;
    let ledger = &place.ledger;
    let new = NewRequest { body: "x".repeat(MAX_BODY_BYTES + 1), ..new_request(sample_id(1), "orders", moment()) };
    let error = ledger.insert(new).await.unwrap_err();
    assert!(matches!(error, LedgerError::TooLarge { size, limit } if size == limit + 1), "{error}");
    assert!(place.aws.items(&place.table).await.is_empty());
    let largest = NewRequest { body: "x".repeat(MAX_BODY_BYTES), ..new_request(sample_id(2), "orders", moment()) };
    ledger.insert(largest).await.unwrap();
}

#[tokio::test]
async fn the_janitors_place_is_kept() {
    let place = place().await;
    let ledger = &place.ledger;
    assert_eq!(ledger.cursor().await.unwrap(), "");
    ledger.set_cursor("postdate-orders-1").await.unwrap();
    assert_eq!(ledger.cursor().await.unwrap(), "postdate-orders-1");
}
