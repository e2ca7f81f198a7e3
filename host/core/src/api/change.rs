//! `PATCH` and `DELETE /requests/{id}`, `POST /requests/{id}/retry`.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::read::unknown;
use super::submit::check_body;
use super::{Answer, Api, ApiError, document};
use crate::accept::Rejection;
use crate::arm::{arm, is_direct};
use crate::id::CorrelationId;
use crate::lifecycle::{Change, Refusal};
use crate::ports::{Bundle, Changed, Changes, Intake, Requests, Scheduler, UseCases};
use crate::request;
use crate::time;
use crate::use_case::Schedule;

impl<U, L, S> Api<U, L, S>
where
    U: UseCases,
    L: Intake + Requests + Changes,
    S: Scheduler,
{
    pub(super) async fn move_request(&self, now: DateTime<Utc>, id: CorrelationId, request: &Request<Bytes>) -> Result<Answer, ApiError> {
        check_body(request.headers(), request.body())?;
        let body: Value = serde_json::from_slice(request.body()).map_err(|error| Rejection::NotJson(error.to_string()))?;
        let Value::Object(fields) = body else { return Err(Rejection::NotAnObject.into()) };
        if let Some(other) = fields.keys().find(|key| !["triggerAt", "delay"].contains(&key.as_str())) {
            let detail = format!("{other:?} cannot be changed: only \"triggerAt\" can (or \"delay\", from now)");
            let pointer = format!("/{}", other.replace('~', "~0").replace('/', "~1"));
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "not-changeable", detail).with("pointer", json!(pointer)));
        }
        let to = time::trigger_of(&fields, now)?;
        let (found, _) = self.ledger.find(id).await?.ok_or_else(|| unknown(id))?;
        if is_direct(&self.use_cases, &found).await? {
            not_handed_over(&found, now)?;
        }
        let max_ahead = match self.use_cases.current(&found.use_case).await {
            Some(bundle) => bundle.use_case().schedule.max_ahead,
            None => Schedule::default().max_ahead,
        };
        time::check_window(to, now, max_ahead)?;
        let moved = self.change(id, Change::Move(to), now).await?;
        if let Err(error) = arm(&self.use_cases, &self.ledger, &self.scheduler, &moved).await {
            return Err(self.move_back(&found, to, now, error.into()).await);
        }
        Ok(self.changed(StatusCode::OK, &moved))
    }

    /// No claim keeps a rule that points at the target itself from firing: it must be gone before anybody is told that
    /// the request is cancelled. The request whose rule is gone, if it had such a one.
    async fn disarm_direct(&self, id: CorrelationId, now: DateTime<Utc>) -> Result<Option<request::Request>, ApiError> {
        let (request, _) = self.ledger.find(id).await?.ok_or_else(|| unknown(id))?;
        if request.status != request::Status::Scheduled || !is_direct(&self.use_cases, &request).await? {
            return Ok(None);
        }
        not_handed_over(&request, now)?;
        if let Err(error) = self.scheduler.unschedule(&request).await {
            // It may have come half-way.
            return Err(self.arm_again(&request, error.into()).await);
        }
        Ok(Some(request))
    }

    /// A direct request that is not cancelled after all must have its rule: nothing else brings it to its target.
    /// Returns what to tell.
    async fn arm_again(&self, request: &request::Request, answer: ApiError) -> ApiError {
        let answer = answer.about(request.id);
        match arm(&self.use_cases, &self.ledger, &self.scheduler, request).await {
            Ok(()) => answer,
            Err(error) => {
                tracing::error!(correlation_id = %request.id, %error, "a direct request that could not be cancelled may have no rule");
                answer.and("the request may not run, as its rule could not be made again: cancel it once more")
            }
        }
    }

    /// The client is told that the move failed, so the time is again what it was; what the request's timer is now is for
    /// the old time to say too. Returns what to tell.
    async fn move_back(&self, before: &request::Request, from: DateTime<Utc>, now: DateTime<Utc>, answer: ApiError) -> ApiError {
        let answer = answer.about(before.id);
        let change = Change::MoveBack { from, trigger_at: before.trigger_at, due_at: before.due_at };
        let back = match self.ledger.change(before.id, change, now).await {
            Ok(Changed::Done(back)) => back,
            Ok(Changed::Refused(..) | Changed::NotFound) => return answer.and("the request was changed by another call meanwhile"),
            Err(error) => {
                tracing::error!(correlation_id = %before.id, %error, "a move that could not be scheduled could not be undone");
                return answer.and("it could not be undone either: the request runs at the one time or the other");
            }
        };
        let kept = answer.with("triggerAt", json!(time::rfc3339(back.trigger_at)));
        match arm(&self.use_cases, &self.ledger, &self.scheduler, &back).await {
            Ok(()) => kept.and("the request keeps its time"),
            Err(error) => {
                tracing::warn!(correlation_id = %before.id, %error, "the timer of a request could not be set back");
                kept.and("the request keeps its time, and may be some minutes late")
            }
        }
    }

    pub(super) async fn cancel_request(&self, now: DateTime<Utc>, id: CorrelationId) -> Result<Answer, ApiError> {
        let disarmed = self.disarm_direct(id, now).await?;
        let cancelled = match (self.ledger.change(id, Change::Cancel, now).await, disarmed) {
            (Err(error), Some(request)) => return Err(self.arm_again(&request, error.into()).await),
            (changed, _) => done(id, changed?)?,
        };
        // It cannot run any more, whatever comes of this: the claim is refused.
        if let Err(error) = self.scheduler.unschedule(&cancelled).await {
            tracing::warn!(correlation_id = %id, %error, "a cancelled request is still scheduled");
        }
        Ok(self.changed(StatusCode::OK, &cancelled))
    }

    pub(super) async fn retry_request(&self, now: DateTime<Utc>, id: CorrelationId) -> Result<Answer, ApiError> {
        let again = self.change(id, Change::Retry, now).await?;
        let mut answer = self.changed(StatusCode::ACCEPTED, &again);
        // It is scheduled again, whatever comes of this: what has no timer is found by the host that looks for such.
        if let Err(error) = arm(&self.use_cases, &self.ledger, &self.scheduler, &again).await {
            tracing::warn!(correlation_id = %id, %error, "a request that is to run again waits to be found");
            answer.body["note"] = json!("it could not be started at once: the next clean-up does, within minutes");
        }
        Ok(answer)
    }

    async fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Result<request::Request, ApiError> {
        done(id, self.ledger.change(id, change, now).await?)
    }

    fn changed(&self, status: StatusCode, request: &request::Request) -> Answer {
        tracing::info!(correlation_id = %request.id, use_case = request.use_case, status = %request.status, due_at = %request.due_at, "changed");
        Answer { status, id: request.id, body: document::summary(request, &self.path_of(request.id)), location: None }
    }
}

