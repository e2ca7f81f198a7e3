//! Cases about lists: filters, order, pages.

use std::time::Duration;

use super::{at, insert, make};
use crate::id::CorrelationId;
use crate::lifecycle::{Change, Outcome};
use crate::ports::{Changes, Intake, Requests};
use crate::request::{NewRequest, Order, Page, Query, Request, Status};
use crate::testing::{claim, new_request, sample_id};

/// First id of the cases in this module; the modules' ids do not overlap.
const IDS: u64 = 3000;
/// Seconds after `moment`. Later than the trigger times of the other modules, so that a list from here on has only requests of this
/// module.
const START: i64 = 1_000_000;

fn of(use_case: &str, from: i64, to: i64) -> Query {
    Query { use_case: Some(use_case.to_owned()), from: Some(at(from)), to: Some(at(to)), limit: 100, ..Query::default() }
}

async fn ids(ledger: &impl Requests, query: Query) -> Vec<CorrelationId> {
    ledger.list(query).await.unwrap().requests.iter().map(|request| request.id).collect()
}

pub async fn an_empty_ledger_lists_nothing(ledger: &impl Requests) {
    let page = ledger.list(Query { limit: 10, ..Query::default() }).await.unwrap();
    assert_eq!(page, Page::default(), "the contract test needs an empty ledger");
}

pub async fn filters_select(ledger: &(impl Intake + Requests + Changes)) {
    let id = |n| sample_id(IDS + n);
    for (n, use_case, seconds) in [(1, "lists-a", 10), (2, "lists-a", 20), (3, "lists-b", 20), (4, "lists-a", 30)] {
        insert(ledger, &new_request(id(n), use_case, at(START + seconds))).await;
    }
    make(ledger, id(2), Change::Cancel { by: None }, at(START)).await;
    let all = Query { from: Some(at(START)), limit: 100, ..Query::default() };
    let check = async |what: &str, query: Query, expected: &[u64]| {
        let expected: Vec<CorrelationId> = expected.iter().map(|n| id(*n)).collect();
        assert_eq!(ids(ledger, query).await, expected, "{what}");
    };
    check("all", all.clone(), &[1, 2, 3, 4]).await;
    check("a use case", of("lists-a", START, START + 100), &[1, 2, 4]).await;
    check("another", of("lists-b", START, START + 100), &[3]).await;
    check("the beginning of a name", of("lists", START, START + 100), &[]).await;
    check("a name in upper case", of("LISTS-A", START, START + 100), &[]).await;
    check("a status", Query { status: Some(Status::Cancelled), ..all.clone() }, &[2]).await;
    check("another status", Query { status: Some(Status::Scheduled), ..all.clone() }, &[1, 3, 4]).await;
    check("a status that none has", Query { status: Some(Status::Failed), ..all.clone() }, &[]).await;
    check("from is inclusive", Query { from: Some(at(START + 20)), ..all.clone() }, &[2, 3, 4]).await;
    check("to is exclusive", Query { to: Some(at(START + 20)), ..all.clone() }, &[1]).await;
    check("an empty window", of("lists-a", START + 20, START + 20), &[]).await;
    check("a window", of("lists-a", START + 20, START + 21), &[2]).await;
    check("all filters", Query { status: Some(Status::Scheduled), ..of("lists-a", START + 10, START + 30) }, &[1]).await;
}

