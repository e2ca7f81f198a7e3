//! `PATCH` and `DELETE /requests/{id}`, `POST /requests/{id}/retry`.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Request, StatusCode};

use super::document::RequestDocument;
use super::read::unknown;
use super::submit::readable;
use super::{Answer, Api, ApiError, ApiRequest};
use crate::accept::{Rejection, ask};
use crate::arm::HANDED_OVER;
use crate::arm::{arm, is_direct};
use crate::audit;
use crate::fire::runs;
use crate::id::CorrelationId;
use crate::json::parse_object;
use crate::lifecycle::{Change, Refusal};
use crate::plugin::ValidateInput;
use crate::ports::{Bundle, Changed, Changes, Intake, Requests, ScheduleError, Scheduler, UseCaseError, UseCases};
use crate::problem::Code;
use crate::request;
use crate::time::{self, Rfc3339, Trigger};
use crate::use_case::{Moves, Schedule, UseCase};

impl<U: UseCases, L: Intake + Requests + Changes, S: Scheduler> Api<U, L, S> {
    pub(super) async fn move_request(&self, call: &ApiRequest, id: CorrelationId, request: &Request<Bytes>) -> Result<Answer, ApiError> {
        let now = call.now;
        let fields = parse_object(request.body()).map_err(Rejection::Body)?;
        if let Some(other) = fields.keys().find(|key| !["triggerAt", "delay"].contains(&key.as_str())) {
            let detail = format!("{other:?} cannot be changed: only \"triggerAt\" can (or \"delay\", from now)");
            let pointer = format!("/{}", other.replace('~', "~0").replace('/', "~1"));
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::NotChangeable, detail)
                .with(|members| members.pointer = Some(pointer)));
        }
        let Trigger { at: to, zone } = time::trigger_of(&fields, now)?;
        let (found, _) = self.find_seen(call, id).await?;
        if is_direct(&self.use_cases, &found).await? {
            not_handed_over(&found, now)?;
        }
        let current = self.use_cases.current_manifest(&found.use_case).await;
        let max_ahead = current.map_or(Schedule::default().max_ahead, |(_, use_case)| use_case.schedule.max_ahead);
        time::check_window(to, now, max_ahead)?;
        self.check_move(call, request, &found, to).await?;
        let is_moved =
            |stored: &request::Request| stored.status == request::Status::Scheduled && stored.trigger_at == to && found.trigger_at != to;
        let moved = match self.ledger.change(id, Change::Move { to, by: call.caller.name.clone() }, now).await {
            // Only the reply may be lost. A direct request would then keep its event at the old time.
            Err(error) => match self.ledger.find(id).await {
                Ok(Some((stored, _))) if is_moved(&stored) => stored,
                Ok(_) => return Err(error.into()),
                Err(_) => return Err(ApiError::from(error).about(id).and("the move may be stored: repeat the call")),
            },
            changed => done(id, changed?)?,
        };
        if let Err(error) = arm(&self.use_cases, &self.ledger, &self.scheduler, &moved, Some(&found), now).await {
            return Err(self.move_back(&found, &moved, now, error.into()).await);
        }
        let mut document = self.changed(call, "moved", &moved);
        document.trigger_at_zoned = zone.and_then(|zone| zone.format(to));
        Ok(Answer::new(StatusCode::OK, id, &document))
    }

    /// Asks the validator of the version that runs the request about its new time, unless the manifest has `moves = "free"`. Ignores
    /// the changes of its acceptance. Fails with its problems, or if it cannot run now.
    async fn check_move(
        &self,
        call: &ApiRequest,
        patch: &Request<Bytes>,
        found: &request::Request,
        to: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        if found.status != request::Status::Scheduled {
            return Err(refused(found, Refusal::NotScheduled));
        }
        if found.notice_of.is_some() {
            return Ok(());
        }
        let Some(bundle) = self.validator(found).await? else { return Ok(()) };
        let body = self.ledger.body(found.id).await?.ok_or_else(|| unknown(found.id))?;
        let input = ValidateInput {
            id: found.id.to_string(),
            use_case: found.use_case.clone(),
            received_at: time::rfc3339(call.now),
            trigger_at: time::rfc3339(to),
            target: Some(found.target.clone()),
            caller: call.claims.clone(),
            headers: readable(patch.headers()),
            body,
        };
        ask(bundle.as_ref(), input).await.map_err(|rejection| ApiError::from(rejection).about(found.id))?;
        Ok(())
    }

    /// Returns the bundle whose validator checks the moves of a request; `None` if moves are free, or if there is no validator, which is
    /// so for a version that is gone.
    async fn validator(&self, found: &request::Request) -> Result<Option<Arc<U::Bundle>>, ApiError> {
        let asks = |use_case: &UseCase| use_case.validate.is_some() && use_case.schedule.moves == Moves::Validated;
        let (name, version) = (&found.use_case, &found.version);
        // A manifest can be read without compiling the version's plugins.
        if let Some((current, use_case)) = self.use_cases.current_manifest(name).await
            && runs(&current, &use_case, found)
        {
            if !asks(&use_case) {
                return Ok(None);
            }
            // Another version may serve by now.
            if let Some(bundle) = self.use_cases.current(name).await
                && runs(bundle.version(), bundle.use_case(), found)
            {
                return Ok(Some(bundle));
            }
        }
        match self.use_cases.manifest(name, version).await {
            Ok(use_case) if !asks(&use_case) => return Ok(None),
            Err(UseCaseError::Unusable(_)) => return Ok(None),
            Ok(_) => {}
            Err(error @ UseCaseError::Host(_)) => return Err(ApiError::validator_unavailable(&error).about(found.id)),
        }
        let bundle = self.use_cases.version(name, version).await;
        bundle.map(Some).map_err(|error| ApiError::validator_unavailable(&error).about(found.id))
    }

    /// Deletes the rule of a direct request before the cancellation is answered, since no claim keeps such a rule from firing. Returns the
    /// request whose rule was deleted, or `None` for a request that is not direct or not scheduled.
    async fn disarm_direct(&self, request: request::Request, now: DateTime<Utc>) -> Result<Option<request::Request>, ApiError> {
        if request.status != request::Status::Scheduled || !is_direct(&self.use_cases, &request).await? {
            return Ok(None);
        }
        not_handed_over(&request, now)?;
        if let Err(error) = self.scheduler.unschedule(&request).await {
            // The rule may already be deleted.
            return Err(self.arm_again(&request, error.into(), now).await);
        }
        Ok(Some(request))
    }

    /// Cancels or erases a request, whose rule was deleted if `disarmed` has it. If the ledger fails, makes the rule again.
    async fn change_disarmed(
        &self,
        id: CorrelationId,
        change: Change,
        disarmed: Option<request::Request>,
        now: DateTime<Utc>,
    ) -> Result<request::Request, ApiError> {
        let erases = matches!(change, Change::Erase { .. });
        match (self.ledger.change(id, change, now).await, disarmed) {
            // The ledger may have ended it, with only its reply lost.
            (Err(error), Some(request)) => match self.ledger.find(id).await {
                Ok(Some((found, _))) if found.status == request::Status::Cancelled => {
                    let is_done = !erases || found.erased_at.is_some();
                    if is_done { Ok(found) } else { Err(ApiError::from(error).about(id)) }
                }
                Ok(_) => Err(self.arm_again(&request, error.into(), now).await),
                Err(_) => Err(ApiError::from(error).about(id).and(LOST_RULE)),
            },
            (changed, _) => done(id, changed?),
        }
    }

    /// Makes the rule of a direct request again after its cancellation failed: only the rule brings the request to its target. Returns the
    /// error for the client.
    async fn arm_again(&self, request: &request::Request, answer: ApiError, now: DateTime<Utc>) -> ApiError {
        let answer = answer.about(request.id);
        match arm(&self.use_cases, &self.ledger, &self.scheduler, request, None, now).await {
            Ok(()) => answer,
            Err(error) => {
                tracing::error!(correlation_id = %request.id, %error, "cannot make the rule of a direct request again; it may not run");
                answer.and(LOST_RULE)
            }
        }
    }

    /// Undoes a move that could not be scheduled: sets the old time in the ledger and schedules it again. Returns the error for the client.
    async fn move_back(&self, before: &request::Request, moved: &request::Request, now: DateTime<Utc>, answer: ApiError) -> ApiError {
        let answer = answer.about(before.id);
        let change = Change::MoveBack { from: moved.trigger_at, trigger_at: before.trigger_at, due_at: before.due_at };
        let back = match self.ledger.change(before.id, change, now).await {
            Ok(Changed::Done(back)) => back,
            Ok(Changed::Refused(..) | Changed::NotFound) => return answer.and("the request was changed by another call meanwhile"),
            Err(error) => {
                tracing::error!(correlation_id = %before.id, %error, "cannot undo a move that could not be scheduled");
                return answer.and("the move could not be undone: the request runs at its old or its new time");
            }
        };
        let kept = answer.with(|members| members.trigger_at = Some(Rfc3339(back.trigger_at)));
        match arm(&self.use_cases, &self.ledger, &self.scheduler, &back, Some(moved), now).await {
            Ok(()) => kept.and("the request keeps its time"),
            Err(error) => {
                tracing::warn!(correlation_id = %before.id, %error, "cannot schedule a request at its old time again");
                kept.and("the request keeps its time, and may be some minutes late")
            }
        }
    }

    pub(super) async fn cancel_request(&self, call: &ApiRequest, id: CorrelationId) -> Result<Answer, ApiError> {
        let now = call.now;
        let (found, _) = self.find_seen(call, id).await?;
        let disarmed = self.disarm_direct(found, now).await?;
        let cancelled = self.change_disarmed(id, Change::Cancel { by: call.caller.name.clone() }, disarmed, now).await?;
        // A schedule that is left does no harm: the ledger refuses a claim of a cancelled request.
        if let Err(error) = self.scheduler.unschedule(&cancelled).await {
            tracing::warn!(correlation_id = %id, %error, "cannot unschedule a cancelled request");
        }
        Ok(Answer::new(StatusCode::OK, id, &self.changed(call, "cancelled", &cancelled)))
    }

    pub(super) async fn retry_request(&self, call: &ApiRequest, id: CorrelationId) -> Result<Answer, ApiError> {
        self.find_seen(call, id).await?;
        let again = self.change(id, Change::Retry { by: call.caller.name.clone() }, call.now).await?;
        let mut document = self.changed(call, "retried", &again);
        // If scheduling fails, the host's search for overdue requests finds the request.
        if let Err(error) = arm(&self.use_cases, &self.ledger, &self.scheduler, &again, None, call.now).await {
            tracing::warn!(correlation_id = %id, %error, "cannot schedule a retried request; it runs after the next clean-up");
            let note = "the retry could not be started at once: the next clean-up starts it, within minutes";
            document.note = Some(note.to_owned());
        }
        Ok(Answer::new(StatusCode::ACCEPTED, id, &document))
    }

    /// Erases a request. A scheduled one is cancelled by it, and its schedule, which may carry the body, goes first.
    pub(super) async fn erase_request(&self, call: &ApiRequest, id: CorrelationId) -> Result<Answer, ApiError> {
        let now = call.now;
        let (found, _) = self.find_seen(call, id).await?;
        let was_scheduled = found.status == request::Status::Scheduled;
        let disarmed = if was_scheduled { self.disarm_direct(found, now).await? } else { None };
        let erased = self.change_disarmed(id, Change::Erase { by: call.caller.name.clone() }, disarmed, now).await?;
        let mut document = self.changed(call, "erased", &erased);
        // Its rule or schedule carries the body, and that of a request that has ended may be left.
        match self.scheduler.unschedule(&erased).await {
            Ok(()) => {}
            // A repeat would not help: the deployment cannot reach a schedule that it made under other settings.
            Err(ScheduleError::Failed(reason)) => {
                tracing::error!(correlation_id = %id, reason, "cannot delete the rule or schedule of an erased request");
                document.note = Some(format!("its rule or schedule may still carry the body: {reason}"));
            }
            Err(error) => return Err(ApiError::from(error).about(id).and(LEFT_BODY)),
        }
        Ok(Answer::new(StatusCode::OK, id, &document))
    }

    async fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Result<request::Request, ApiError> {
        done(id, self.ledger.change(id, change, now).await?)
    }

    /// Logs the act of the caller, and returns the request's document.
    fn changed(&self, call: &ApiRequest, act: &str, request: &request::Request) -> RequestDocument {
        audit::request(act, call.caller.name.as_deref(), request);
        RequestDocument::of(request, &self.path_of(request.id))
    }
}

