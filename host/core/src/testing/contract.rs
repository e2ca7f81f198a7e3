//! What every ledger must do, in steps. An adapter's tests call [`ledger_contract`] with an empty ledger; the model that
//! it is compared with is [`lifecycle::apply`].

mod intake;
mod lists;
mod transitions;

use chrono::{DateTime, TimeDelta, Utc};

use super::moment;
use crate::id::CorrelationId;
use crate::lifecycle::{self, Change};
use crate::ports::{Changed, Changes, Inserted, Intake, Requests};
use crate::request::{HistoryEntry, NewRequest, Request};

/// Holds a ledger, empty when it is given, to the contract of its ports.
///
/// # Panics
/// Where it breaks the contract; the message says in which case.
pub async fn ledger_contract(ledger: &(impl Intake + Requests + Changes)) {
    lists::an_empty_ledger_lists_nothing(ledger).await;
    intake::what_is_inserted_is_found_with_its_history(ledger).await;
    intake::an_unknown_id_is_not_found(ledger).await;
    intake::an_id_is_taken_once(ledger).await;
    intake::an_idempotency_key_is_taken_once_a_use_case(ledger).await;
    intake::an_idempotency_key_stays_taken_after_the_end(ledger).await;
    intake::an_idempotency_key_is_free_again_when_its_request_was_aborted(ledger).await;
    intake::of_concurrent_inserts_under_one_key_one_is_stored(ledger).await;
    transitions::every_change_in_every_state_is_made_or_refused(ledger).await;
    transitions::a_notice_is_stored_with_the_end_and_only_with_it(ledger).await;
    transitions::the_notice_of_a_release_is_stored_with_the_last_one_only(ledger).await;
    transitions::a_deferral_takes_back_its_claim_and_no_newer_one(ledger).await;
    transitions::a_change_whose_notice_cannot_be_stored_is_not_made(ledger).await;
    transitions::of_concurrent_changes_that_exclude_each_other_one_is_made(ledger).await;
    lists::filters_select(ledger).await;
    lists::pages_are_in_order_without_gaps_or_repeats(ledger).await;
    lists::a_moved_request_is_listed_at_its_new_time(ledger).await;
    lists::notices_are_not_listed(ledger).await;
}

/// The part of the contract for ledgers of hosts whose scheduler can fail, so that acceptances are undone.
///
/// # Panics
/// Where the ledger breaks it.
pub async fn adoption_contract(ledger: &(impl Intake + Requests + Changes)) {
    intake::an_acknowledged_request_is_not_aborted(ledger).await;
}

/// So many seconds after [`moment`].
fn at(seconds: i64) -> DateTime<Utc> {
    moment() + TimeDelta::seconds(seconds)
}

#[track_caller]
fn stored(inserted: Inserted) -> Request {
    match inserted {
        Inserted::New(request) => request,
        Inserted::Taken(first) => panic!("inserted nothing: its key is taken by {}", first.id),
    }
}

#[track_caller]
fn done(changed: Changed) -> Request {
    match changed {
        Changed::Done(request) => request,
        other => panic!("the change was not made: {other:?}"),
    }
}

async fn insert(ledger: &impl Intake, new: &NewRequest) -> Request {
    stored(ledger.insert(new.clone()).await.expect("a good request is inserted"))
}

async fn find(ledger: &impl Requests, id: CorrelationId) -> (Request, Vec<HistoryEntry>) {
    ledger.find(id).await.expect("a ledger that works answers").expect("what was inserted is found")
}

/// Makes a change that must be possible.
async fn make(ledger: &impl Changes, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Request {
    done(ledger.change(id, change, now).await.expect("a ledger that works answers"))
}

/// A request with its history, as the rules alone say that it must become.
struct Model {
    request: Request,
    history: Vec<HistoryEntry>,
}

impl Model {
    fn of(request: &Request) -> Self {
        Self { request: request.clone(), history: vec![lifecycle::accepted(request)] }
    }

    /// What a ledger must answer to the change.
    fn change(&mut self, change: &Change, now: DateTime<Utc>) -> Changed {
        match lifecycle::apply(&self.request, change, now) {
            Ok(applied) => {
                applied.line.write(&mut self.history, |entry| entry);
                self.request = applied.request.clone();
                Changed::Done(applied.request)
            }
            Err(refusal) => Changed::Refused(self.request.clone(), refusal),
        }
    }
}
