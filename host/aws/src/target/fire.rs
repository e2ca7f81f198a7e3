//! Handles one delivery: from an envelope to a claim, and to the record of the attempt. The core runs the claimed request.

use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::audit;
use postdate_core::envelope::{Ended, Envelope};
use postdate_core::fire::{self, Attempt, FireError};
use postdate_core::host_fault::HostFault;
use postdate_core::lifecycle::{Change, Refusal};
use postdate_core::ports::{Aftercare as _, Changed, Changes, Clock, Deliver, LedgerError, Pauses, Requests, UseCases};
use postdate_core::request::{Request, Status};
use postdate_core::time::parse_time;
use tracing::{Instrument as _, Span};

use super::gate::{STAY, Tried};
use crate::firing::{FiringPorts, SHORTEST_PARK, is_transient};
use crate::ports::{Backlog, Counters, Notify, Snapshots, Timing};
use crate::xray::spans;

/// Time before the Lambda's deadline that an attempt must leave for recording its end, for notifications, and for the clean-up.
const MARGIN: Duration = Duration::from_secs(10);
/// The last part of [`MARGIN`], in which the function parks an end that is not recorded yet.
const TO_PARK: Duration = Duration::from_secs(3);
/// Shortest time limit of an attempt.
const LEAST: Duration = Duration::from_millis(50);
/// Longest wait of a delivery that AWS failed.
const LONGEST_PARK: TimeDelta = TimeDelta::minutes(1);
/// Time that the host which recorded a failure has to send its notifications, before a repeated delivery sends them.
const NOTIFYING: TimeDelta = TimeDelta::seconds(30);
/// Tries of one delivery to claim the request: the first, one after a short wait, one after the release of a lapsed lease, one more.
const CLAIMS: u32 = 4;

/// The outcome of one delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum DeliveryOutcome {
    /// The attempt ran. `request` is the request after it; `started` is the time of the claim.
    Ran { request: Box<Request>, started: DateTime<Utc> },
    /// The host could not begin the attempt. The request, as it is after that, is scheduled again.
    Deferred(Box<Request>),
    /// The target is paused or over a limit. The request, as it is after that, is scheduled again.
    Waits(Box<Request>),
    /// The request has expired before an attempt began. The value is the request after its end.
    Expired(Box<Request>),
    /// The request was not due. It is parked or scheduled again.
    Early,
    /// Another delivery is running the request.
    Busy,
    /// AWS failed for now, before a claim or before the end of the attempt was recorded. The delivery is parked for some seconds.
    Parked,
    /// The request had ended before. The delivery sends missing notifications, and deletes the envelope's rule.
    Ended(Status),
    /// The lease ran out during the attempt, and another delivery took over the claim.
    Lost,
    /// The ledger has no such request; it may have expired.
    Unknown,
}

