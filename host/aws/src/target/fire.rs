//! From an envelope to a claim. What follows the claim is the core's.

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

/// What the plugin's deadline is shorter than the Lambda's own: time to record the end, and to clean up.
const MARGIN: Duration = Duration::from_secs(3);
/// The least time that a plugin is started with.
const LEAST: Duration = Duration::from_millis(50);
/// The longest wait inside the function. The queue counts in whole seconds, and this makes up the rest.
const STAY: TimeDelta = TimeDelta::seconds(2);
/// How often one delivery tries to claim: once early, once after a lapsed lease was released, twice more.
const CLAIMS: u32 = 4;

/// What became of one delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Fired {
    /// It ran, and this is what it is now; `started` is when it was claimed.
    Ran { request: Box<Request>, started: DateTime<Utc> },
    /// The host could not begin its attempt: it comes again.
    Deferred,
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

impl<U, L, S, D, N, C> Firing<U, L, S, D, N, C>
where
    U: UseCases,
    L: Claims + Requests + Changes,
    S: Timing,
    D: Deliver,
    N: Notify,
    C: Clock,
{
    /// Runs one delivery. `deadline` is when the Lambda is stopped. An error has the delivery made again.
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
                    tracing::error!(correlation_id = %id, use_case = envelope.use_case, "fired, and the ledger does not know it");
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
                        // Should that attempt be cut off, this delivery is what finds out.
                        self.scheduler.park(envelope, until, now).await?;
                        return Ok(Fired::Busy);
                    }
                    _ => {
                        self.with(&self.aftercare(Some(envelope))).release(&request, "its lease ran out").await?;
                    }
                },
                // Moved to just now between the look and the claim; or scheduled by somebody in between.
                Changed::Refused(request, _) if request.status == Status::Scheduled => {}
                Changed::Refused(request, _) if request.status == Status::Failed && envelope.redrive => {
                    self.ledger.change(id, Change::Retry, now).await?;
                }
                Changed::Refused(request, _) => {
                    self.clean(envelope).await;
                    return Ok(Fired::Ended(request.status));
                }
            }
        }
        Err(LedgerError::Unavailable(format!("the claim of request {id} could not be settled in {CLAIMS} tries")).into())
    }

    /// Waits out a short time that the envelope itself says is left, and parks it for a longer one. Returns whether it is parked. The
    /// ledger is not asked before it matters.
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
            fire::Fired::Deferred(_) => Fired::Deferred,
            fire::Fired::ClaimLost => Fired::Lost,
        })
    }

    async fn clean(&self, envelope: &Envelope) {
        let Some(rule) = &envelope.rule else { return };
        if let Err(error) = self.scheduler.clean_rule(rule).await {
            tracing::error!(correlation_id = %envelope.correlation_id, rule, %error, "cannot delete the rule: the janitor will");
        }
    }
}
