//! Cases about changes: a change is made with its history and its notice, or refused without a trace.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Model, at, find, insert, make};
use crate::lifecycle::{Change, MAX_INTERRUPTIONS, Outcome, Refusal};
use crate::ports::{Changed, Changes, Intake, Requests};
use crate::request::{Event, NewRequest, Query, Request, Status};
use crate::testing::{claim, join_all, new_request, sample_id};

/// First id of the cases in this module; the modules' ids do not overlap.
const IDS: u64 = 2000;
/// Due time of the requests in this module, in seconds after `moment`.
const DUE: i64 = 60;

/// Returns a request that expires 300 s after [`DUE`].
fn due(n: u64, use_case: &str) -> NewRequest {
    let new = new_request(sample_id(IDS + n), use_case, at(DUE));
    NewRequest { request: Request { expire_after: Some(Duration::from_mins(5)), ..new.request }, ..new }
}

fn notice_of(id: u64, parent: &Request) -> NewRequest {
    let new = new_request(sample_id(IDS + id), &parent.use_case, at(DUE + 2));
    NewRequest { request: Request { target: "hook".to_owned(), notice_of: Some(parent.id), ..new.request }, ..new }
}

fn succeeded(attempt: u32, notice: Option<NewRequest>) -> Change {
    Change::Finish { claim: attempt, outcome: Outcome::Succeeded { result: Some("{\"n\":2}".to_owned()), notice: notice.map(Box::new) } }
}

fn failed(attempt: u32, notice: Option<NewRequest>) -> Change {
    Change::Finish { claim: attempt, outcome: Outcome::Failed { failure: "out of stock".to_owned(), notice: notice.map(Box::new) } }
}

fn expired(notice: Option<NewRequest>) -> Change {
    Change::Expire { waits_for: None, notice: notice.map(Box::new) }
}

fn failed_for_now(attempt: u32) -> Change {
    Change::Finish { claim: attempt, outcome: Outcome::Retry { failure: "busy".to_owned(), at: at(DUE + 30) } }
}

fn released(attempt: u32) -> Change {
    released_with(attempt, None)
}

fn released_with(attempt: u32, notice: Option<NewRequest>) -> Change {
    Change::Release { claim: attempt, reason: "the host stopped".to_owned(), notice: notice.map(Box::new) }
}

/// Returns a deferral to three seconds after [`DUE`].
fn deferred(claim: u32) -> Change {
    Change::Defer { claim, waits_for: "a free slot".to_owned(), at: at(DUE + 3) }
}

fn held() -> Change {
    Change::Hold { reason: "restored from a backup".to_owned() }
}

/// Returns a wait until four seconds after [`DUE`].
fn waits() -> Change {
    Change::Wait { waits_for: "a place at target here (1 of 1)".to_owned(), at: at(DUE + 4) }
}

fn erased() -> Change {
    Change::Erase { by: Some("ann".to_owned()) }
}