pub async fn pages_are_in_order_without_gaps_or_repeats(ledger: &(impl Intake + Requests + Changes)) {
    // Several requests for each time, ids in reverse order of insertion, two use cases in turn, every third request cancelled.
    let from = START + 1000;
    let mut expected: Vec<(i64, u64, &str, Status)> = Vec::new();
    for n in (0..24).rev() {
        let seconds = from + i64::try_from(n * 7 % 5).unwrap();
        let use_case = if n % 2 == 0 { "lists-c" } else { "lists-d" };
        let id = sample_id(IDS + 100 + n);
        insert(ledger, &new_request(id, use_case, at(seconds))).await;
        if n % 3 == 0 {
            make(ledger, id, Change::Cancel { by: None }, at(0)).await;
        }
        expected.push((seconds, n, use_case, if n % 3 == 0 { Status::Cancelled } else { Status::Scheduled }));
    }
    expected.sort_by_key(|(seconds, n, ..)| (*seconds, *n));

    let all = Query { from: Some(at(from)), to: Some(at(from + 100)), ..Query::default() };
    let of_one = Query { use_case: Some("lists-c".to_owned()), ..all.clone() };
    let cancelled = Query { status: Some(Status::Cancelled), ..all.clone() };
    let both = Query { status: Some(Status::Cancelled), ..of_one.clone() };
    for query in [all, of_one, cancelled, both] {
        let wanted: Vec<CorrelationId> = expected
            .iter()
            .filter(|(.., use_case, status)| {
                query.use_case.as_ref().is_none_or(|name| name == use_case) && query.status.is_none_or(|wanted| wanted == *status)
            })
            .map(|(_, n, ..)| sample_id(IDS + 100 + n))
            .collect();
        for limit in [1, 2, 3, 5, wanted.len() - 1, wanted.len(), wanted.len() + 1] {
            assert_eq!(walk(ledger, Query { limit, ..query.clone() }, wanted.len()).await, wanted, "limit {limit}, {query:?}");
        }
    }
}

/// Reads all pages and returns their ids. Checks that each page except the last is full.
async fn walk(ledger: &impl Requests, mut query: Query, total: usize) -> Vec<CorrelationId> {
    let mut ids = Vec::new();
    loop {
        let Page { requests, next } = ledger.list(query.clone()).await.unwrap();
        ids.extend(requests.iter().map(|request| request.id));
        assert!(requests.len() == query.limit || next.is_none(), "a page that is not full has a next page");
        assert_eq!(next.is_some(), ids.len() < total, "after {} of {total}: wrong answer about a next page", ids.len());
        if next.is_none() {
            return ids;
        }
        query.after = next;
    }
}

pub async fn a_moved_request_is_listed_at_its_new_time(ledger: &(impl Intake + Requests + Changes)) {
    let (from, id) = (START + 2000, sample_id(IDS + 200));
    insert(ledger, &new_request(id, "lists-moved", at(from))).await;
    make(ledger, id, Change::Move { to: at(from + 50), by: None }, at(0)).await;
    assert_eq!(ids(ledger, of("lists-moved", from, from + 50)).await, []);
    assert_eq!(ids(ledger, of("lists-moved", from + 50, from + 51)).await, [id]);
}

pub async fn an_expired_request_is_listed_by_its_status(ledger: &(impl Intake + Requests + Changes)) {
    let (from, id) = (START + 5000, sample_id(IDS + 500));
    let new = new_request(id, "lists-expired", at(from));
    insert(ledger, &NewRequest { request: Request { expire_after: Some(Duration::from_secs(1)), ..new.request }, ..new }).await;
    let of_status = |status| Query { status: Some(status), ..of("lists-expired", from, from + 1) };
    assert_eq!(ids(ledger, of_status(Status::Scheduled)).await, [id]);
    make(ledger, id, Change::Expire { waits_for: None, notice: None }, at(from + 1)).await;
    assert_eq!(ids(ledger, of_status(Status::Scheduled)).await, []);
    assert_eq!(ids(ledger, of_status(Status::Expired)).await, [id]);
    assert_eq!(ids(ledger, of("lists-expired", from, from + 1)).await, [id]);
}

