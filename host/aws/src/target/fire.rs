//! Handles one delivery: from an envelope to a claim. The core runs the claimed request.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::envelope::Envelope;
use postdate_core::fire::{self, FireError};
use postdate_core::lifecycle::{Change, Refusal};
use postdate_core::ports::{Aftercare as _, Changed, Changes, Claims, Clock, Deliver, LedgerError, Requests, UseCases};
use postdate_core::request::{Request, Status};
use postdate_core::time::parse_time;

use crate::firing::Firing;
use crate::ports::{Notify, Timing};

/// Time before the Lambda's deadline that an attempt must leave for recording its end and cleaning up.
const MARGIN: Duration = Duration::from_secs(3);
/// Shortest time limit of an attempt.
const LEAST: Duration = Duration::from_millis(50);
/// Longest wait inside the function. The queue delays by whole seconds; the function waits for the fraction.
const STAY: TimeDelta = TimeDelta::seconds(2);
/// Tries of one delivery to claim the request: the first, one after a short wait, one after the release of a lapsed lease, one more.
const CLAIMS: u32 = 4;

/// The outcome of one delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Fired {
    /// The attempt ran. `request` is the request after it; `started` is the time of the claim.
    Ran { request: Box<Request>, started: DateTime<Utc> },
    /// The host could not begin the attempt. The request, as it is after that, is scheduled again.
    Deferred(Box<Request>),
    /// The request was not due. It is parked or scheduled again.
    Early,
    /// Another delivery is running the request.
    Busy,
    /// The request had ended before. The delivery only deletes the envelope's rule.
    Ended(Status),
    /// The lease ran out during the attempt, and another delivery took over the claim.
    Lost,
    /// The ledger has no such request; it may have expired.
    Unknown,
}

impl<U, L, S, D, N, C> Firing<U, L, S, D, N, C>
where
    U: UseCases,
    L: Claims + Requests + Changes,
    S: Timing,
    D: Deliver,
    N: Notify,
    C: Clock,
{
    /// Handles one delivery. `deadline` is the time when Lambda stops the function. After an error, the delivery must be repeated.
    pub async fn fire(&self, envelope: &Envelope, deadline: Instant) -> Result<Fired, FireError> {
        let id = envelope.correlation_id;
        if self.waits(envelope).await? {
            return Ok(Fired::Early);
        }
        let current = self.use_cases.current(&envelope.use_case).await;
        for _ in 0..CLAIMS {
            let now = self.clock.now();
            let (changed, body) = self.ledger.claim(id, |request| fire::lease(current.as_deref(), request), now).await?;
            match changed {
                Changed::Done(request) => return self.run(envelope, request, body, deadline, now).await,
                Changed::NotFound => {
                    tracing::error!(correlation_id = %id, use_case = envelope.use_case, "fired, but the ledger has no such request");
                    self.clean(envelope).await;
                    return Ok(Fired::Unknown);
                }
                Changed::Refused(request, Refusal::NotDue) => {
                    let wait = request.due_at - now;
                    if wait > STAY {
                        if !self.aftercare(Some(envelope)).again(&request).await? {
                            self.arm(&request).await?;
                        }
                        return Ok(Fired::Early);
                    }
                    self.clock.sleep(wait.to_std().unwrap_or_default()).await;
                }
                Changed::Refused(request, _) if request.status == Status::Running => match request.lease_until {
                    Some(until) if until > now => {
                        // If the running attempt is cut off, the parked delivery takes over when the lease ends.
                        self.scheduler.park(envelope, until, now).await?;
                        return Ok(Fired::Busy);
                    }
                    _ => {
                        self.with(&self.aftercare(Some(envelope))).release(&request, "its lease ran out").await?;
                    }
                },
                // Another writer changed the request between the read and the claim. Claim again.
                Changed::Refused(request, _) if request.status == Status::Scheduled => {}
                Changed::Refused(request, _) if request.status == Status::Failed && envelope.redrive => {
                    self.ledger.change(id, Change::Retry { by: None }, now).await?;
                }
                Changed::Refused(request, _) => {
                    self.clean(envelope).await;
                    return Ok(Fired::Ended(request.status));
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
    ) -> Result<Fired, FireError> {
        let body = match body.or_else(|| envelope.body().map(str::to_owned)) {
            Some(body) => Some(body),
            None => self.ledger.body(request.id).await?,
        };
        let most = deadline.saturating_duration_since(Instant::now()).saturating_sub(MARGIN).max(LEAST);
        Ok(match self.with(&self.aftercare(Some(envelope))).run(request, body, Some(most)).await? {
            fire::Fired::Ran(request) => Fired::Ran { request, started },
            fire::Fired::Deferred(request) => Fired::Deferred(request),
            fire::Fired::ClaimLost => Fired::Lost,
        })
    }

    async fn clean(&self, envelope: &Envelope) {
        let Some(rule) = &envelope.rule else { return };
        if let Err(error) = self.scheduler.clean_rule(rule).await {
            tracing::error!(correlation_id = %envelope.correlation_id, rule, %error, "cannot delete the rule; the janitor will delete it");
        }
    }
}
