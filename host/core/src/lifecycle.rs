//! All transitions of a request. A ledger reads a request, applies a [`Change`], and stores all of [`Applied`] atomically. No other code
//! changes a request.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::request::{Event, HistoryEntry, NewRequest, Request, ScheduleKind, Status, Waiting};
use crate::time::{LATEST, rfc3339};

/// Limit of attempts in a row that are cut off. At the limit the request fails, since it may be the cause itself.
pub const MAX_INTERRUPTIONS: u32 = 5;

/// A change of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The client cancels the request. `by` is the caller's name, also below.
    Cancel { by: Option<String> },
    /// The host undoes a request that it has stored, but neither scheduled nor acknowledged. The ledger also frees the idempotency key,
    /// since the client repeats the call with the same key.
    Abort { reason: String },
    /// The client sets another time.
    Move { to: DateTime<Utc>, by: Option<String> },
    /// The host undoes the move to `from`, which could not be scheduled.
    MoveBack { from: DateTime<Utc>, trigger_at: DateTime<Utc>, due_at: DateTime<Utc> },
    /// The host records the kind of schedule that it is about to make. The history gets no line.
    ScheduleBy { kind: ScheduleKind },
    /// The client runs a request again that failed, expired or is [held](Request::is_held), at once. It does not expire any more.
    Retry { by: Option<String> },
    /// An operator redrives the letter of this attempt, at once: the next attempt of a request that failed or expired, or any attempt of a
    /// request whose delivery is [unconfirmed](Request::is_unconfirmed). The letter of an earlier attempt is refused.
    Redrive { attempt: u32 },
    /// A host takes a due request to run it, for the time `lease`.
    Claim { lease: Duration },
    /// The attempt of this claim has ended. [`Request::claim`] numbers the claims.
    Finish { claim: u32, outcome: Outcome },
    /// The attempt was cut off: the host stops, or the lease expired. `notice` is stored if this change ends the request.
    Release { claim: u32, reason: String, notice: Option<Box<NewRequest>> },
    /// The host could not begin the attempt, which therefore does not count. The request is due again at `at`.
    Defer { claim: u32, waits_for: String, at: DateTime<Utc> },
    /// The host ends a request whose first attempt has not begun [in time](Request::expires_at). `waits_for` is the limit or
    /// pause that holds it up now; without it, the request may name what it waits for.
    Expire { waits_for: Option<String>, notice: Option<Box<NewRequest>> },
    /// An operator keeps the request from its next attempt until somebody retries, moves or cancels it. A running attempt is cut off.
    Hold { reason: String },
    /// The host keeps a due request from its next attempt until `at`: its target is over a limit or paused. No attempt is spent.
    Wait { waits_for: String, at: DateTime<Utc> },
    /// The client erases the request: labels, result, failure and the details of the history. The ledger also erases the body, and frees
    /// the idempotency key. A scheduled request is cancelled by it.
    Erase { by: Option<String> },
}

/// The resource that a held request waits for.
pub const DECISION: &str = "a decision to retry or to cancel it";

impl Change {
    /// Returns the name of the caller that makes this change.
    fn by(&self) -> Option<String> {
        match self {
            Self::Cancel { by } | Self::Move { by, .. } | Self::Retry { by } | Self::Erase { by } => by.clone(),
            _ => None,
        }
    }

    /// Returns the notice that comes with this change.
    pub fn notice(&self) -> Option<&NewRequest> {
        match self {
            Self::Finish { outcome: Outcome::Succeeded { notice, .. } | Outcome::Failed { notice, .. }, .. }
            | Self::Release { notice, .. }
            | Self::Expire { notice, .. } => notice.as_deref(),
            _ => None,
        }
    }
}

/// The end of an attempt. `notice` is the request that notifies `[on]`'s target; it is stored with the change.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Succeeded { result: Option<String>, notice: Option<Box<NewRequest>> },
    Retry { failure: String, at: DateTime<Utc> },
    Failed { failure: String, notice: Option<Box<NewRequest>> },
}

/// The reason why a change was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it is no longer scheduled")]
    NotScheduled,
    #[error("it has been moved since")]
    MovedSince,
    #[error("only a request that failed, expired or is held can be retried")]
    NotFailed,
    #[error("it is not due yet")]
    NotDue,
    /// The first attempt may no longer begin.
    #[error("it has expired")]
    Expired,
    #[error("it has not expired")]
    NotExpired,
    /// A client got an acknowledgement of the request, so it cannot be aborted.
    #[error("it has been acknowledged")]
    Acknowledged,
    /// The attempt would go on with what is erased.
    #[error("it can be erased once its attempt has ended")]
    Running,
    #[error("it has been erased")]
    Erased,
    /// The claim was lost: another attempt has begun, or the request has ended.
    #[error("the claim of this attempt was lost")]
    ClaimLost,
}