pub async fn owners_and_permitted_use_cases_select(ledger: &(impl Intake + Requests + Changes)) {
    let (from, id) = (START + 4000, |n| sample_id(IDS + 400 + n));
    for (n, use_case, owner) in
        [(1, "lists-e", Some("shop")), (2, "lists-f", Some("mail")), (3, "lists-f", Some("shop")), (4, "lists-e", None)]
    {
        let new = new_request(id(n), use_case, at(from));
        let request = Request { owner: owner.map(str::to_owned), ..new.request };
        insert(ledger, &NewRequest { request, ..new }).await;
    }
    make(ledger, id(3), Change::Cancel { by: Some("shop".to_owned()) }, at(0)).await;
    let all = Query { from: Some(at(from)), to: Some(at(from + 1)), limit: 100, ..Query::default() };
    let of = |owner: &str| Query { owner: Some(owner.to_owned()), ..all.clone() };
    let within = |names: &[&str]| Query { within: Some(names.iter().map(|name| (*name).to_owned()).collect()), ..all.clone() };
    let check = async |what: &str, query: Query, expected: &[u64]| {
        let expected: Vec<CorrelationId> = expected.iter().map(|n| id(*n)).collect();
        assert_eq!(ids(ledger, query).await, expected, "{what}");
    };
    check("an owner", of("shop"), &[1, 3]).await;
    check("another owner", of("mail"), &[2]).await;
    check("an owner without requests", of("sho"), &[]).await;
    check("the empty owner", of(""), &[]).await;
    check("an owner's cancelled ones", Query { status: Some(Status::Cancelled), ..of("shop") }, &[3]).await;
    check("an owner in a use case", Query { use_case: Some("lists-e".to_owned()), ..of("shop") }, &[1]).await;
    check("permitted use cases", within(&["lists-f", "none"]), &[2, 3]).await;
    check("two permitted use cases", within(&["lists-e", "lists-f"]), &[1, 2, 3, 4]).await;
    check("no permitted use case", within(&[]), &[]).await;
    check("a use case that is not permitted", Query { use_case: Some("lists-e".to_owned()), ..within(&["lists-f"]) }, &[]).await;
    check("a page of an owner", Query { limit: 1, ..of("shop") }, &[1]).await;
}

pub async fn labels_select(ledger: &(impl Intake + Requests + Changes)) {
    let (from, id) = (START + 6000, |n| sample_id(IDS + 600 + n));
    let labelled = [
        (1, "lists-g", vec![("customer", "42"), ("order", "a/b#c")]),
        (2, "lists-g", vec![("customer", "42"), ("order", "2")]),
        (3, "lists-g", vec![("customer", "4")]),
        (4, "lists-h", vec![("customer", "42")]),
        (5, "lists-g", vec![]),
    ];
    for (n, use_case, labels) in labelled {
        let new = new_request(id(n), use_case, at(from + n.cast_signed()));
        let labels = labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        insert(ledger, &NewRequest { request: Request { labels, ..new.request }, ..new }).await;
    }
    make(ledger, id(2), Change::Cancel { by: None }, at(0)).await;
    make(ledger, id(1), Change::Move { to: at(from + 50), by: None }, at(0)).await;
    let of = |labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Query { labels, limit: 2, ..Query::default() }
    };
    let check = async |what: &str, query: Query, expected: &[u64]| {
        // A ledger may sort by the time before a move.
        let mut found = all_ids(ledger, query).await;
        found.sort_unstable();
        assert_eq!(found, expected.iter().map(|n| id(*n)).collect::<Vec<_>>(), "{what}");
    };
    check("a label", of(&[("customer", "42")]), &[1, 2, 4]).await;
    check("the beginning of a value", of(&[("customer", "4")]), &[3]).await;
    check("another label with this value", of(&[("order", "42")]), &[]).await;
    check("two labels", of(&[("customer", "42"), ("order", "a/b#c")]), &[1]).await;
    check("two labels that no request has", of(&[("customer", "4"), ("order", "2")]), &[]).await;
    check("a use case", Query { use_case: Some("lists-g".to_owned()), ..of(&[("customer", "42")]) }, &[1, 2]).await;
    check("a status", Query { status: Some(Status::Scheduled), ..of(&[("customer", "42")]) }, &[1, 4]).await;
    check("the new time", Query { from: Some(at(from + 50)), ..of(&[("customer", "42")]) }, &[1]).await;
    check("due", Query { order: Order::Due, to: Some(at(from + 50)), ..of(&[("customer", "42")]) }, &[4]).await;
    check("ended", Query { order: Order::Ended, ..of(&[("customer", "42")]) }, &[2]).await;
    let listed = ledger.list(of(&[("customer", "4")])).await.unwrap().requests;
    assert_eq!(listed[0].labels.get("customer").map(String::as_str), Some("4"));
}

