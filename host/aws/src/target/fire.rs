//! From an envelope to a recorded end.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::accept::{ArmError, arm};
use postdate_core::envelope::Envelope;
use postdate_core::fire::{self, Attempt};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{self, Change, Refusal};
use postdate_core::ports::{Bundle, Changed, Changes, Deliver, Intake, LedgerError, Requests, ScheduleError, Scheduler, UseCases};
use postdate_core::request::{Claimed, NewRequest, Request, Status};
use postdate_core::schedule::{parse_time, rfc3339};

use super::{Claims, Notify, Timing};

/// What the plugin's deadline is shorter than the Lambda's own: time to record the end, and to clean up.
const MARGIN: Duration = Duration::from_secs(3);
/// The least that a plugin is started with.
const LEAST: Duration = Duration::from_millis(50);
/// A wait that is worth staying for: the queue counts in whole seconds, and this makes up the rest.
const STAY: TimeDelta = TimeDelta::seconds(2);
/// How often one delivery tries to claim: once early, once after a lapsed lease was released, once more.
const CLAIMS: u32 = 4;
/// How often an end is recorded before it is left to the lease; the client of the ledger has tries of its own.
const RECORD_TRIES: u32 = 3;

/// The ports of one host, and its clock.
pub struct Firing<U, L, S, D, N> {
    pub use_cases: U,
    pub ledger: L,
    pub scheduler: S,
    pub deliver: D,
    pub notifier: N,
    pub now: fn() -> DateTime<Utc>,
    pub new_id: fn(DateTime<Utc>) -> CorrelationId,
}

/// What became of one delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Fired {
    /// It ran, and this is what it is now; `started` is when it was claimed.
    Ran { request: Box<Request>, started: DateTime<Utc> },
    /// It was not due: it comes again.
    Early,
    /// Another delivery runs it.
    Busy,
    /// It had ended before; what was left of it has been cleaned up.
    Ended(Status),
    /// The claim was lost while it ran: another delivery took over after the lease ran out.
    Lost,
    /// The ledger does not know it, or not any more.
    Unknown,
}

/// Why a delivery is to be made again.
#[derive(Debug, thiserror::Error)]
pub enum FireError {
    #[error("request {id}: {source}")]
    Ledger { id: CorrelationId, source: LedgerError },
    #[error("request {id}: {source}")]
    Schedule { id: CorrelationId, source: ScheduleError },
    #[error("request {id}: its claim could not be settled in {CLAIMS} tries")]
    Unsettled { id: CorrelationId },
}