impl<U, L, S, D, N, C> FiringPorts<U, L, S, D, N, C>
where
    U: UseCases,
    L: Snapshots + Requests + Changes + Pauses + Counters + Backlog,
    S: Timing,
    D: Deliver,
    N: Notify,
    C: Clock,
{
    /// Handles one delivery. `deadline` is the time when Lambda stops the function. After an error, the delivery must be repeated.
    ///
    /// A delivery that fails for now is parked: Lambda would repeat it only after the queue's visibility timeout.
    pub async fn fire(&self, envelope: &Envelope, deadline: Instant) -> Result<DeliveryOutcome, FireError> {
        match self.handle(envelope, deadline).await {
            Err(error) if is_transient(&error) => self.park_instead(envelope, error).await,
            handled => handled,
        }
    }

    async fn handle(&self, envelope: &Envelope, deadline: Instant) -> Result<DeliveryOutcome, FireError> {
        let id = envelope.correlation_id;
        if self.waits(envelope).await? {
            return Ok(DeliveryOutcome::Early);
        }
        let current = self.use_cases.current(&envelope.use_case).await;
        for _ in 0..CLAIMS {
            let since = SystemTime::now();
            let Tried { changed, body, place, at: now } = self.claim(envelope, current.as_deref()).await?;
            match changed {
                Changed::Done(request) if request.status == Status::Running => {
                    let (use_case, target) = (request.use_case.clone(), request.target.clone());
                    let span = spans::attempt(&request, since);
                    let fired = self.run(envelope, request, body, deadline, now).instrument(span.clone()).await;
                    record_outcome(&span, &fired);
                    drop(span);
                    self.leave(&use_case, &target, place).await;
                    return fired;
                }
                Changed::Done(request) => {
                    if !self.aftercare(Some(envelope)).again(&request).await? {
                        self.arm(&request).await?;
                    }
                    return Ok(DeliveryOutcome::Waits(Box::new(request)));
                }
                Changed::NotFound => {
                    tracing::error!(correlation_id = %id, use_case = envelope.use_case, "fired, but the ledger has no such request");
                    self.clean(envelope).await;
                    return Ok(DeliveryOutcome::Unknown);
                }
                Changed::Refused(request, Refusal::NotDue) => {
                    let wait = request.due_at - now;
                    if wait > STAY {
                        // An operator's envelope is not the one that the request is scheduled by.
                        if !envelope.redrive && !self.aftercare(Some(envelope)).again(&request).await? {
                            self.arm(&request).await?;
                        }
                        return Ok(DeliveryOutcome::Early);
                    }
                    self.clock.sleep(wait.to_std().unwrap_or_default()).await;
                }
                Changed::Refused(request, Refusal::Expired) => {
                    if let Some(expired) = self.with(&self.aftercare(Some(envelope))).expire(&request).await? {
                        return Ok(DeliveryOutcome::Expired(Box::new(expired)));
                    }
                }
                Changed::Refused(request, _) if request.status == Status::Running => {
                    if let Some(ended) = envelope.ended.as_ref().filter(|ended| ended.claim == request.claim()) {
                        let attempt = self.with(&self.aftercare(Some(envelope))).ended(&request, ended.end.clone()).await?;
                        return self.conclude(envelope, &request, attempt, deadline, now).await;
                    }
                    match request.lease_until.map(|until| (until, until - now)) {
                        // If the running attempt is cut off, the parked delivery takes over when the lease ends.
                        Some((until, rest)) if rest > STAY => {
                            self.scheduler.park(envelope, until, now).await?;
                            return Ok(DeliveryOutcome::Busy);
                        }
                        Some((_, rest)) if rest > TimeDelta::zero() => self.clock.sleep(rest.to_std().unwrap_or_default()).await,
                        _ => {
                            self.with(&self.aftercare(Some(envelope))).release(&request, "its lease ran out").await?;
                        }
                    }
                }
                // Another writer changed the request between the read and the claim. Claim again.
                Changed::Refused(request, _) if request.status == Status::Scheduled => {}
                Changed::Refused(request, _) => {
                    // The ledger refuses the letter of an attempt that has run since.
                    let redrive = Change::Redrive { attempt: envelope.attempt };
                    if envelope.redrive
                        && let Changed::Done(again) = self.ledger.change(id, redrive, now).await?
                    {
                        // Only IAM knows who sent the letter again.
                        audit::request("redriven", None, &again);
                        continue;
                    }
                    if request.status.is_failure() && request.finished_at.is_none_or(|at| now - at > NOTIFYING) {
                        self.notify(&request).await?;
                    }
                    self.clean(envelope).await;
                    return Ok(DeliveryOutcome::Ended(request.status));
                }
            }
        }
        Err(LedgerError::Unavailable(format!("request {id} could not be claimed in {CLAIMS} tries")).into())
    }

    /// Waits until the envelope's due time if that is near, else parks the envelope. Returns true if the envelope is parked. Does not read
    /// the ledger: an early delivery costs no request to it.
    async fn waits(&self, envelope: &Envelope) -> Result<bool, FireError> {
        let Ok(due) = parse_time(&envelope.scheduled_for) else { return Ok(false) };
        let now = self.clock.now();
        let wait = due - now;
        if wait > STAY {
            return Ok(self.scheduler.park(envelope, due, now).await?);
        }
        self.clock.sleep(wait.to_std().unwrap_or_default()).await;
        Ok(false)
    }

    async fn run(
        &self,
        envelope: &Envelope,
        request: Request,
        body: Option<String>,
        deadline: Instant,
        started: DateTime<Utc>,
    ) -> Result<DeliveryOutcome, FireError> {
        let body = match body.or_else(|| envelope.body().map(str::to_owned)) {
            Some(body) => Ok(Some(body)),
            None => self.ledger.body(request.id).await,
        };
        let body = match body {
            Ok(body) => body,
            Err(error) => {
                let fault = HostFault::new("the body of the request", error.to_string());
                return self.conclude(envelope, &request, fault.into(), deadline, started).await;
            }
        };
        let most = deadline.saturating_duration_since(Instant::now()).saturating_sub(MARGIN).max(LEAST);
        let (request, attempt) = self.with(&self.aftercare(Some(envelope))).attempt(request, body, Some(most)).await;
        self.conclude(envelope, &request, attempt, deadline, started).await
    }

    /// Records the end of an attempt, in the time that is left. If the ledger does not take it, parks an envelope with it: a delivery
    /// without it would find the request running until its lease ends, and run it again.
    async fn conclude(
        &self,
        envelope: &Envelope,
        request: &Request,
        attempt: Attempt<U::Bundle>,
        deadline: Instant,
        started: DateTime<Utc>,
    ) -> Result<DeliveryOutcome, FireError> {
        let ended = Ended { claim: request.claim(), end: attempt.end.clone() };
        let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(TO_PARK);
        let care = self.aftercare(Some(envelope));
        let concluded = tokio::time::timeout(left, self.with(&care).conclude(request, attempt)).await;
        let error = match concluded {
            Ok(Ok(fire::Fired::Ran(request))) => return Ok(DeliveryOutcome::Ran { request, started }),
            Ok(Ok(fire::Fired::Deferred(request))) => return Ok(DeliveryOutcome::Deferred(request)),
            Ok(Ok(fire::Fired::ClaimLost)) => return Ok(DeliveryOutcome::Lost),
            Ok(Err(error)) => error,
            Err(_) => LedgerError::Unavailable("no answer in the time that was left".to_owned()),
        };
        self.park_instead(&Envelope { ended: Some(ended), ..envelope.clone() }, error.into()).await
    }

    /// Parks an envelope whose delivery failed. It waits for as long as it is late already, within bounds, so the wait grows with each
    /// delivery. Returns the error if there is no queue, or if the queue fails as well.
    async fn park_instead(&self, envelope: &Envelope, error: FireError) -> Result<DeliveryOutcome, FireError> {
        let now = self.clock.now();
        let late = parse_time(&envelope.scheduled_for).map_or(TimeDelta::zero(), |due| now - due);
        let until = now + late.clamp(SHORTEST_PARK, LONGEST_PARK);
        match self.scheduler.park(envelope, until, now).await {
            Ok(true) => {
                let is_recorded = envelope.ended.is_none();
                tracing::warn!(correlation_id = %envelope.correlation_id, %error, %until, is_recorded, "AWS failed; the delivery is parked");
                Ok(DeliveryOutcome::Parked)
            }
            Ok(false) => Err(error),
            Err(failed) => {
                tracing::error!(correlation_id = %envelope.correlation_id, error = %failed, "cannot park the delivery");
                Err(error)
            }
        }
    }

    async fn clean(&self, envelope: &Envelope) {
        let Some(rule) = &envelope.rule else { return };
        if let Err(error) = self.scheduler.clean_rule(rule).await {
            tracing::error!(correlation_id = %envelope.correlation_id, rule, %error, "cannot delete the rule; the janitor will delete it");
        }
    }
}

/// Adds the outcome to the span of an attempt, without the reason of a failure, which may quote the payload.
fn record_outcome(span: &Span, fired: &Result<DeliveryOutcome, FireError>) {
    let outcome = match fired {
        Ok(DeliveryOutcome::Ran { request, .. }) if request.status == Status::Scheduled => "retried",
        Ok(DeliveryOutcome::Ran { request, .. }) => request.status.as_str(),
        Ok(DeliveryOutcome::Deferred(_)) => "deferred",
        Ok(DeliveryOutcome::Lost) => "claim-lost",
        _ => "not-recorded",
    };
    span.record("postdate_outcome", outcome);
    if outcome != Status::Succeeded.as_str() {
        span.record("fault", true);
    }
}
