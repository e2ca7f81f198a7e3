//! Labels, lists in another order than that of trigger times, erasure, pauses, and waits for an end.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_aws::ledger::Layout;
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::Change;
use postdate_core::ports::{Changed, Changes, Claims, Inserted, Intake, LedgerError, Requests};
use postdate_core::request::{NewRequest, Order, Query, Request, Status};
use postdate_core::testing::{claim, moment, new_request, pause_contract, sample_id};

use crate::scene::{Scene, TABLE, scene};
use crate::{at, succeeded};

fn labelled(n: u64, seconds: i64, labels: &[(&str, &str)]) -> NewRequest {
    let new = new_request(sample_id(n), "orders", at(seconds));
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    NewRequest { request: Request { labels, ..new.request }, ..new }
}

fn of(name: &str, value: &str, limit: usize) -> Query {
    Query { labels: vec![(name.to_owned(), value.to_owned())], limit, ..Query::default() }
}

/// Returns the partition keys of all items whose partition key begins like this.
async fn keys(scene: &Scene, prefix: &str) -> Vec<String> {
    let items = scene.account.aws.items(TABLE).await;
    let mut keys: Vec<String> = items.iter().map(|item| item["pk"]["S"].as_str().unwrap().to_owned()).collect();
    keys.retain(|key| key.starts_with(prefix));
    keys.sort();
    keys
}

/// Returns the ids of all pages, and how many pages there are.
async fn pages(scene: &Scene, mut query: Query) -> (Vec<CorrelationId>, usize) {
    let (mut ids, mut pages) = (Vec::new(), 0);
    loop {
        let page = scene.ledger.list(query.clone()).await.unwrap();
        ids.extend(page.requests.iter().map(|request| request.id));
        pages += 1;
        match page.next {
            Some(next) => query.after = Some(next),
            None => return (ids, pages),
        }
    }
}

#[tokio::test]
async fn the_pauses_keep_their_contract() {
    pause_contract(&scene().await.ledger).await;
}

#[tokio::test]
async fn a_list_by_label_reads_only_the_partition_of_the_label() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    for n in 1..=150 {
        let customer = if n % 10 == 0 { "42" } else { "7" };
        ledger.insert(labelled(n, i64::try_from(n).unwrap(), &[("customer", customer)]).into()).await.unwrap();
    }
    scene.account.proxy.forget();
    let found = ledger.list(of("customer", "42", 50)).await.unwrap();
    assert_eq!(
        found.requests.iter().map(|request| request.id).collect::<Vec<_>>(),
        (1..=15).map(|n| sample_id(10 * n)).collect::<Vec<_>>()
    );
    assert_eq!(found.next, None);
    assert_eq!(found.requests[0].labels["customer"], "42");
    assert_eq!(scene.account.proxy.names(0), ["dynamodb.Query", "dynamodb.BatchGetItem"]);
    let read = &scene.account.proxy.records()[1].body["RequestItems"][TABLE]["Keys"];
    assert_eq!(read.as_array().unwrap().len(), 15, "{read}");
    // More than one page, and more than one batch.
    assert_eq!(pages(&scene, of("customer", "7", 100)).await.0.len(), 135);
    let range = Query { from: Some(at(100)), to: Some(at(121)), ..of("customer", "42", 10) };
    assert_eq!(pages(&scene, range).await.0, [sample_id(100), sample_id(110), sample_id(120)]);
}

#[tokio::test]
async fn a_page_by_label_reads_a_bounded_number_of_heads() {
    let scene = scene().await.with_layout(Layout { lists: 2, open: 2 }, 100);
    for n in 1..=250 {
        let new = labelled(n, i64::try_from(n).unwrap(), &[("customer", "42")]);
        let owner = if n == 250 { "shop" } else { "mail" };
        let request = Request { owner: Some(owner.to_owned()), ..new.request };
        scene.ledger.insert(NewRequest { request, ..new }.into()).await.unwrap();
    }
    let query = Query { owner: Some("shop".to_owned()), ..of("customer", "42", 10) };
    assert_eq!(pages(&scene, query.clone()).await, (vec![sample_id(250)], 3));
    let due = Query { order: Order::Due, ..query };
    let error = scene.ledger.list(due).await.unwrap_err();
    assert!(matches!(error, LedgerError::TooMany { limit: 100 }), "{error}");
}