fn done(id: CorrelationId, changed: Changed) -> Result<request::Request, ApiError> {
    match changed {
        Changed::Done(request) => Ok(request),
        Changed::NotFound => Err(unknown(id)),
        Changed::Refused(request, refusal) => Err(refused(&request, refusal)),
    }
}

/// A hint for the client after an erasure that failed behind the ledger.
const LEFT_BODY: &str = "the request is erased, and its rule or schedule may still carry the body: repeat the call";
/// A hint for the client after a cancellation that failed between the rule and the ledger.
const LOST_RULE: &str = "the request may have lost its rule and may not run: repeat the call";

/// Refuses the change of a direct request that is due, or nearly. EventBridge may deliver it then, and a move would deliver it twice.
fn not_handed_over(request: &request::Request, now: DateTime<Utc>) -> Result<(), ApiError> {
    if request.status != request::Status::Scheduled || now < request.due_at - HANDED_OVER {
        return Ok(());
    }
    let detail = "it is due within two minutes, or its time has come: EventBridge may deliver it already, and does not give it back";
    Err(ApiError::new(StatusCode::CONFLICT, Code::HandedOver, detail)
        .with(|members| members.request_status = Some(request.status))
        .about(request.id))
}

fn refused(request: &request::Request, refusal: Refusal) -> ApiError {
    let code = match refusal {
        Refusal::NotFailed => Code::NotFailed,
        Refusal::Running => Code::Running,
        Refusal::Erased => Code::Erased,
        _ => Code::NotScheduled,
    };
    let detail = format!("the request is {}: {refusal}", request.status);
    ApiError::new(StatusCode::CONFLICT, code, detail).with(|members| members.request_status = Some(request.status)).about(request.id)
}