fn done(id: CorrelationId, changed: Changed) -> Result<request::Request, ApiError> {
    match changed {
        Changed::Done(request) => Ok(request),
        Changed::NotFound => Err(unknown(id)),
        Changed::Refused(request, refusal) => Err(refused(&request, refusal)),
    }
}

/// From its time on, a direct request is in the hands of EventBridge: moved, it would be delivered twice.
fn not_handed_over(request: &request::Request, now: DateTime<Utc>) -> Result<(), ApiError> {
    if request.status != request::Status::Scheduled || now < request.due_at {
        return Ok(());
    }
    let detail = "its time has come, and what a rule hands to its target directly cannot be called back";
    Err(ApiError::new(StatusCode::CONFLICT, "not-scheduled", detail).with("requestStatus", json!(request.status)).about(request.id))
}

fn refused(request: &request::Request, refusal: Refusal) -> ApiError {
    let code = match refusal {
        Refusal::NotFailed => "not-failed",
        Refusal::NotScheduled | Refusal::MovedSince | Refusal::NotDue | Refusal::Acknowledged | Refusal::ClaimLost => "not-scheduled",
    };
    let detail = format!("the request is {}: {refusal}", request.status);
    ApiError::new(StatusCode::CONFLICT, code, detail).with("requestStatus", json!(request.status)).about(request.id)
}
