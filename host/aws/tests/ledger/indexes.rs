//! Lists and the janitor's queries: the right requests, in order, from many partitions, and no whole partition read.

use postdate_aws::ledger::Layout;
use postdate_aws::ports::{Backlog, Wake};
use postdate_core::lifecycle::{Change, Outcome};
use postdate_core::ports::{Changed, Changes, Intake, Requests};
use postdate_core::request::{NewRequest, Query, Request, Status};
use postdate_core::testing::{claim, moment, new_request, sample_id};

use crate::scene::{Scene, TABLE, scene};
use crate::{at, succeeded};

/// Rows that the indexes' queries have read since the record was emptied, those that filters dropped included.
fn rows_read(scene: &Scene) -> u64 {
    let queries = scene.account.proxy.calls("dynamodb", "Query").into_iter().filter(|call| call.body["IndexName"].is_string());
    queries.map(|call| call.answer.as_ref().expect("an answer").1["ScannedCount"].as_u64().expect("a count")).sum()
}

#[tokio::test]
async fn overdue_requests_are_found_oldest_first_page_by_page() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    for n in 1..=30 {
        // Three requests for each second.
        ledger.insert(new_request(sample_id(n), "orders", at(i64::try_from(n / 3).unwrap())).into()).await.unwrap();
    }
    ledger.change(sample_id(7), Change::Cancel { by: None }, moment()).await.unwrap();
    let wakes: Vec<Wake> = (1..=30).filter(|n| *n != 7).map(|n| Wake { at: at(i64::try_from(n / 3).unwrap()), id: sample_id(n) }).collect();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.overdue(at(8), after, 4).await.unwrap();
        found.extend(page.clone());
        after = page.last().copied();
        if page.len() < 4 {
            break;
        }
    }
    let before: Vec<Wake> = wakes.iter().copied().filter(|wake| wake.at < at(8)).collect();
    assert_eq!(found, before, "requests that are due later are not overdue");
    assert_eq!(ledger.overdue(moment(), None, 4).await.unwrap(), []);
}

#[tokio::test]
async fn a_page_of_a_list_makes_the_documented_number_of_queries() {
    let scene = scene().await;
    scene.ledger.insert(new_request(sample_id(1), "orders", moment()).into()).await.unwrap();
    let [one_status, every_status] = [32, 160];
    for (status, queries) in [(Some(Status::Scheduled), one_status), (None, every_status)] {
        scene.account.proxy.forget();
        let query = Query { use_case: Some("orders".to_owned()), status, limit: 10, ..Query::default() };
        assert_eq!(scene.ledger.list(query).await.unwrap().requests.len(), 1);
        assert_eq!(scene.account.proxy.names(0).len(), queries, "{status:?}");
    }
    let page = include_str!("../../../../docs/aws.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let documented = format!("{one_status} of one use case and one status, {every_status} of one use case and every status");
    assert!(page.contains(&documented), "docs/aws.md lacks: {documented}");
}

#[tokio::test]
async fn a_wake_time_is_postponed_once_and_a_change_sets_its_own() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    ledger.insert(new_request(sample_id(1), "orders", moment()).into()).await.unwrap();
    let wake = |seconds| Wake { at: at(seconds), id: sample_id(1) };
    let found = async || ledger.overdue(at(1_000_000), None, 10).await.unwrap();
    assert_eq!(found().await, [wake(0)]);
    assert!(ledger.postpone_wake(wake(0), at(600)).await.unwrap());
    assert_eq!(found().await, [wake(600)]);
    assert!(!ledger.postpone_wake(wake(0), at(900)).await.unwrap(), "the request has another wake time");
    let before = ledger.find(sample_id(1)).await.unwrap();
    // A claim whose lease ends before the postponed time wakes at its end; a retry wakes when it is due.
    ledger.change(sample_id(1), claim(), at(10)).await.unwrap();
    assert_eq!(found().await, [wake(70)]);
    let outcome = Outcome::Retry { failure: "no".to_owned(), at: at(40) };
    ledger.change(sample_id(1), Change::Finish { claim: 1, outcome }, at(20)).await.unwrap();
    assert_eq!(found().await, [wake(40)]);
    // A claim at the due time writes nothing to the index, and the janitor postpones the request.
    ledger.change(sample_id(1), claim(), at(40)).await.unwrap();
    assert_eq!(found().await, [wake(40)]);
    assert!(ledger.postpone_wake(wake(40), at(100)).await.unwrap());
    assert_eq!(found().await, [wake(100)]);
    assert!(matches!(ledger.change(sample_id(1), succeeded(2), at(50)).await.unwrap(), Changed::Done(_)), "postponing is no change");
    assert_eq!(found().await, []);
    assert!(!ledger.postpone_wake(wake(100), at(900)).await.unwrap(), "an ended request stays out of the index");
    assert!(!ledger.postpone_wake(Wake { id: sample_id(2), ..wake(0) }, at(900)).await.unwrap());
    assert_eq!(scene.account.aws.item(TABLE, &sample_id(2).to_string(), "request").await, None);
    assert_eq!(before.unwrap().1.len(), 1, "postponing writes no history");
}

