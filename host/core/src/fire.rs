//! One firing of a due request: attempt, conclude, record, clean up, notify, and schedule the next attempt or the notice; or the end of a
//! request that has expired. The hosts decide only when a firing starts.

mod attempt;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::Instrument as _;

use crate::arm::{ArmError, arm};
use crate::backoff::{after_host_fault, backoff, spread};
use crate::host_fault::{HostFault, LONG_WAIT};
use crate::id::CorrelationId;
use crate::lifecycle::{self, Change, MAX_INTERRUPTIONS, Outcome};
use crate::notice::notice;
use crate::plugin::JobFailure;
use crate::ports::{
    Aftercare, Bundle, Changed, Changes, Clock, Deliver, LedgerError, Requests, ScheduleError, Scheduler, UseCaseError, UseCases,
};
use crate::request::{Claimed, NewRequest, Request, Status};
use crate::time::{LATEST, after, rfc3339};
use crate::trace::span;
use crate::use_case::UseCase;

pub(crate) use attempt::runs;
pub use attempt::{Attempt, End, MAX_RESULT_BYTES};
use attempt::{AttemptRules, attempt, bundle_of};

/// Limit of tries to record the end of an attempt. Without the record, the request runs again after its lease. The waits between
/// the tries grow by [`RECORD_WAIT`] each time, to 9 s in all, so that a short fault can pass. A full disk is waited for without limit.
const RECORD_TRIES: u32 = 10;
const RECORD_WAIT: Duration = Duration::from_millis(200);

/// The ports that firing needs.
pub struct Firing<'a, U, L, S, D, C, A> {
    pub use_cases: &'a U,
    pub ledger: &'a L,
    pub scheduler: &'a S,
    pub deliver: &'a D,
    pub clock: &'a C,
    pub aftercare: &'a A,
}

/// The end of a firing.
#[derive(Debug, Clone, PartialEq)]
pub enum Fired {
    /// The attempt ended, and its end is recorded. The value is the request after the attempt.
    Ran(Box<Request>),
    /// The host could not begin the attempt. The request is scheduled again.
    Deferred(Box<Request>),
    /// The claim was lost: the lease expired during the attempt.
    ClaimLost,
}

/// The reason why the end of an attempt is not recorded. The attempt may have run; the caller must try again.
#[derive(Debug, thiserror::Error)]
pub enum FireError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Host(#[from] HostFault),
}

impl From<ArmError> for FireError {
    fn from(error: ArmError) -> Self {
        match error {
            ArmError::Ledger(error) => Self::Ledger(error),
            ArmError::Schedule(error) => Self::Schedule(error),
        }
    }
}

