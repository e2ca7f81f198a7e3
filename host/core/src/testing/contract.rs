//! The contract test of ledgers. An adapter's tests call [`ledger_contract`] with an empty ledger. The expected answers come from
//! [`lifecycle::apply`].

mod intake;
mod lists;
mod transitions;

use chrono::{DateTime, Utc};

use super::at;
use crate::id::CorrelationId;
use crate::lifecycle::{self, Change};
use crate::pause::Pause;
use crate::ports::{Changed, Changes, Inserted, Intake, Pauses, Requests};
use crate::request::{HistoryEntry, NewRequest, Request};

/// Checks that a ledger keeps the contract of its ports. The ledger must be empty.
///
/// # Panics
/// If the ledger breaks the contract. The message names the case.
pub async fn ledger_contract(ledger: &(impl Intake + Requests + Changes)) {
    lists::an_empty_ledger_lists_nothing(ledger).await;
    intake::an_inserted_request_is_found_with_its_history(ledger).await;
    intake::an_unknown_id_is_not_found(ledger).await;
    intake::an_id_is_taken_once(ledger).await;
    intake::an_idempotency_key_is_taken_once_a_use_case(ledger).await;
    intake::an_idempotency_key_stays_taken_after_the_end(ledger).await;
    intake::an_idempotency_key_is_free_again_when_its_request_was_aborted(ledger).await;
    intake::concurrent_inserts_under_one_key_store_one_request(ledger).await;
    intake::many_are_inserted_in_their_order_and_a_taken_key_hinders_no_other(ledger).await;
    transitions::every_change_in_every_state_is_made_or_refused(ledger).await;
    transitions::a_notice_is_stored_with_the_end_and_only_with_it(ledger).await;
    transitions::the_notice_of_a_release_is_stored_with_the_last_one_only(ledger).await;
    transitions::the_notice_of_an_expiry_is_stored_with_it_only(ledger).await;
    transitions::a_deferral_takes_back_its_claim_and_no_newer_one(ledger).await;
    transitions::an_erased_request_keeps_its_id_and_the_fact(ledger).await;
    transitions::an_erasure_takes_the_notices_with_it(ledger).await;
    transitions::a_change_whose_notice_cannot_be_stored_is_not_made(ledger).await;
    transitions::concurrent_changes_that_exclude_each_other_make_one(ledger).await;
    lists::filters_select(ledger).await;
    lists::pages_are_in_order_without_gaps_or_repeats(ledger).await;
    lists::an_expired_request_is_listed_by_its_status(ledger).await;
    lists::a_moved_request_is_listed_at_its_new_time(ledger).await;
    lists::owners_and_permitted_use_cases_select(ledger).await;
    lists::labels_select(ledger).await;
    lists::due_times_and_ends_select_and_sort(ledger).await;
    lists::notices_are_not_listed(ledger).await;
}

/// Checks that a ledger keeps the contract of [`Pauses`]. The ledger must have no pause.
///
/// # Panics
/// If the ledger breaks the contract. The message names the case.
pub async fn pause_contract(ledger: &impl Pauses) {
    let pause = |use_case: &str, target: Option<&str>, until: Option<i64>| Pause {
        use_case: use_case.to_owned(),
        target: target.map(str::to_owned),
        since: at(1),
        until: until.map(at),
        by: until.map(|_| "ann".to_owned()),
    };
    assert_eq!(ledger.pauses(at(0)).await.unwrap(), []);
    let (whole, hook, other) = (pause("orders", None, None), pause("orders", Some("hook"), Some(60)), pause("mail", None, Some(120)));
    for new in [&whole, &hook, &other] {
        ledger.pause(new.clone()).await.unwrap();
    }
    assert_eq!(ledger.pauses(at(0)).await.unwrap(), [other.clone(), whole.clone(), hook.clone()]);
    assert_eq!(ledger.pauses(at(60)).await.unwrap(), [other.clone(), whole], "a pause ends by itself");
    let longer = pause("orders", None, Some(300));
    ledger.pause(longer.clone()).await.unwrap();
    assert_eq!(ledger.pauses(at(60)).await.unwrap(), [other.clone(), longer], "a pause replaces the one before it");
    assert!(!ledger.resume("orders", Some("mail")).await.unwrap(), "another target is not paused");
    assert!(ledger.resume("orders", Some("hook")).await.unwrap());
    assert!(!ledger.resume("orders", Some("hook")).await.unwrap());
    ledger.pause(hook).await.unwrap();
    assert!(ledger.resume("orders", None).await.unwrap(), "every pause of the use case ends");
    assert_eq!(ledger.pauses(at(0)).await.unwrap(), [other]);
}

/// Checks the part of the contract about `adopt` and `Change::Abort`, for ledgers of hosts whose scheduler can fail.
///
/// # Panics
/// If the ledger breaks the contract. The message names the case.
pub async fn adoption_contract(ledger: &(impl Intake + Requests + Changes)) {
    intake::an_acknowledged_request_is_not_aborted(ledger).await;
    intake::a_request_that_was_aborted_before_it_arrived_is_not_inserted(ledger).await;
}

#[track_caller]
fn done(changed: Changed) -> Request {
    match changed {
        Changed::Done(request) => request,
        other => panic!("the change was not made: {other:?}"),
    }
}

async fn insert(ledger: &impl Intake, new: &NewRequest) -> Request {
    match ledger.insert(new.clone().into()).await.expect("the ledger inserts a valid request") {
        Inserted::New => new.request.clone(),
        Inserted::Taken(first) => panic!("nothing was inserted: request {} has the key", first.id),
    }
}

async fn find(ledger: &impl Requests, id: CorrelationId) -> (Request, Vec<HistoryEntry>) {
    ledger.find(id).await.expect("the ledger answers").expect("the request was inserted before")
}

/// Makes a change. Panics if the ledger refuses it.
async fn make(ledger: &impl Changes, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Request {
    done(ledger.change(id, change, now).await.expect("the ledger answers"))
}

/// A request with its history, changed by [`lifecycle::apply`] alone: the expected state in the ledger.
struct Model {
    request: Request,
    history: Vec<HistoryEntry>,
}

impl Model {
    fn of(request: &Request) -> Self {
        Self { request: request.clone(), history: vec![lifecycle::accepted(request)] }
    }

    /// Applies the change and returns the answer that the ledger must give.
    fn change(&mut self, change: &Change, now: DateTime<Utc>) -> Changed {
        match lifecycle::apply(&self.request, change, now) {
            Ok(applied) => {
                applied.line.write(&mut self.history, |entry| entry, |entry| entry.detail = None);
                self.request = applied.request.clone();
                Changed::Done(applied.request)
            }
            Err(refusal) => Changed::Refused(self.request.clone(), refusal),
        }
    }
}
