//! Arming: makes a request that is in the ledger come back at its time.

use crate::ports::{Arming, Bundle, LedgerError, Requests, ScheduleError, Scheduler, UseCases};
use crate::request::Request;
use crate::use_case::{Target, UseCase};

/// Why a request that is in the ledger could not be scheduled.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// Schedules a request that is in the ledger already: moved, retried, repeated, or found without a schedule. Idempotent.
pub async fn arm(use_cases: &impl UseCases, ledger: &impl Requests, scheduler: &impl Scheduler, request: &Request) -> Result<(), ArmError> {
    // Where the target is unknown by now, the default host runs the request, and the attempt says so.
    let target = target_of(use_cases, request).await?;
    let body = if target.as_ref().is_some_and(Target::is_direct) { ledger.body(request.id).await? } else { None };
    Ok(scheduler.schedule(Arming { request, target: target.as_ref(), body: body.as_deref() }).await?)
}

/// Returns whether a rule hands the request to its target itself.
pub async fn is_direct(use_cases: &impl UseCases, request: &Request) -> Result<bool, ScheduleError> {
    Ok(target_of(use_cases, request).await?.is_some_and(|target| target.is_direct()))
}

/// Returns the target of a request that is in the ledger; none where the use case does not know the alias, or is itself gone. A direct
/// target must not be taken for another kind: where the version's manifest cannot be read, the current version's decides. Fails where
/// neither can be had, though the use case exists.
async fn target_of(use_cases: &impl UseCases, request: &Request) -> Result<Option<Target>, ScheduleError> {
    let of = |use_case: &UseCase| use_case.targets.get(&request.target).map(|(_, target)| target.clone());
    let error = match use_cases.manifest(&request.use_case, &request.version).await {
        Ok(use_case) => return Ok(of(&use_case)),
        Err(error) => error,
    };
    if let Some(current) = use_cases.current(&request.use_case).await {
        return Ok(of(current.use_case()));
    }
    if use_cases.list().await.iter().any(|info| info.name == request.use_case) {
        return Err(ScheduleError::Unavailable { message: error.to_string(), retry_after: None });
    }
    Ok(None)
}