impl<U: UseCases, L: Requests + Changes, S: Scheduler, D: Deliver, C: Clock, A: Aftercare> Firing<'_, U, L, S, D, C, A> {
    /// Runs one attempt of a claimed request and [concludes](Self::conclude) it. `body` is `None` if the ledger no longer has it. The
    /// attempt takes at most `deadline`, if the host has one. Fails if the end could not be recorded.
    pub async fn run(&self, request: Request, body: Option<String>, deadline: Option<Duration>) -> Result<Fired, LedgerError> {
        let (request, attempt) = self.attempt(request, body, deadline).await;
        self.conclude(&request, attempt).await
    }

    /// Runs one attempt of a claimed request, as [`Self::run`] does, and records nothing.
    pub async fn attempt(&self, request: Request, body: Option<String>, deadline: Option<Duration>) -> (Request, Attempt<U::Bundle>) {
        let Request { id, use_case, target, attempts, .. } = &request;
        let labels = request.labels_text();
        tracing::info!(correlation_id = %id, use_case, target, attempt = attempts, labels, "fired");
        let Some(body) = body else { return (request, Attempt::without_body()) };
        let claimed = Claimed { request, body };
        let attempt = attempt(self.use_cases, self.deliver, &claimed, deadline).await;
        (claimed.request, attempt)
    }

    /// Returns the attempt that ended like this in another call, which could not record it. Fails if the host cannot load the version.
    pub async fn ended(&self, request: &Request, end: End) -> Result<Attempt<U::Bundle>, HostFault> {
        let rules = match bundle_of(self.use_cases, request).await {
            Ok(bundle) => AttemptRules::Loaded(bundle),
            Err(UseCaseError::Unusable(_)) => AttemptRules::without_plugins(self.use_cases, request).await,
            Err(UseCaseError::Host(fault)) => return Err(fault),
        };
        Ok(Attempt { rules, end })
    }

    /// Records the end of an attempt, notifies, schedules what follows, and cleans up. Fails if the end could not be recorded.
    pub async fn conclude(&self, request: &Request, attempt: Attempt<U::Bundle>) -> Result<Fired, LedgerError> {
        let (id, now) = (request.id, self.clock.now());
        let change = conclude(request, attempt, self.clock.new_id(now), now);
        let Some(after) = self.record(id, &change, now).instrument(span!("record")).await? else { return Ok(Fired::ClaimLost) };
        if matches!(change, Change::Defer { .. }) {
            self.schedule(&after).await;
            return Ok(Fired::Deferred(Box::new(after)));
        }
        log_end(&after);
        self.follow(&after, change.notice()).await;
        Ok(Fired::Ran(Box::new(after)))
    }

    /// Gives back a claimed request whose attempt was cut off. Returns the request after the change, or `None` if the claim was lost.
    /// Does not schedule the next attempt; the caller does.
    pub async fn release(&self, request: &Request, reason: &str) -> Result<Option<Request>, FireError> {
        let (id, now) = (request.id, self.clock.now());
        let release = |notice| Change::Release { claim: request.claim(), reason: reason.to_owned(), notice };
        // No other change is allowed while the claim holds, so `request` is up to date and shows whether this release is the last.
        let is_last = request.interruptions + 1 >= MAX_INTERRUPTIONS;
        let notice = if is_last { self.notice_of(request, &release(None), now).await? } else { None };
        let change = release(notice);
        let Changed::Done(released) = self.ledger.change(id, change.clone(), now).await? else { return Ok(None) };
        let labels = released.labels_text();
        tracing::warn!(correlation_id = %id, attempt = released.attempts, status = %released.status, labels, reason, "attempt interrupted");
        if released.status == Status::Failed {
            self.follow(&released, change.notice()).await;
        }
        Ok(Some(released))
    }

    /// Ends a request that has expired, and notifies. Returns the request after the change, or `None` if it has not expired or another
    /// change came first. Fails without a change if the manifest is out of reach, which names the target of the notice.
    pub async fn expire(&self, request: &Request) -> Result<Option<Request>, FireError> {
        let (id, now) = (request.id, self.clock.now());
        let waits_for = self.scheduler.holds_up(request, now);
        let expire = |notice| Change::Expire { waits_for: waits_for.clone(), notice };
        let change = expire(self.notice_of(request, &expire(None), now).await?);
        let Changed::Done(expired) = self.ledger.change(id, change.clone(), now).await? else { return Ok(None) };
        let labels = expired.labels_text();
        tracing::error!(correlation_id = %id, use_case = expired.use_case, labels, "expired: no attempt began in time");
        self.follow(&expired, change.notice()).await;
        Ok(Some(expired))
    }

    /// Ends a claimed request whose target something else has called, or should have, with this result or failure, and notifies. Returns
    /// the request after the change, or `None` if the claim was lost. Fails without a change if the manifest is out of reach, which names
    /// the target of the notice.
    pub async fn settle(&self, request: &Request, result: Result<&str, &str>) -> Result<Option<Request>, FireError> {
        let (id, now) = (request.id, self.clock.now());
        let finish = |notice| {
            let outcome = match result {
                Ok(result) => Outcome::Succeeded { result: Some(result.to_owned()), notice },
                Err(failure) => Outcome::Failed { failure: failure.to_owned(), notice },
            };
            Change::Finish { claim: request.claim(), outcome }
        };
        let change = finish(self.notice_of(request, &finish(None), now).await?);
        let Changed::Done(settled) = self.ledger.change(id, change.clone(), now).await? else { return Ok(None) };
        log_end(&settled);
        self.follow(&settled, change.notice()).await;
        Ok(Some(settled))
    }

    /// Returns the notice of a change that ends the request; `None` if the version is gone. Reads only the manifest, so that no plugin has
    /// to be compiled. Fails with the host's fault if the manifest is out of reach.
    async fn notice_of(&self, request: &Request, change: &Change, now: DateTime<Utc>) -> Result<Option<Box<NewRequest>>, FireError> {
        let Ok(applied) = lifecycle::apply(request, change, now) else { return Ok(None) };
        match self.use_cases.manifest(&request.use_case, &request.version).await {
            Ok(use_case) => Ok(notice(&use_case, &request.version, &applied.request, self.clock.new_id(now), now).map(Box::new)),
            Err(UseCaseError::Host(fault)) => Err(fault.into()),
            Err(UseCaseError::Unusable(_)) => Ok(None),
        }
    }

    /// Records the change with at most [`RECORD_TRIES`] tries, and more while the ledger's disk is full. Returns `None` if the claim was
    /// lost.
    async fn record(&self, id: CorrelationId, change: &Change, now: DateTime<Utc>) -> Result<Option<Request>, LedgerError> {
        let mut tries = 1;
        loop {
            match self.ledger.change(id, change.clone(), now).await {
                Ok(Changed::Done(request)) => return Ok(Some(request)),
                Ok(Changed::Refused(..) | Changed::NotFound) => {
                    tracing::error!(correlation_id = %id, "the attempt ended, but its claim was lost");
                    return Ok(None);
                }
                Err(error) => {
                    // Only the operator gives a disk space again, and a second attempt would repeat what this one has done.
                    let is_full = matches!(error, LedgerError::Full(_));
                    if tries < RECORD_TRIES || !is_full {
                        tracing::error!(correlation_id = %id, %error, tries, "cannot record the end of the attempt");
                    }
                    if tries == RECORD_TRIES && !is_full {
                        return Err(error);
                    }
                    self.clock.sleep(RECORD_WAIT * tries).await;
                    tries = RECORD_TRIES.min(tries + 1);
                }
            }
        }
    }

    /// Notifies, schedules and cleans up after the end of an attempt, or of an expired request, is recorded. The clean-up is last, since it
    /// may take the time that is left. Errors are logged and do not fail the firing: the record stands, and the host's search for overdue
    /// requests finds a request without a schedule.
    async fn follow(&self, request: &Request, notice: Option<&NewRequest>) {
        if request.status == Status::Scheduled {
            return self.schedule(request).await;
        }
        if request.status.is_failure() {
            self.aftercare.notify_failed(request).await;
        }
        if let Some(notice) = notice {
            self.schedule(&notice.request).await;
        }
        if let Err(error) = self.aftercare.clean_up(request).await {
            tracing::error!(correlation_id = %request.id, %error, "cannot clean up after the request");
        }
    }

    /// Schedules another attempt, or a notice.
    async fn schedule(&self, request: &Request) {
        let scheduled = async {
            if !self.aftercare.again(request).await? {
                arm(self.use_cases, self.ledger, self.scheduler, request, None, self.clock.now()).await?;
            }
            Ok::<_, ArmError>(())
        };
        if let Err(error) = scheduled.await {
            tracing::error!(correlation_id = %request.id, %error, "cannot schedule the request; it runs late");
        }
    }
}