/// A name, and the changes with their times.
type Life = (&'static str, Vec<(Change, DateTime<Utc>)>);

/// Returns sequences of changes, each of which ends in another state.
fn lives() -> Vec<Life> {
    let claimed = || (claim(), at(DUE));
    // One second between a claim, its release, and the next claim.
    let cut_off = (1..=MAX_INTERRUPTIONS).flat_map(|n| {
        let seconds = DUE + 2 * i64::from(n);
        [(claim(), at(seconds)), (released(n), at(seconds + 1))]
    });
    vec![
        ("accepted", vec![]),
        ("moved", vec![(Change::Move { to: at(DUE - 10), by: Some("ann".to_owned()) }, at(1))]),
        ("running", vec![claimed()]),
        ("failed for now", vec![claimed(), (failed_for_now(1), at(DUE + 1))]),
        ("interrupted", vec![claimed(), (released(1), at(DUE + 1))]),
        ("running again", vec![claimed(), (failed_for_now(1), at(DUE + 1)), (claim(), at(DUE + 30))]),
        ("succeeded", vec![claimed(), (succeeded(1, None), at(DUE + 1))]),
        (
            "succeeded at last",
            vec![claimed(), (failed_for_now(1), at(DUE + 1)), (claim(), at(DUE + 30)), (succeeded(2, None), at(DUE + 31))],
        ),
        ("deferred", vec![claimed(), (deferred(1), at(DUE + 1))]),
        ("deferred twice", vec![claimed(), (deferred(1), at(DUE + 1)), (claim(), at(DUE + 3)), (deferred(2), at(DUE + 4))]),
        ("running after a deferral", vec![claimed(), (deferred(1), at(DUE + 1)), (claim(), at(DUE + 3))]),
        ("held", vec![(held(), at(1))]),
        ("held while it ran", vec![claimed(), (held(), at(DUE + 1))]),
        ("waiting", vec![(waits(), at(DUE))]),
        ("erased", vec![claimed(), (failed(1, None), at(DUE + 1)), (erased(), at(DUE + 2))]),
        ("held, and retried", vec![(held(), at(1)), (Change::Retry { by: None }, at(DUE + 5))]),
        ("failed", vec![claimed(), (failed(1, None), at(DUE + 1))]),
        ("retried", vec![claimed(), (failed(1, None), at(DUE + 1)), (Change::Retry { by: Some("ann".to_owned()) }, at(DUE + 5))]),
        ("cut off too often", cut_off.collect()),
        ("cancelled", vec![(Change::Cancel { by: Some("bob".to_owned()) }, at(5))]),
        ("expired", vec![(expired(None), at(DUE + 300))]),
        ("expired and retried", vec![(expired(None), at(DUE + 300)), (Change::Retry { by: None }, at(DUE + 301))]),
        ("cancelled in its back-off", vec![claimed(), (failed_for_now(1), at(DUE + 1)), (Change::Cancel { by: None }, at(DUE + 2))]),
    ]
}

/// Returns the changes that are tried at the end of each life.
fn tries() -> Vec<(&'static str, Change, DateTime<Utc>)> {
    vec![
        ("cancel", Change::Cancel { by: None }, at(DUE + 100)),
        ("abort", Change::Abort { reason: "no more rules".to_owned() }, at(DUE + 100)),
        ("move", Change::Move { to: at(DUE + 500), by: None }, at(DUE + 100)),
        ("move back", Change::MoveBack { from: at(DUE - 10), trigger_at: at(DUE), due_at: at(DUE + 7) }, at(DUE + 100)),
        ("wait", waits(), at(DUE + 100)),
        ("erase", erased(), at(DUE + 100)),
        ("retry", Change::Retry { by: None }, at(DUE + 100)),
        ("redrive", Change::Redrive { attempt: 2 }, at(DUE + 100)),
        ("redrive an old letter", Change::Redrive { attempt: 1 }, at(DUE + 100)),
        ("claim when due", claim(), at(DUE + 100)),
        ("claim a millisecond early", claim(), at(DUE - 10) - chrono::TimeDelta::milliseconds(1)),
        ("claim too late", claim(), at(DUE + 301)),
        ("expire", expired(None), at(DUE + 300)),
        ("expire a second early", expired(None), at(DUE + 299)),
        ("succeed", succeeded(1, None), at(DUE + 100)),
        ("succeed a later attempt", succeeded(2, None), at(DUE + 100)),
        ("fail", failed(1, None), at(DUE + 100)),
        ("fail for now", failed_for_now(1), at(DUE + 100)),
        ("release", released(1), at(DUE + 100)),
        ("release a later attempt", released(2), at(DUE + 100)),
        ("defer", deferred(1), at(DUE + 100)),
        ("defer a later attempt", deferred(2), at(DUE + 100)),
        ("hold", held(), at(DUE + 100)),
    ]
}

pub async fn every_change_in_every_state_is_made_or_refused(ledger: &(impl Intake + Requests + Changes)) {
    // Behind all other ids of the contract: these cases are many.
    let mut n = 10_000;
    for (life, changes) in lives() {
        for (tried, change, now) in tries() {
            n += 1;
            let request = insert(ledger, &due(n, "transitions")).await;
            let mut model = Model::of(&request);
            for (change, now) in changes.iter().cloned().chain([(change, now)]) {
                let expected = model.change(&change, now);
                let answer = ledger.change(request.id, change, now).await.unwrap();
                assert_eq!(answer, expected, "{life}, then {tried}");
            }
            assert_eq!(find(ledger, request.id).await, (model.request, model.history), "{life}, then {tried}");
        }
    }
}

pub async fn a_notice_is_stored_with_the_end_and_only_with_it(ledger: &(impl Intake + Requests + Changes)) {
    type Finish = fn(u32, Option<NewRequest>) -> Change;
    for (n, finish) in [(500, succeeded as Finish), (510, failed)] {
        let request = insert(ledger, &due(n, "transitions-notices")).await;
        make(ledger, request.id, claim(), at(DUE)).await;

        let lost = notice_of(n + 1, &request);
        let refused = ledger.change(request.id, finish(7, Some(lost.clone())), at(DUE + 1)).await.unwrap();
        assert!(matches!(refused, Changed::Refused(_, Refusal::ClaimLost)), "{refused:?}");
        assert_eq!(ledger.find(lost.request.id).await.unwrap(), None, "a refused change stored its notice");

        let notice = notice_of(n + 2, &request);
        make(ledger, request.id, finish(1, Some(notice.clone())), at(DUE + 1)).await;
        let (found, history) = find(ledger, notice.request.id).await;
        assert_eq!(found, notice.request);
        assert_eq!(history.iter().map(|entry| entry.event).collect::<Vec<_>>(), [Event::Accepted]);
    }
}

pub async fn the_notice_of_a_release_is_stored_with_the_last_one_only(ledger: &(impl Intake + Requests + Changes)) {
    let request = insert(ledger, &due(530, "transitions-notices")).await;
    let notice = notice_of(531, &request);
    for n in 1..=MAX_INTERRUPTIONS {
        assert_eq!(ledger.find(notice.request.id).await.unwrap(), None, "a release that is not the last stored its notice");
        let now = at(DUE + 2 * i64::from(n));
        make(ledger, request.id, claim(), now).await;
        make(ledger, request.id, released_with(n, Some(notice.clone())), now).await;
    }
    assert_eq!(find(ledger, request.id).await.0.status, Status::Failed);
    assert_eq!(find(ledger, notice.request.id).await.0, notice.request);
}

pub async fn the_notice_of_an_expiry_is_stored_with_it_only(ledger: &(impl Intake + Requests + Changes)) {
    let request = insert(ledger, &due(535, "transitions-notices")).await;
    let notice = notice_of(536, &request);
    let early = ledger.change(request.id, expired(Some(notice.clone())), at(DUE + 299)).await.unwrap();
    assert!(matches!(early, Changed::Refused(_, Refusal::NotExpired)), "{early:?}");
    assert_eq!(ledger.find(notice.request.id).await.unwrap(), None, "a refused change stored its notice");
    make(ledger, request.id, expired(Some(notice.clone())), at(DUE + 300)).await;
    assert_eq!(find(ledger, notice.request.id).await.0, notice.request);
}

pub async fn a_deferral_takes_back_its_claim_and_no_newer_one(ledger: &(impl Intake + Requests + Changes)) {
    let request = insert(ledger, &due(540, "transitions-deferrals")).await;
    make(ledger, request.id, claim(), at(DUE)).await;
    let waiting = make(ledger, request.id, deferred(1), at(DUE + 1)).await;
    assert_eq!((waiting.status, waiting.attempts, waiting.due_at), (Status::Scheduled, 0, at(DUE + 3)));
    let running = make(ledger, request.id, claim(), at(DUE + 3)).await;
    assert_eq!((running.attempts, running.claim()), (1, 2), "the attempt keeps its number, and the claim has a new one");
    for late in [deferred(1), released(1), succeeded(1, None), failed_for_now(1)] {
        let refused = ledger.change(request.id, late, at(DUE + 4)).await.unwrap();
        assert!(matches!(refused, Changed::Refused(_, Refusal::ClaimLost)), "{refused:?}");
    }
    make(ledger, request.id, deferred(2), at(DUE + 4)).await;
    let (_, history) = find(ledger, request.id).await;
    let events: Vec<_> = history.iter().map(|entry| (entry.event, entry.attempt)).collect();
    assert_eq!(events, [(Event::Accepted, 0), (Event::Deferred, 1)], "each reason has one line");
}

pub async fn an_erased_request_keeps_its_id_and_the_fact(ledger: &(impl Intake + Requests + Changes)) {
    let labels = BTreeMap::from([("customer".to_owned(), "erased-42".to_owned())]);
    let new = due(545, "transitions-erased");
    let request = Request { labels, idempotency_hash: Some("hash".to_owned()), ..new.request };
    let new = NewRequest { request, idempotency_key: Some("k".to_owned()), ..new };
    insert(ledger, &new).await;
    let id = new.request.id;
    make(ledger, id, claim(), at(DUE)).await;
    let refused = ledger.change(id, erased(), at(DUE)).await.unwrap();
    assert!(matches!(refused, Changed::Refused(_, Refusal::Running)), "{refused:?}");
    make(ledger, id, failed(1, None), at(DUE + 1)).await;
    make(ledger, id, erased(), at(DUE + 2)).await;

    let (found, history) = find(ledger, id).await;
    assert_eq!((found.failure, found.result, found.idempotency_hash, found.labels.len()), (None, None, None, 0));
    assert_eq!((found.status, found.erased_at), (Status::Failed, Some(at(DUE + 2))));
    assert_eq!(history.iter().map(|line| line.event).collect::<Vec<_>>(), [Event::Accepted, Event::Started, Event::Failed, Event::Erased]);
    assert!(history.iter().all(|line| line.detail.is_none()), "{history:?}");
    assert_eq!(ledger.body(id).await.unwrap(), None);
    assert_eq!(ledger.find_by_key("transitions-erased", "k").await.unwrap(), None);
    let of_label = Query { labels: vec![("customer".to_owned(), "erased-42".to_owned())], limit: 10, ..Query::default() };
    assert_eq!(ledger.list(of_label).await.unwrap().requests, []);
    let retried = ledger.change(id, Change::Retry { by: None }, at(DUE + 3)).await.unwrap();
    assert!(matches!(retried, Changed::Refused(_, Refusal::Erased)), "{retried:?}");
}

pub async fn an_erasure_takes_the_notices_with_it(ledger: &(impl Intake + Requests + Changes)) {
    let request = insert(ledger, &due(550, "transitions-told")).await;
    let notices = [551, 552].map(|n| notice_of(n, &request));
    for (claim_number, notice) in (1..).zip(&notices) {
        make(ledger, request.id, claim(), at(DUE)).await;
        make(ledger, request.id, failed(claim_number, Some(notice.clone())), at(DUE + 1)).await;
        if claim_number == 1 {
            make(ledger, request.id, Change::Retry { by: None }, at(DUE)).await;
        }
    }
    let [first, second] = notices.map(|notice| notice.request.id);
    // The second one is being delivered.
    make(ledger, second, claim(), at(DUE + 2)).await;
    make(ledger, request.id, erased(), at(DUE + 3)).await;

    let (cancelled, history) = find(ledger, first).await;
    assert_eq!((cancelled.status, cancelled.erased_at), (Status::Cancelled, Some(at(DUE + 3))));
    assert_eq!(history.last().map(|line| line.event), Some(Event::Erased));
    assert_eq!(ledger.body(first).await.unwrap(), None);
    let (running, _) = find(ledger, second).await;
    assert_eq!((running.status, running.erased_at), (Status::Running, None));
    assert!(ledger.body(second).await.unwrap().is_some());

    // A repeat of the call erases it once it has ended.
    make(ledger, second, succeeded(1, None), at(DUE + 4)).await;
    make(ledger, request.id, erased(), at(DUE + 5)).await;
    let (told, _) = find(ledger, second).await;
    assert_eq!((told.status, told.erased_at, told.result), (Status::Succeeded, Some(at(DUE + 5)), None));
    assert_eq!(ledger.body(second).await.unwrap(), None);
    assert_eq!(find(ledger, request.id).await.0.erased_at, Some(at(DUE + 3)), "a repeat changes nothing else");
}

pub async fn a_change_whose_notice_cannot_be_stored_is_not_made(ledger: &(impl Intake + Requests + Changes)) {
    let request = insert(ledger, &due(520, "transitions-notices")).await;
    let running = make(ledger, request.id, claim(), at(DUE)).await;
    let before = find(ledger, request.id).await;
    // The notice has the request's own id.
    let impossible = notice_of(520, &request);
    assert!(ledger.change(request.id, succeeded(1, Some(impossible)), at(DUE + 1)).await.is_err());
    assert_eq!(find(ledger, request.id).await, before);
    assert_eq!(running.status, Status::Running);
}

pub async fn concurrent_changes_that_exclude_each_other_make_one(ledger: &(impl Intake + Requests + Changes)) {
    let contests: [(u64, Vec<Change>, Change); 3] =
        [(600, vec![], claim()), (601, vec![], Change::Cancel { by: None }), (602, vec![claim()], succeeded(1, None))];
    for (n, before, change) in contests {
        let request = insert(ledger, &due(n, "transitions-races")).await;
        for change in before {
            make(ledger, request.id, change, at(DUE)).await;
        }
        // Every second change is a claim, which excludes each of the three.
        let attempts = (0..32).map(|i| ledger.change(request.id, if i % 2 == 0 { change.clone() } else { claim() }, at(DUE)));
        let answers = join_all(attempts).await;
        let made = answers.iter().filter(|answer| matches!(answer, Ok(Changed::Done(_)))).count();
        let refused = answers.iter().filter(|answer| matches!(answer, Ok(Changed::Refused(..)))).count();
        assert_eq!((made, refused), (1, 31), "{change:?}");
    }
}