/// The result of a change. A ledger stores all of it in one write.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied<'a> {
    /// The request after the change.
    pub request: Request,
    pub line: Line,
    /// The notice to store.
    pub notice: Option<&'a NewRequest>,
}

/// The change of a request's history.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    Add(HistoryEntry),
    /// Replaces the last line, which is that of a claim whose attempt never began.
    ReplaceLast(HistoryEntry),
    /// Removes the last line, which is that of a claim whose attempt never began.
    RemoveLast,
    /// Removes the details of all lines, and adds one.
    Erase(HistoryEntry),
    /// Changes nothing.
    Keep,
}

impl Line {
    /// Makes the change of `history`. `line_of` converts an entry to a line, and `erase` removes a line's detail.
    pub fn write<T>(self, history: &mut Vec<T>, line_of: impl FnOnce(HistoryEntry) -> T, erase: impl Fn(&mut T)) {
        if matches!(self, Self::ReplaceLast(_) | Self::RemoveLast) {
            history.pop();
        }
        if matches!(self, Self::Erase(_)) {
            history.iter_mut().for_each(erase);
        }
        match self {
            Self::Add(entry) | Self::ReplaceLast(entry) | Self::Erase(entry) => history.push(line_of(entry)),
            Self::RemoveLast | Self::Keep => {}
        }
    }
}

/// Applies the change to a copy of the request. Fails with the reason if the change is not allowed.
pub fn apply<'a>(request: &Request, change: &'a Change, now: DateTime<Utc>) -> Result<Applied<'a>, Refusal> {
    let mut next = request.clone();
    let (event, detail) = match change {
        Change::Cancel { .. } => {
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
        Change::Move { to, .. } => {
            require(request.status == Status::Scheduled, Refusal::NotScheduled)?;
            (next.trigger_at, next.due_at, next.waiting) = (*to, *to, None);
            (Event::Moved, Some(format!("to {}", rfc3339(*to))))
        }
        Change::MoveBack { from, trigger_at, due_at } => {
            require(request.status == Status::Scheduled, Refusal::NotScheduled)?;
            require(request.trigger_at == *from, Refusal::MovedSince)?;
            (next.trigger_at, next.due_at) = (*trigger_at, *due_at);
            (Event::Moved, Some(format!("back to {}", rfc3339(*trigger_at))))
        }
        Change::ScheduleBy { kind } => {
            require(request.status == Status::Scheduled, Refusal::NotScheduled)?;
            next.schedule = Some(*kind);
            return Ok(Applied { request: next, line: Line::Keep, notice: None });
        }
        Change::Retry { .. } => {
            require(request.status.is_failure() || request.is_held(), Refusal::NotFailed)?;
            require(request.erased_at.is_none(), Refusal::Erased)?;
            reopen(&mut next, now);
            (Event::Retried, None)
        }
        Change::Redrive { attempt } => {
            require(request.status.is_failure() || request.is_unconfirmed(), Refusal::NotFailed)?;
            require(request.erased_at.is_none(), Refusal::Erased)?;
            require(request.is_unconfirmed() || *attempt == request.attempts + 1, Refusal::ClaimLost)?;
            reopen(&mut next, now);
            next.result = None;
            (Event::Retried, None)
        }
        Change::Claim { lease } => {
            require(request.status == Status::Scheduled, Refusal::NotScheduled)?;
            require(request.is_due(now), Refusal::NotDue)?;
            require(request.expires_at().is_none_or(|at| now < at), Refusal::Expired)?;
            next.status = Status::Running;
            next.attempts += 1;
            next.lease_until = Some(now + *lease);
            (Event::Started, None)
        }
        Change::Finish { claim, outcome } => {
            require_claim(request, *claim)?;
            next.waiting = None;
            finish(&mut next, outcome, now)
        }
        Change::Release { claim, reason, .. } => {
            require_claim(request, *claim)?;
            next.waiting = None;
            release(&mut next, reason, now)
        }
        Change::Defer { claim, waits_for, at } => {
            require_claim(request, *claim)?;
            let line = defer(&mut next, waits_for, *at, now);
            return Ok(Applied { request: next, line, notice: None });
        }
        Change::Expire { waits_for, .. } => {
            require(request.status == Status::Scheduled, Refusal::NotScheduled)?;
            let at = request.expires_at().filter(|at| *at <= now).ok_or(Refusal::NotExpired)?;
            expire(&mut next, waits_for.as_deref(), at, now)
        }
        Change::Hold { reason } => {
            require(!request.status.is_end(), Refusal::NotScheduled)?;
            (next.status, next.due_at, next.lease_until, next.expire_after) = (Status::Scheduled, LATEST, None, None);
            next.waiting = Some(Waiting { on: DECISION.to_owned(), since: now });
            (Event::Held, Some(reason.clone()))
        }
        Change::Wait { waits_for, at } => {
            require(request.status == Status::Scheduled, Refusal::NotScheduled)?;
            require(request.is_due(now), Refusal::NotDue)?;
            require(request.expires_at().is_none_or(|at| now < at), Refusal::Expired)?;
            let is_known = wait(&mut next, waits_for, *at, now);
            let line = if is_known { Line::Keep } else { Line::Add(deferred(&next, waits_for, now)) };
            return Ok(Applied { request: next, line, notice: None });
        }
        Change::Erase { .. } => {
            require(request.status != Status::Running, Refusal::Running)?;
            if request.erased_at.is_some() {
                return Ok(Applied { request: next, line: Line::Keep, notice: None });
            }
            let line = Line::Erase(erase(&mut next, change.by(), now));
            return Ok(Applied { request: next, line, notice: None });
        }
    };
    let line = Line::Add(HistoryEntry { at: now, event, status: next.status, attempt: next.attempts, detail, by: change.by() });
    let notice = change.notice().filter(|_| next.finished_at.is_some());
    Ok(Applied { request: next, line, notice })
}