/// Logs the end of an attempt without its reason, which may quote the payload. The history has the reason.
fn log_end(request: &Request) {
    let Request { id, use_case, attempts, status, .. } = request;
    let labels = request.labels_text();
    match status {
        Status::Failed => tracing::error!(correlation_id = %id, use_case, attempt = attempts, labels, "failed"),
        Status::Scheduled => {
            tracing::warn!(correlation_id = %id, use_case, attempt = attempts, labels, next_attempt_at = rfc3339(request.due_at), "attempt failed");
        }
        status => tracing::info!(correlation_id = %id, use_case, attempt = attempts, labels, %status, "ended"),
    }
}

/// Returns the lease of a claim of the request: longer than one attempt of the version that would run it now. `current` is the use
/// case's current version.
pub fn lease<B: Bundle>(current: Option<&B>, request: &Request) -> Duration {
    let runs = |current: &&B| runs(current.version(), current.use_case(), request);
    current.filter(runs).map_or(request.lease, |current| current.use_case().lease(&request.target))
}

/// Returns the change that records an attempt: success, another attempt after a back-off, failure, or a deferral. `notice_id` becomes the
/// id of the notice, if there is one.
fn conclude<B: Bundle>(request: &Request, attempt: Attempt<B>, notice_id: CorrelationId, now: DateTime<Utc>) -> Change {
    let (claim, rules) = (request.claim(), attempt.rules);
    let result = match attempt.end {
        End::Answered(result) => result,
        End::NotBegun(fault) => return defer(request, fault, now),
    };
    let outcome = match result {
        Ok(result) => Outcome::Succeeded { result, notice: None },
        Err(failure) => failed(request, rules.use_case(), failure, now),
    };
    let mut change = Change::Finish { claim, outcome };
    if let Some(use_case) = rules.use_case()
        && let Ok(applied) = lifecycle::apply(request, &change, now)
        && let Some(new) = notice(use_case, rules.version(request), &applied.request, notice_id, now)
        && let Change::Finish { outcome: Outcome::Succeeded { notice, .. } | Outcome::Failed { notice, .. }, .. } = &mut change
    {
        *notice = Some(Box::new(new));
    }
    change
}

