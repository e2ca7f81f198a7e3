//! Schedules requests that are already in the ledger.

use chrono::{DateTime, TimeDelta, Utc};

use crate::lifecycle::Change;
use crate::ports::{Arming, Changed, Changes, LedgerError, Requests, ScheduleError, Scheduler, UseCases};
use crate::request::Request;
use crate::use_case::{Target, UseCase};

/// Time before `due_at` from which a direct request belongs to EventBridge. A rule fires at any time of its minute, and a deletion takes
/// effect with a delay.
pub const HANDED_OVER: TimeDelta = TimeDelta::minutes(2);

/// The reason why a stored request could not be scheduled.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// Schedules a stored request that was moved, retried, repeated, or found without a schedule. Idempotent. `before` is the request before a
/// move.
pub async fn arm(
    use_cases: &impl UseCases,
    ledger: &(impl Requests + Changes),
    scheduler: &impl Scheduler,
    request: &Request,
    before: Option<&Request>,
    now: DateTime<Utc>,
) -> Result<(), ArmError> {
    // If the use case no longer has the target, the default host runs the request, and the attempt fails with this reason.
    let target = target_of(use_cases, request).await?;
    let body = if target.as_ref().is_some_and(Target::is_direct) { ledger.body(request.id).await? } else { None };
    schedule(ledger, scheduler, Arming { request, target: target.as_ref(), before, body: body.as_deref() }, now).await
}

/// Schedules a stored request. If the service of the recorded kind has no room, records the other kind first, so that the ledger always
/// names the service that has a schedule of the request.
pub async fn schedule(ledger: &impl Changes, scheduler: &impl Scheduler, arming: Arming<'_>, now: DateTime<Utc>) -> Result<(), ArmError> {
    let (message, instead) = match scheduler.schedule(arming).await {
        Err(ScheduleError::NoRoom { message, instead }) => (message, instead),
        other => return Ok(other?),
    };
    let id = arming.request.id;
    match ledger.change(id, Change::ScheduleBy { kind: instead }, now).await? {
        Changed::Done(request) => {
            tracing::info!(correlation_id = %id, kind = ?instead, message, "the request gets another kind of schedule");
            Ok(scheduler.schedule(Arming { request: &request, ..arming }).await?)
        }
        Changed::Refused(..) | Changed::NotFound => {
            let message = "the request was changed by another call meanwhile".to_owned();
            Err(ScheduleError::Unavailable { message, retry_after: None }.into())
        }
    }
}

/// Returns true if a rule delivers the request to its target, without a host. Fails if no manifest of the use case can be read.
pub async fn is_direct(use_cases: &impl UseCases, request: &Request) -> Result<bool, ScheduleError> {
    Ok(target_of(use_cases, request).await?.is_some_and(|target| target.is_direct()))
}

/// Returns the target of a stored request, or `None` if the use case or the alias no longer exists. Reads the current version's manifest
/// if that of the request's version cannot be read. Fails if the use case exists and neither can be read: a direct target must not be
/// mistaken for another kind.
async fn target_of(use_cases: &impl UseCases, request: &Request) -> Result<Option<Target>, ScheduleError> {
    let of = |use_case: &UseCase| use_case.targets.get(&request.target).map(|(_, target)| target.clone());
    let error = match use_cases.manifest(&request.use_case, &request.version).await {
        Ok(use_case) => return Ok(of(&use_case)),
        Err(error) => error,
    };
    if let Some((_, current)) = use_cases.current_manifest(&request.use_case).await {
        return Ok(of(&current));
    }
    if use_cases.list().await.iter().any(|info| info.name == request.use_case) {
        tracing::warn!(correlation_id = %request.id, use_case = request.use_case, %error, "the manifest that names the target is not readable");
        let message = format!("the manifest of use case {} cannot be read: {}", request.use_case, error.for_clients());
        return Err(ScheduleError::Unavailable { message, retry_after: None });
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