#[tokio::test]
async fn a_moved_request_has_one_item_for_each_label_at_its_new_time() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    ledger.insert(labelled(1, 100, &[("customer", "42"), ("order", "a")]).into()).await.unwrap();
    ledger.insert(labelled(2, 200, &[("customer", "42")]).into()).await.unwrap();
    ledger.change(sample_id(1), Change::Move { to: at(300), by: None }, moment()).await.unwrap();
    assert_eq!(keys(&scene, "label#").await, ["label#customer=42", "label#customer=42", "label#order=a"]);
    assert_eq!(pages(&scene, of("customer", "42", 1)).await, (vec![sample_id(2), sample_id(1)], 2));
    // The items of a request that runs very late outlive it.
    let late = moment() + TimeDelta::days(60);
    ledger.change(sample_id(1), claim(), late).await.unwrap();
    ledger.change(sample_id(1), succeeded(1), late).await.unwrap();
    let items = scene.account.aws.items(TABLE).await;
    let item = items.iter().find(|item| item["pk"]["S"] == "label#order=a").unwrap();
    assert!(item["expires"]["N"].as_str().unwrap().parse::<i64>().unwrap() > (late + TimeDelta::days(1)).timestamp(), "{item}");
}

#[tokio::test]
async fn a_batch_with_labels_and_keys_is_stored_in_transactions_of_at_most_100_items() {
    let scene = scene().await;
    let new = |n: u64| NewRequest {
        idempotency_key: Some(format!("k{n}")),
        ..labelled(n, 100, &[("customer", "42"), ("order", &n.to_string())])
    };
    let inserted = scene.ledger.insert_all((1..=60).map(|n| new(n).into()).collect()).await;
    assert!(inserted.iter().all(|one| matches!(one, Ok(Inserted::New))), "{inserted:?}");
    assert_eq!(pages(&scene, of("customer", "42", 500)).await.0.len(), 60);
    assert_eq!(scene.account.proxy.calls("dynamodb", "TransactWriteItems").len(), 3, "240 items");
}

#[tokio::test]
async fn a_sorted_list_that_would_read_too_much_says_what_to_narrow() {
    let scene = scene().await.with_layout(Layout { lists: 2, open: 2 }, 50);
    for n in 1..=120 {
        scene.ledger.insert(new_request(sample_id(n), "orders", at(i64::try_from(n).unwrap())).into()).await.unwrap();
    }
    let due = Query { use_case: Some("orders".to_owned()), order: Order::Due, limit: 10, ..Query::default() };
    let error = scene.ledger.list(due.clone()).await.unwrap_err();
    assert!(error.to_string().contains("narrow it by useCase"), "{error}");
    // No request is due before its trigger time.
    let soon = Query { to: Some(at(20)), ..due };
    assert_eq!(pages(&scene, soon).await, ((1..20).map(sample_id).collect(), 2));
}