impl<U, L, S, D, N> Firing<U, L, S, D, N>
where
    U: UseCases,
    L: Claims + Intake + Requests + Changes,
    S: Scheduler + Timing,
    D: Deliver,
    N: Notify,
{
    /// Runs one delivery. `deadline` is when the Lambda is stopped.
    pub async fn fire(&self, envelope: &Envelope, deadline: Instant) -> Result<Fired, FireError> {
        let id = envelope.correlation_id;
        if self.waits(envelope).await? {
            return Ok(Fired::Early);
        }
        for _ in 0..CLAIMS {
            let now = (self.now)();
            let (changed, body) = self.ledger.claim(id, now).await.map_err(|source| FireError::Ledger { id, source })?;
            match changed {
                Changed::Done(request) => return self.run(envelope, request, body, deadline, now).await,
                Changed::NotFound => {
                    tracing::error!(correlation_id = %id, use_case = envelope.use_case, "fired, and the ledger does not know it");
                    self.clean(envelope).await;
                    return Ok(Fired::Unknown);
                }
                Changed::Refused(request, Refusal::NotDue) => {
                    let wait = request.due_at - now;
                    if wait > STAY {
                        self.later(envelope, &request, request.due_at, now).await?;
                        return Ok(Fired::Early);
                    }
                    tokio::time::sleep(wait.to_std().unwrap_or_default()).await;
                }
                Changed::Refused(request, _) if request.status == Status::Running => match request.lease_until {
                    Some(until) if until > now => {
                        // Should that one be cut off, this delivery is what finds out.
                        self.scheduler.park(envelope, until, now).await.map_err(|source| FireError::Schedule { id, source })?;
                        return Ok(Fired::Busy);
                    }
                    _ => self.release(&request, now).await?,
                },
                // Moved to just now between the look and the claim; or scheduled by somebody in between.
                Changed::Refused(request, _) if request.status == Status::Scheduled => {}
                Changed::Refused(request, _) if request.status == Status::Failed && envelope.redrive => {
                    self.ledger.change(id, Change::Retry, now).await.map_err(|source| FireError::Ledger { id, source })?;
                }
                Changed::Refused(request, _) => {
                    self.clean(envelope).await;
                    return Ok(Fired::Ended(request.status));
                }
            }
        }
        Err(FireError::Unsettled { id })
    }

    /// An event that says itself that it is early: a short wait is waited for, a longer one goes to the queue; true where
    /// it did. Neither takes a call to the ledger, which is asked when it matters.
    async fn waits(&self, envelope: &Envelope) -> Result<bool, FireError> {
        let Ok(due) = parse_time(&envelope.scheduled_for) else { return Ok(false) };
        let now = (self.now)();
        let wait = due - now;
        if wait > STAY {
            let id = envelope.correlation_id;
            return self.scheduler.park(envelope, due, now).await.map_err(|source| FireError::Schedule { id, source });
        }
        tokio::time::sleep(wait.to_std().unwrap_or_default()).await;
        Ok(false)
    }

    async fn run(
        &self,
        envelope: &Envelope,
        request: Request,
        body: Option<String>,
        deadline: Instant,
        started: DateTime<Utc>,
    ) -> Result<Fired, FireError> {
        let id = request.id;
        let failed = |source| FireError::Ledger { id, source };
        let body = match body.or_else(|| envelope.body().map(str::to_owned)) {
            Some(body) => Some(body),
            None => self.ledger.body(id).await.map_err(failed)?,
        };
        tracing::info!(correlation_id = %id, use_case = request.use_case, target = request.target, attempt = request.attempts, "fired");
        let most = deadline.saturating_duration_since(Instant::now()).saturating_sub(MARGIN).max(LEAST);
        let (request, attempt) = match body {
            Some(body) => {
                let claimed = Claimed { request, body };
                let attempt = fire::attempt(&self.use_cases, &self.deliver, &claimed, Some(most)).await;
                (claimed.request, attempt)
            }
            None => (request, Attempt::without_body()),
        };
        let now = (self.now)();
        let change = fire::conclude(&request, attempt, (self.new_id)(now), now);
        let Some(request) = self.record(id, &change, now).await.map_err(failed)? else { return Ok(Fired::Lost) };
        self.follow(envelope, &request, lifecycle::notice(&change)).await;
        Ok(Fired::Ran { request: Box::new(request), started })
    }

    /// None where the claim does not hold any more.
    async fn record(&self, id: CorrelationId, change: &Change, now: DateTime<Utc>) -> Result<Option<Request>, LedgerError> {
        let mut tries = 1;
        loop {
            match self.ledger.change(id, change.clone(), now).await {
                Ok(Changed::Done(request)) => return Ok(Some(request)),
                Ok(Changed::Refused(..) | Changed::NotFound) => {
                    tracing::error!(correlation_id = %id, "the attempt ended, but its claim was lost");
                    return Ok(None);
                }
                Err(error) if tries == RECORD_TRIES => return Err(error),
                Err(error) => {
                    tracing::warn!(correlation_id = %id, %error, tries, "cannot record how the attempt ended");
                    tokio::time::sleep(Duration::from_millis(200) * tries).await;
                    tries += 1;
                }
            }
        }
    }

    /// What comes after an attempt that is on record. Nothing here can undo it, so nothing here fails the delivery:
    /// what is left over is the janitor's.
    async fn follow(&self, envelope: &Envelope, request: &Request, notice: Option<&NewRequest>) {
        let id = request.id;
        if request.status == Status::Scheduled {
            let again = self.later(envelope, request, request.due_at, (self.now)()).await;
            if let Err(error) = again {
                tracing::error!(correlation_id = %id, %error, "another attempt is due and has no timer: the janitor will find it");
            }
            return;
        }
        self.clean(envelope).await;
        self.told(request, notice).await;
    }

    /// Tells of an end: the topic, if the request failed, and `[on]`'s target.
    async fn told(&self, request: &Request, notice: Option<&NewRequest>) {
        if request.status == Status::Failed
            && let Err(error) = self.notifier.request_failed(request).await
        {
            tracing::error!(correlation_id = %request.id, error, "cannot notify of a failure");
        }
        if request.status == Status::Failed
            && let Err(error) = self.notifier.dead_letter(&Envelope::of(request, None, None), request).await
        {
            tracing::error!(correlation_id = %request.id, error, "cannot put a failed request into the dead-letter queue");
        }
        if let Some(notice) = notice
            && let Err(error) = arm(&self.use_cases, &self.ledger, &self.scheduler, &notice.request).await
        {
            tracing::error!(correlation_id = %request.id, %error, "a notice has no timer: the janitor will find it");
        }
    }

    /// The same request once more, at `due`: from the queue if that reaches so far, else by a rule.
    async fn later(&self, envelope: &Envelope, request: &Request, due: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), FireError> {
        let id = request.id;
        // The rule's name goes along, so that whoever ends the request deletes it.
        let next = Envelope { attempt: request.attempts + 1, scheduled_for: rfc3339(due), redrive: false, ..envelope.clone() };
        if self.scheduler.park(&next, due, now).await.map_err(|source| FireError::Schedule { id, source })? {
            return Ok(());
        }
        arm(&self.use_cases, &self.ledger, &self.scheduler, request).await.map_err(|error| match error {
            ArmError::Ledger(source) => FireError::Ledger { id, source },
            ArmError::Schedule(source) => FireError::Schedule { id, source },
        })
    }

    /// Gives back a request whose attempt was cut off.
    pub async fn release(&self, request: &Request, now: DateTime<Utc>) -> Result<(), FireError> {
        let id = request.id;
        let failed = |source| FireError::Ledger { id, source };
        let change = Change::Release { attempt: request.attempts, reason: "its lease ran out".to_owned() };
        let Changed::Done(released) = self.ledger.change(id, change, now).await.map_err(failed)? else { return Ok(()) };
        tracing::warn!(correlation_id = %id, attempt = released.attempts, status = %released.status, "attempt interrupted");
        if released.status == Status::Failed {
            // No attempt ended in which `[on] failure` could have been recorded.
            let notice = match self.use_cases.version(&released.use_case, &released.version).await {
                Ok(bundle) => fire::notice(bundle.use_case(), bundle.version(), &released, (self.new_id)(now), now),
                Err(_) => None,
            };
            if let Some(notice) = &notice {
                self.ledger.insert(notice.clone()).await.map_err(failed)?;
            }
            self.told(&released, notice.as_ref()).await;
        }
        Ok(())
    }

    async fn clean(&self, envelope: &Envelope) {
        let Some(rule) = &envelope.rule else { return };
        if let Err(error) = self.scheduler.clean_rule(rule).await {
            tracing::error!(correlation_id = %envelope.correlation_id, rule, %error, "cannot delete the rule: the janitor will");
        }
    }
}