pub async fn due_times_and_ends_select_and_sort(ledger: &(impl Intake + Requests + Changes)) {
    let (from, id) = (START + 7000, |n| sample_id(IDS + 700 + n));
    let use_case = "lists-times";
    for n in 1..=6 {
        insert(ledger, &new_request(id(n), use_case, at(from + n.cast_signed()))).await;
    }
    // The first is due again after the others, the second runs, the third and the fourth end in the other order.
    make(ledger, id(1), claim(), at(from + 1)).await;
    let again = Outcome::Retry { failure: "busy".to_owned(), at: at(from + 90) };
    make(ledger, id(1), Change::Finish { claim: 1, outcome: again }, at(from + 2)).await;
    make(ledger, id(2), claim(), at(from + 2)).await;
    make(ledger, id(4), Change::Cancel { by: None }, at(from + 10)).await;
    make(ledger, id(3), claim(), at(from + 11)).await;
    let done = Outcome::Succeeded { result: None, notice: None };
    make(ledger, id(3), Change::Finish { claim: 1, outcome: done }, at(from + 12)).await;
    let of = |order, limit| Query { use_case: Some(use_case.to_owned()), order, limit, ..Query::default() };
    let expected = |ids: &[u64]| ids.iter().map(|n| id(*n)).collect::<Vec<_>>();
    for limit in [1, 2, 10] {
        assert_eq!(all_ids(ledger, of(Order::Due, limit)).await, expected(&[5, 6, 1]), "due, pages of {limit}");
        assert_eq!(all_ids(ledger, of(Order::Ended, limit)).await, expected(&[4, 3]), "ended, pages of {limit}");
    }
    let due = Query { from: Some(at(from + 6)), to: Some(at(from + 90)), ..of(Order::Due, 10) };
    assert_eq!(all_ids(ledger, due).await, expected(&[6]));
    let ended = Query { from: Some(at(from + 11)), ..of(Order::Ended, 10) };
    assert_eq!(all_ids(ledger, ended).await, expected(&[3]));
    let cancelled = Query { status: Some(Status::Cancelled), ..of(Order::Ended, 10) };
    assert_eq!(all_ids(ledger, cancelled).await, expected(&[4]));
}

/// Returns the ids of all pages, of which some may be short.
async fn all_ids(ledger: &impl Requests, mut query: Query) -> Vec<CorrelationId> {
    let mut ids = Vec::new();
    loop {
        let Page { requests, next } = ledger.list(query.clone()).await.unwrap();
        ids.extend(requests.iter().map(|request| request.id));
        if next.is_none() {
            return ids;
        }
        assert_ne!(next, query.after, "the list does not go on");
        query.after = next;
    }
}

pub async fn notices_are_not_listed(ledger: &(impl Intake + Requests + Changes)) {
    let (from, id) = (START + 3000, sample_id(IDS + 300));
    insert(ledger, &new_request(id, "lists-notices", at(from))).await;
    make(ledger, id, claim(), at(from)).await;
    let new = new_request(sample_id(IDS + 301), "lists-notices", at(from + 1));
    let notice = NewRequest { request: Request { notice_of: Some(id), ..new.request }, ..new };
    let outcome = Outcome::Succeeded { result: None, notice: Some(Box::new(notice.clone())) };
    make(ledger, id, Change::Finish { claim: 1, outcome }, at(from + 1)).await;
    assert_eq!(ids(ledger, of("lists-notices", from, from + 100)).await, [id]);
    let (_, history) = super::find(ledger, notice.request.id).await;
    assert_eq!(history.len(), 1, "the notice is stored although it is not listed");
}