#[tokio::test]
async fn a_list_of_one_status_reads_no_others() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    for n in 1..=30 {
        ledger.insert(new_request(sample_id(n), "orders", at(i64::try_from(n).unwrap() - 1)).into()).await.unwrap();
    }
    ledger.change(sample_id(1), claim(), at(1)).await.unwrap();
    for n in [2, 3] {
        ledger.change(sample_id(n), claim(), at(10)).await.unwrap();
        let outcome = Outcome::Failed { failure: "no".to_owned(), notice: None };
        ledger.change(sample_id(n), Change::Finish { claim: 1, outcome }, at(11)).await.unwrap();
    }
    ledger.change(sample_id(4), Change::Cancel { by: None }, at(1)).await.unwrap();
    for (status, found, rows) in [
        (Status::Failed, 2, 2),
        (Status::Cancelled, 1, 1),
        (Status::Succeeded, 0, 0),
        // Of the open ones, those that may run by now: `moment` is the time.
        (Status::Running, 1, 1),
        (Status::Scheduled, 26, 27),
    ] {
        scene.account.proxy.forget();
        let page = ledger.list(Query { use_case: Some("orders".to_owned()), status: Some(status), limit: 50, ..Query::default() }).await;
        assert_eq!((page.unwrap().requests.len(), rows_read(&scene)), (found, rows), "{status}");
    }
}

#[tokio::test]
async fn a_page_of_an_owner_reads_a_bounded_number_of_requests_of_others() {
    let scene = scene().await.with_layout(Layout { lists: 2, open: 2 }, 30);
    let ledger = &scene.ledger;
    for n in 1..=150 {
        let new = new_request(sample_id(n), "orders", at(i64::try_from(n).unwrap()));
        let owner = if n % 50 == 0 { "shop" } else { "mail" };
        ledger.insert(NewRequest { request: Request { owner: Some(owner.to_owned()), ..new.request }, ..new }.into()).await.unwrap();
    }
    let (mut found, mut pages) = (Vec::new(), 0);
    let mut query = Query { owner: Some("shop".to_owned()), limit: 10, ..Query::default() };
    loop {
        scene.account.proxy.forget();
        let page = ledger.list(query.clone()).await.unwrap();
        let rows = rows_read(&scene);
        assert!(rows <= 30 + 2 * 40, "a page read {rows} requests");
        found.extend(page.requests.iter().map(|request| request.id));
        pages += 1;
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, [sample_id(50), sample_id(100), sample_id(150)]);
    assert!(pages > 1, "one page read all requests");
}

#[tokio::test]
async fn the_default_layout_lists_and_finds_what_was_stored() {
    let scene = scene().await;
    let ledger = &scene.ledger;
    for n in 1..=40 {
        ledger.insert(new_request(sample_id(n), "orders", at(100 - i64::try_from(n).unwrap())).into()).await.unwrap();
    }
    let newest_first: Vec<_> = (1..=40).rev().map(sample_id).collect();
    let page = ledger.list(Query { use_case: Some("orders".to_owned()), limit: 50, ..Query::default() }).await.unwrap();
    assert_eq!(page.requests.iter().map(|request| request.id).collect::<Vec<_>>(), newest_first);
    let found = ledger.overdue(at(100), None, 50).await.unwrap();
    assert_eq!(found.iter().map(|wake| wake.id).collect::<Vec<_>>(), newest_first);
}
