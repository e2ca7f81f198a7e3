//! The DynamoDB ledger against moto: the contract of all ledgers, and the ledger's own rules.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::config::Credentials;
use chrono::TimeDelta;
use postdate_aws::ledger::{DynamoLedger, MAX_BODY_BYTES};
use postdate_aws::ports::{Backlog, Tellings, Told, Wake};
use postdate_core::lifecycle::{Change, Outcome};
use postdate_core::ports::{Changed, Changes, Claims, Intake, LedgerError};
use postdate_core::request::{NewRequest, Request, Status};
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
    let outcome = Outcome::Succeeded { result: None, notice: None };
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
    let ids = |wakes: &[Wake]| wakes.iter().map(|wake| wake.id).collect::<Vec<_>>();
    let first = ledger.overdue(late, None, 3).await.unwrap();
    assert_eq!(ids(&first), [sample_id(8), sample_id(7), sample_id(6)]);
    let rest = ledger.overdue(late, first.last().copied(), 100).await.unwrap();
    assert_eq!(ids(&rest), [sample_id(5), sample_id(4), sample_id(3)], "requests that are due later are not overdue");
    assert!(ledger.postpone_wake(first[1], late).await.unwrap());
    assert!(!ledger.postpone_wake(first[1], late).await.unwrap(), "the wake time is another one by now");
    assert_eq!(ids(&ledger.overdue(late, None, 2).await.unwrap()), [sample_id(8), sample_id(6)]);
    let claimed = match ledger.claim(sample_id(8), |request| request.lease, late).await.unwrap().0 {
        Changed::Done(request) => request,
        other => panic!("{other:?}"),
    };
    let after_lease = late + claimed.lease + TimeDelta::seconds(1);
    assert!(ids(&ledger.overdue(after_lease, None, 100).await.unwrap()).contains(&sample_id(8)));
}

#[tokio::test]
async fn a_failed_request_is_open_until_its_notifications_are_recorded() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    ledger.insert(new_request(sample_id(1), "orders", moment())).await.unwrap();
    let fail = async |claim, second| {
        let now = moment() + TimeDelta::seconds(second);
        ledger.claim(sample_id(1), |request| request.lease, now).await.unwrap();
        let outcome = Outcome::Failed { failure: "gone".to_owned(), notice: None };
        match ledger.change(sample_id(1), Change::Finish { claim, outcome }, now).await.unwrap() {
            Changed::Done(request) => request,
            other => panic!("{other:?}"),
        }
    };
    let open = async || ledger.overdue(moment() + TimeDelta::hours(1), None, 10).await.unwrap().len();
    assert_eq!(ledger.told(sample_id(1)).await.unwrap(), Told::ALL, "there is no failure to notify of");
    let failed = fail(1, 1).await;
    assert_eq!((ledger.told(sample_id(1)).await.unwrap(), open().await), (Told::default(), 1));
    let half = Told { topic: true, letter: false };
    ledger.set_told(&failed, half).await.unwrap();
    assert_eq!((ledger.told(sample_id(1)).await.unwrap(), open().await), (half, 1));
    ledger.set_told(&failed, Told::ALL).await.unwrap();
    assert_eq!((ledger.told(sample_id(1)).await.unwrap(), open().await), (Told::ALL, 0));
    // The next failure has notifications of its own, which a late record of the first one does not change.
    ledger.change(sample_id(1), Change::Redrive { attempt: 2 }, moment() + TimeDelta::seconds(2)).await.unwrap();
    fail(2, 3).await;
    ledger.set_told(&failed, Told::ALL).await.unwrap();
    assert_eq!((ledger.told(sample_id(1)).await.unwrap(), open().await), (Told::default(), 1));
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
