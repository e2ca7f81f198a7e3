//! Every transition of a request, in one place. A ledger reads a request, applies a [`Change`], and stores what comes
//! back with its line of history, atomically; whatever is not allowed here cannot happen anywhere.

use chrono::{DateTime, Utc};

use crate::request::{Event, HistoryEntry, NewRequest, Request, Status};

/// After so many attempts in a row that were cut off, the request itself is taken for the cause.
pub const MAX_INTERRUPTIONS: u32 = 5;

/// What is to happen to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The client takes it back.
    Cancel,
    /// It was stored and then could not be scheduled, so it was never acknowledged. Ledgers also free its idempotency
    /// key: a client that was told to try again does so with the same key.
    Abort { reason: String },
    /// The client names another time.
    Move(DateTime<Utc>),
    /// The move to `from` could not be scheduled, so it is as if it had not been.
    MoveBack { from: DateTime<Utc>, trigger_at: DateTime<Utc>, due_at: DateTime<Utc> },
    /// A failed request is to run again, now.
    Retry,
    /// A host takes it to run it; only when due.
    Claim,
    /// The attempt that was claimed has ended.
    Finish { attempt: u32, outcome: Outcome },
    /// The attempt was cut off: the host stops, or a lease ran out.
    Release { attempt: u32, reason: String },
}

/// How an attempt ended. `notice` is the request that tells `[on]`'s target, stored with the change.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Succeeded { result: Option<String>, notice: Option<Box<NewRequest>> },
    Retry { failure: String, at: DateTime<Utc> },
    Failed { failure: String, notice: Option<Box<NewRequest>> },
}

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it is no longer scheduled")]
    NotScheduled,
    #[error("it has been moved since")]
    MovedSince,
    #[error("only a failed request can be retried")]
    NotFailed,
    #[error("it is not due yet")]
    NotDue,
    /// Somebody was told that it is accepted, so it cannot be undone as if nobody was.
    #[error("it has been acknowledged")]
    Acknowledged,
    /// The claim was lost: another attempt has begun, or the request has ended.
    #[error("the claim of this attempt does not hold any more")]
    ClaimLost,
}

/// The request after the change, and the line of history that goes with it.
pub fn apply(request: &Request, change: &Change, now: DateTime<Utc>) -> Result<(Request, HistoryEntry), Refusal> {
    let mut next = request.clone();
    let (event, detail) = match change {
        Change::Cancel => {
            require(request.status == Status::Scheduled, Refusal::NotScheduled)?;
            end(&mut next, Status::Cancelled, now);
            (Event::Cancelled, None)
        }
        Change::Abort { reason } => {
            require(request.status == Status::Scheduled, Refusal::NotScheduled)?;
            end(&mut next, Status::Cancelled, now);
            next.failure = Some(reason.clone());
            (Event::Cancelled, Some(reason.clone()))
        }
        Change::Move(to) => {
            require(request.status == Status::Scheduled, Refusal::NotScheduled)?;
            (next.trigger_at, next.due_at) = (*to, *to);
            (Event::Moved, Some(format!("to {}", crate::schedule::rfc3339(*to))))
        }
        Change::MoveBack { from, trigger_at, due_at } => {
            require(request.status == Status::Scheduled, Refusal::NotScheduled)?;
            require(request.trigger_at == *from, Refusal::MovedSince)?;
            (next.trigger_at, next.due_at) = (*trigger_at, *due_at);
            (Event::Moved, Some(format!("back to {}", crate::schedule::rfc3339(*trigger_at))))
        }
        Change::Retry => {
            require(request.status == Status::Failed, Refusal::NotFailed)?;
            next.status = Status::Scheduled;
            (next.due_at, next.finished_at) = (now, None);
            (next.failures, next.interruptions) = (0, 0);
            (Event::Retried, None)
        }
        Change::Claim => {
            require(request.status == Status::Scheduled, Refusal::NotScheduled)?;
            require(request.due_at <= now, Refusal::NotDue)?;
            next.status = Status::Running;
            next.attempts += 1;
            next.lease_until = Some(now + request.lease);
            (Event::Started, None)
        }
        Change::Finish { attempt, outcome } => {
            require_claim(request, *attempt)?;
            finish(&mut next, outcome, now)
        }
        Change::Release { attempt, reason } => {
            require_claim(request, *attempt)?;
            release(&mut next, reason, now)
        }
    };
    let entry = HistoryEntry { at: now, event, status: next.status, attempt: next.attempts, detail };
    Ok((next, entry))
}

/// The first line of a history.
pub fn accepted(request: &Request) -> HistoryEntry {
    HistoryEntry { at: request.received_at, event: Event::Accepted, status: Status::Scheduled, attempt: 0, detail: None }
}

/// The request to store beside a change, if it brings one.
pub fn notice(change: &Change) -> Option<&NewRequest> {
    match change {
        Change::Finish { outcome: Outcome::Succeeded { notice, .. } | Outcome::Failed { notice, .. }, .. } => notice.as_deref(),
        _ => None,
    }
}

fn finish(next: &mut Request, outcome: &Outcome, now: DateTime<Utc>) -> (Event, Option<String>) {
    match outcome {
        Outcome::Succeeded { result, .. } => {
            end(next, Status::Succeeded, now);
            next.result.clone_from(result);
            next.failure = None;
            (Event::Succeeded, None)
        }
        Outcome::Retry { failure, at } => {
            again(next, failure, *at);
            next.failures += 1;
            // It came to an end by itself: what cut off others before it was not the request.
            next.interruptions = 0;
            (Event::AttemptFailed, Some(failure.clone()))
        }
        Outcome::Failed { failure, .. } => {
            end(next, Status::Failed, now);
            next.failures += 1;
            next.failure = Some(failure.clone());
            (Event::Failed, Some(failure.clone()))
        }
    }
}

fn release(next: &mut Request, reason: &str, now: DateTime<Utc>) -> (Event, Option<String>) {
    next.interruptions += 1;
    if next.interruptions >= MAX_INTERRUPTIONS {
        let failure = format!("cut off {MAX_INTERRUPTIONS} times, the last time because {reason}");
        end(next, Status::Failed, now);
        next.failure = Some(failure.clone());
        return (Event::Failed, Some(failure));
    }
    again(next, reason, now);
    (Event::Interrupted, Some(reason.to_owned()))
}

fn end(next: &mut Request, status: Status, now: DateTime<Utc>) {
    next.status = status;
    next.finished_at = Some(now);
    next.lease_until = None;
}

fn again(next: &mut Request, failure: &str, due_at: DateTime<Utc>) {
    next.status = Status::Scheduled;
    next.due_at = due_at;
    next.lease_until = None;
    next.failure = Some(failure.to_owned());
}

fn require(allowed: bool, refusal: Refusal) -> Result<(), Refusal> {
    if allowed { Ok(()) } else { Err(refusal) }
}

fn require_claim(request: &Request, attempt: u32) -> Result<(), Refusal> {
    require(request.status == Status::Running && request.attempts == attempt, Refusal::ClaimLost)
}

#[cfg(test)]
mod tests;