/// Returns the change that gives the attempt back, and logs it: as an error once the request has waited for [`LONG_WAIT`], since such a
/// fault may not end by itself.
fn defer(request: &Request, HostFault { waits_for, detail }: HostFault, now: DateTime<Utc>) -> Change {
    let at = after_host_fault(request.waiting.as_ref(), now);
    let waited = request.waited(now);
    let (id, use_case, waited_s) = (request.id, &request.use_case, waited.num_seconds());
    let labels = request.labels_text();
    if waited >= LONG_WAIT {
        tracing::error!(correlation_id = %id, use_case, labels, detail, waited_s, until = rfc3339(at), "deferred again: the request has waited for the host for long");
    } else {
        tracing::warn!(correlation_id = %id, use_case, labels, detail, waited_s, until = rfc3339(at), "deferred: the host could not begin the attempt");
    }
    Change::Defer { claim: request.claim(), waits_for, at }
}

fn failed(request: &Request, use_case: Option<&UseCase>, failure: JobFailure, now: DateTime<Utc>) -> Outcome {
    let policy = use_case.map(|use_case| use_case.retry.clone()).unwrap_or_default();
    let longest = use_case.map_or(Duration::from_hours(24), |use_case| use_case.schedule.max_ahead);
    let failures = request.failures + 1;
    if !failure.retry || failures >= policy.max_attempts {
        return Outcome::Failed { failure: failure.message, notice: None };
    }
    let spread = spread(request.id, request.attempts);
    let wait = backoff(&policy.backoff, failures, failure.retry_after, longest, spread);
    let at = TimeDelta::from_std(wait).ok().and_then(|wait| after(now, wait)).unwrap_or(LATEST);
    Outcome::Retry { failure: failure.message, at }
}

#[cfg(test)]
mod tests;