/// Returns the first line of a request's history.
pub fn accepted(request: &Request) -> HistoryEntry {
    HistoryEntry {
        at: request.received_at,
        event: Event::Accepted,
        status: Status::Scheduled,
        attempt: 0,
        detail: None,
        by: request.owner.clone(),
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
            // The attempt ended by itself, so the request did not cause the interruptions before it.
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

/// Ends the request and names what it waited for, if the host, a limit or a pause was the reason.
fn expire(next: &mut Request, waits_for: Option<&str>, at: DateTime<Utc>, now: DateTime<Utc>) -> (Event, Option<String>) {
    let waits_for = waits_for.or(next.waiting.as_ref().map(|waiting| waiting.on.as_str()));
    let waited = waits_for.map(|on| format!("; it waited for {on}")).unwrap_or_default();
    let after = humantime::format_duration(next.expire_after.unwrap_or_default());
    let failure = format!("not started by {}, {after} after its triggerAt{waited}", rfc3339(at));
    end(next, Status::Expired, now);
    next.failure = Some(failure.clone());
    (Event::Expired, Some(failure))
}

/// Removes the claim's line of history, since the attempt never began. Deferrals in a row for the same reason share one line.
fn defer(next: &mut Request, waits_for: &str, at: DateTime<Utc>, now: DateTime<Utc>) -> Line {
    let is_known = wait(next, waits_for, at, now);
    next.status = Status::Scheduled;
    next.lease_until = None;
    (next.attempts, next.deferrals) = (next.attempts - 1, next.deferrals + 1);
    if is_known { Line::RemoveLast } else { Line::ReplaceLast(deferred(next, waits_for, now)) }
}

/// Makes the request due at `at`. Returns whether it waited for the same already.
fn wait(next: &mut Request, waits_for: &str, at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let is_known = next.waiting.as_ref().is_some_and(|waiting| waiting.on == waits_for);
    let since = next.waiting.as_ref().map_or(now, |waiting| waiting.since);
    next.waiting = Some(Waiting { on: waits_for.to_owned(), since });
    next.due_at = at;
    is_known
}

fn deferred(next: &Request, waits_for: &str, now: DateTime<Utc>) -> HistoryEntry {
    let detail = Some(format!("waits for {waits_for}"));
    HistoryEntry { at: now, event: Event::Deferred, status: next.status, attempt: next.attempts + 1, detail, by: None }
}

/// Erases what follows from the body, and cancels a scheduled request. Returns the line of history.
fn erase(next: &mut Request, by: Option<String>, now: DateTime<Utc>) -> HistoryEntry {
    if next.status == Status::Scheduled {
        end(next, Status::Cancelled, now);
    }
    (next.result, next.failure, next.idempotency_hash) = (None, None, None);
    next.labels.clear();
    next.erased_at = Some(now);
    HistoryEntry { at: now, event: Event::Erased, status: next.status, attempt: next.attempts, detail: None, by }
}

fn reopen(next: &mut Request, now: DateTime<Utc>) {
    next.status = Status::Scheduled;
    (next.due_at, next.finished_at, next.waiting) = (now, None, None);
    (next.failures, next.interruptions, next.expire_after) = (0, 0, None);
}

fn end(next: &mut Request, status: Status, now: DateTime<Utc>) {
    next.status = status;
    next.finished_at = Some(now);
    (next.lease_until, next.waiting) = (None, None);
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

fn require_claim(request: &Request, claim: u32) -> Result<(), Refusal> {
    require(request.status == Status::Running && request.claim() == claim, Refusal::ClaimLost)
}

#[cfg(test)]
mod tests;