#[tokio::test]
async fn nothing_of_an_erased_request_is_left_in_the_table() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    let secret = "the-secret";
    for (n, filler) in [(1, 10), (2, 9_000)] {
        let body = format!(r#"{{"note":"{secret}","filler":"{}"}}"#, "x".repeat(filler));
        let new = labelled(n, 0, &[("customer", secret), ("order", secret)]);
        let request = Request { idempotency_hash: Some("h".to_owned()), ..new.request };
        let new = NewRequest { idempotency_key: Some(format!("{secret}-{n}")), body, request };
        ledger.insert(new.clone().into()).await.unwrap();
        let failure = || format!("no: {secret}");
        ledger.claim(sample_id(n), |request| request.lease, at(1)).await.unwrap();
        let outcome = postdate_core::lifecycle::Outcome::Failed { failure: failure(), notice: None };
        ledger.change(sample_id(n), Change::Finish { claim: 1, outcome }, at(2)).await.unwrap();
        let stored = async || scene.account.aws.items(TABLE).await.iter().any(|item| item.to_string().contains(secret));
        assert!(stored().await);
        let erased = ledger.change(sample_id(n), Change::Erase { by: Some("ann".to_owned()) }, at(3)).await.unwrap();
        assert!(matches!(&erased, Changed::Done(request) if request.erased_at == Some(at(3))), "{erased:?}");
        assert!(!stored().await, "request {n}");
        assert_eq!(ledger.body(sample_id(n)).await.unwrap(), None);
        assert_eq!(ledger.claim(sample_id(n), |request| request.lease, at(4)).await.unwrap().1, None);
        // Its key is free, and the list of its labels is empty.
        assert_eq!(pages(&scene, of("customer", secret, 10)).await.0, []);
        let again = NewRequest { request: Request { id: sample_id(n + 10), ..new.request.clone() }, ..new };
        assert_eq!(ledger.insert(again.into()).await.unwrap(), Inserted::New);
        ledger.change(sample_id(n + 10), Change::Erase { by: None }, at(3)).await.unwrap();
        // A second erasure changes nothing.
        let twice = ledger.change(sample_id(n), Change::Erase { by: None }, at(9)).await.unwrap();
        assert!(matches!(&twice, Changed::Done(request) if request.erased_at == Some(at(3))), "{twice:?}");
    }
    let (request, history) = ledger.find(sample_id(1)).await.unwrap().unwrap();
    assert_eq!((request.status, history.len()), (Status::Failed, 4));
    assert_eq!(history[3].by.as_deref(), Some("ann"));
    assert_eq!(keys(&scene, "label#").await, Vec::<String>::new());
}

/// Long after the body and the key of a request that was due at [`moment`] have expired.
fn months_later() -> DateTime<Utc> {
    moment() + TimeDelta::days(90)
}

#[tokio::test]
async fn a_request_whose_other_items_have_expired_can_be_erased() {
    let scene = scene().await;
    let new = NewRequest { idempotency_key: Some("k".to_owned()), body: "x".repeat(9_000), ..labelled(1, 0, &[("customer", "42")]) };
    scene.ledger.insert(new.into()).await.unwrap();
    for (pk, sk) in [(sample_id(1).to_string(), "body"), ("key#orders#k".to_owned(), "key")] {
        let call = serde_json::json!({ "TableName": TABLE, "Key": { "pk": { "S": pk }, "sk": { "S": sk } } });
        scene.account.aws.json("dynamodb", "DeleteItem", &call).await;
    }
    let later = scene.ledger_at(months_later);
    let erased = later.change(sample_id(1), Change::Erase { by: None }, months_later()).await.unwrap();
    assert!(matches!(&erased, Changed::Done(request) if request.status == Status::Cancelled), "{erased:?}");
}

#[tokio::test]
async fn a_wait_for_the_end_returns_soon_after_it_and_at_the_end_of_its_time() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    ledger.insert(new_request(sample_id(1), "orders", moment()).into()).await.unwrap();
    scene.account.proxy.forget();
    let begun = Instant::now();
    ledger.wait_for_end(sample_id(1), Duration::from_millis(1_500)).await;
    assert!(begun.elapsed() >= Duration::from_millis(1_500));
    assert_eq!(scene.account.proxy.calls("dynamodb", "GetItem").len(), 1, "one look a second");
    let begun = Instant::now();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        ledger.change(sample_id(1), Change::Cancel { by: None }, moment()).await.unwrap();
    };
    tokio::join!(ledger.wait_for_end(sample_id(1), ledger.longest_wait()), cancel);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // A request that is gone has ended.
    ledger.wait_for_end(sample_id(2), ledger.longest_wait()).await;
}
