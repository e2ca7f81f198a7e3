//! Requests whose time of keeping is over: DynamoDB deletes their items some days later, and one by one.

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::lifecycle::{Change, Outcome};
use postdate_core::ports::{Changed, Changes, Claims, Inserted, Intake, Requests};
use postdate_core::request::{NewRequest, Page, Query, Request, Status};
use postdate_core::testing::{claim, join_all, moment, new_request, sample_id};
use serde_json::{Value, json};

use crate::scene::{Scene, TABLE, scene};
use crate::succeeded;

/// After the expiry of a request that ended at [`moment`].
fn days_later() -> DateTime<Utc> {
    moment() + TimeDelta::days(2)
}

fn keyed(n: u64, key: &str) -> NewRequest {
    let new = new_request(sample_id(n), "orders", moment());
    let request = Request { idempotency_hash: Some("h".to_owned()), ..new.request };
    NewRequest { idempotency_key: Some(key.to_owned()), request, ..new }
}

impl Scene {
    async fn key_item(&self, key: &str) -> Option<Value> {
        self.account.aws.item(TABLE, &format!("key#orders#{key}"), "key").await
    }

    async fn delete(&self, pk: &str, sk: &str) {
        let call = json!({ "TableName": TABLE, "Key": { "pk": { "S": pk }, "sk": { "S": sk } } });
        self.account.aws.json("dynamodb", "DeleteItem", &call).await;
    }
}

#[tokio::test]
async fn an_expired_request_is_gone_before_dynamodb_deletes_its_items() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    ledger.insert(keyed(1, "k").into()).await.unwrap();
    ledger.change(sample_id(1), claim(), moment()).await.unwrap();
    let outcome = Outcome::Failed { failure: "no".to_owned(), notice: None };
    ledger.change(sample_id(1), Change::Finish { claim: 1, outcome }, moment()).await.unwrap();
    let all = Query { limit: 10, ..Query::default() };
    assert_eq!(ledger.list(all.clone()).await.unwrap().requests.len(), 1);

    let later = scene.ledger_at(days_later);
    assert_eq!(later.find(sample_id(1)).await.unwrap(), None);
    assert_eq!(later.body(sample_id(1)).await.unwrap(), None);
    assert_eq!(later.list(all).await.unwrap(), Page::default());
    assert_eq!(later.find_by_key("orders", "k").await.unwrap(), None);
    assert_eq!(later.change(sample_id(1), Change::Retry { by: None }, days_later()).await.unwrap(), Changed::NotFound);
    let abort = Change::Abort { reason: String::new() };
    assert_eq!(later.change(sample_id(1), abort, days_later()).await.unwrap(), Changed::NotFound);
    assert_eq!(later.claim(sample_id(1), |request| request.lease, days_later()).await.unwrap().0, Changed::NotFound);
    // Its key is free, for one of several callers.
    let answers = join_all((10..18).map(|n| later.insert(keyed(n, "k").into()))).await;
    let new = answers.iter().filter(|answer| matches!(answer, Ok(Inserted::New))).count();
    assert_eq!(new, 1, "{answers:?}");
    assert!(later.find_by_key("orders", "k").await.unwrap().is_some());
}

#[tokio::test]
async fn a_key_whose_request_is_gone_is_free() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    ledger.insert(keyed(1, "k").into()).await.unwrap();
    scene.delete(&sample_id(1).to_string(), "request").await;
    // A key's item without a request.
    let broken = json!({ "pk": { "S": "key#orders#broken" }, "sk": { "S": "key" }, "expires": { "N": "1" } });
    scene.account.aws.json("dynamodb", "PutItem", &json!({ "TableName": TABLE, "Item": broken })).await;
    for (n, key) in [(2, "k"), (3, "broken")] {
        assert_eq!(ledger.find_by_key("orders", key).await.unwrap(), None);
        let new = keyed(n, key);
        assert_eq!(ledger.insert(new.clone().into()).await.unwrap(), Inserted::New);
        assert_eq!(ledger.insert(keyed(n + 10, key).into()).await.unwrap(), Inserted::Taken(new.request.into()));
    }
}

#[tokio::test]
async fn a_change_makes_no_item_of_a_key_or_a_body_that_has_expired() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let large = NewRequest { body: "x".repeat(9_000), ..keyed(1, "k") };
    ledger.insert(large.into()).await.unwrap();
    scene.delete(&sample_id(1).to_string(), "body").await;
    scene.delete("key#orders#k", "key").await;
    let long_after = moment() + TimeDelta::days(60);
    let changed = ledger.change(sample_id(1), claim(), long_after).await.unwrap();
    assert!(matches!(changed, Changed::Done(request) if request.status == Status::Running));
    assert!(matches!(ledger.change(sample_id(1), succeeded(1), long_after).await.unwrap(), Changed::Done(_)));
    assert_eq!(scene.key_item("k").await, None);
    assert_eq!(scene.account.aws.item(TABLE, &sample_id(1).to_string(), "body").await, None);
    // The key of another request is not touched either.
    ledger.insert(keyed(2, "k").into()).await.unwrap();
    let before = scene.key_item("k").await;
    ledger.change(sample_id(1), Change::Abort { reason: String::new() }, long_after).await.unwrap();
    assert_eq!(scene.key_item("k").await, before);
}

#[tokio::test]
async fn key_and_body_outlive_a_request_that_ends_long_after_its_time() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    ledger.insert(NewRequest { body: "x".repeat(9_000), ..keyed(1, "k") }.into()).await.unwrap();
    let body = async || scene.account.aws.item(TABLE, &sample_id(1).to_string(), "body").await.unwrap();
    let expires = |item: &Value| item["expires"]["N"].as_str().unwrap().parse::<i64>().unwrap();
    let first = expires(&scene.key_item("k").await.unwrap());
    assert!(first > (moment() + TimeDelta::days(1)).timestamp());
    let late = moment() + TimeDelta::days(60);
    ledger.change(sample_id(1), claim(), late).await.unwrap();
    ledger.change(sample_id(1), succeeded(1), late).await.unwrap();
    let head = scene.account.aws.item(TABLE, &sample_id(1).to_string(), "request").await.unwrap();
    assert_eq!(expires(&head), (late + TimeDelta::days(1)).timestamp());
    for item in [scene.key_item("k").await.unwrap(), body().await] {
        assert!(expires(&item) > expires(&head), "{item}");
    }
}
