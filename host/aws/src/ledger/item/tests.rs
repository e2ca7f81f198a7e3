use chrono::TimeDelta;
use postdate_core::fire::MAX_RESULT_BYTES;
use postdate_core::lifecycle::{Change, Outcome, apply};
use postdate_core::testing::{claim, moment, new_request, sample_id};

use super::*;

const WRITING: Writing = Writing { layout: Layout { lists: 4, open: 4 }, retention: Duration::from_hours(24) };

/// Returns the head and the request after a change.
fn changed(head: &Head, request: &Request, change: &Change) -> (Head, Request) {
    let applied = apply(request, change, moment()).unwrap();
    (head.after(&applied.request, applied.line, "w", WRITING), applied.request)
}

#[test]
fn the_largest_head_fits_into_an_item() {
    let new = NewRequest { body: "x".repeat(8 << 10), ..new_request(sample_id(1), "orders", moment()) };
    let mut request = new.request.clone();
    let (mut head, apart) = Head::of_new(&new, "w", WRITING);
    assert_eq!(apart, None);
    let long = |letter: &str| letter.repeat(MAX_RESULT_BYTES);
    for n in 1..=200 {
        (head, request) = changed(&head, &request, &claim());
        let outcome = Outcome::Retry { failure: long("f"), at: moment() };
        (head, request) = changed(&head, &request, &Change::Finish { claim: n, outcome });
    }
    (head, request) = changed(&head, &request, &claim());
    let outcome = Outcome::Failed { failure: long("g"), notice: None };
    (head, request) = changed(&head, &request, &Change::Finish { claim: 201, outcome });
    // JSON takes more than DynamoDB counts: the same names and texts, with quotes.
    let bytes = serde_json::to_vec(&head).unwrap().len();
    assert!(bytes < 400 * 1024, "{bytes} bytes; an item may have 400 KB");
    assert_eq!(head.request().unwrap(), request);
    assert_eq!(request.failure, Some(long("g")), "the whole failure is stored, although lists show its beginning");
}

#[test]
fn each_state_is_in_the_indexes_that_need_it() {
    #[track_caller]
    fn check(head: &Head, list: &str, open: bool, pinned: bool) {
        assert_eq!(head.list.as_deref().map(|list| list.rsplit_once('#').unwrap().0), Some(list), "{head:?}");
        assert_eq!((head.open.is_some(), head.wake.is_some(), head.pin.is_some()), (open, open, pinned), "{head:?}");
    }
    let new = new_request(sample_id(1), "orders", moment());
    let request = new.request.clone();
    let (scheduled, _) = Head::of_new(&new, "w", WRITING);
    check(&scheduled, "orders#open", true, true);
    let (running, claimed) = changed(&scheduled, &request, &claim());
    check(&running, "orders#open", true, true);
    let keys = |head: &Head| (head.list.clone(), head.at.clone(), head.open.clone(), head.wake.clone(), head.pin.clone());
    assert_eq!(keys(&running), keys(&scheduled), "a claim moves no item of an index");
    let end = |outcome| Change::Finish { claim: 1, outcome };
    let (succeeded, _) = changed(&running, &claimed, &end(Outcome::Succeeded { result: None, notice: None }));
    check(&succeeded, "orders#succeeded", false, false);
    let (failed, _) = changed(&running, &claimed, &end(Outcome::Failed { failure: "no".to_owned(), notice: None }));
    check(&failed, "orders#failed", true, true);
    let (cancelled, _) = changed(&scheduled, &request, &Change::Cancel { by: None });
    check(&cancelled, "orders#cancelled", false, false);
    let new = new_request(sample_id(2), "orders", moment() - TimeDelta::seconds(9));
    let trace = "00-66f2a1b04dea0086f9763ac0667b115a-53995c3f42cd8ad8-01".parse().ok();
    let request = Request { expire_after: Some(Duration::from_secs(9)), trace, ..new.request };
    let (scheduled, _) =
        Head::of_new(&NewRequest { request: request.clone(), ..new_request(sample_id(2), "orders", moment()) }, "w", WRITING);
    let (expired, _) = changed(&scheduled, &request, &Change::Expire { waits_for: None, notice: None });
    check(&expired, "orders#expired", true, true);
    assert_eq!((scheduled.request().unwrap(), expired.notified()), (request, Notified::default()));
}

#[test]
fn an_item_beside_the_head_gets_a_later_end_only_if_it_would_expire_before_its_request() {
    let new = NewRequest { idempotency_key: Some("k".to_owned()), ..new_request(sample_id(1), "orders", moment()) };
    let request = new.request.clone();
    let (head, _) = Head::of_new(&new, "w", WRITING);
    let first = head.beside.unwrap();
    assert!(first >= (moment() + TimeDelta::days(31)).timestamp());
    let moved = |days| changed(&head, &request, &Change::Move { to: moment() + TimeDelta::days(days), by: None }).0.beside.unwrap();
    assert_eq!(moved(29), first);
    assert_eq!(moved(40), (moment() + TimeDelta::days(40 + 31)).timestamp());
    let (cancelled, _) = changed(&head, &request, &Change::Cancel { by: None });
    assert_eq!((cancelled.beside, cancelled.expires), (Some(first), Some((moment() + TimeDelta::days(1)).timestamp())));
}

#[test]
fn a_place_sorts_by_time_and_parses() {
    let places = [(0, 2), (1, 1), (1, 2), (1_000_000_000, 1)].map(|(seconds, n)| (moment() + TimeDelta::seconds(seconds), sample_id(n)));
    let texts = places.map(|(at, id)| place(at, id));
    assert!(texts.is_sorted(), "{texts:?}");
    assert_eq!(texts.map(|text| super::super::keys::parse_place(&text).unwrap()), places);
}
