//! The second step of a request, at its time: one attempt at its target, and what becomes of the request then.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::accept::new_scheduled;
use crate::id::CorrelationId;
use crate::lifecycle::{self, Change, Outcome};
use crate::plugin::{Job, JobFailure, JobResult};
use crate::ports::{Bundle, Deliver, Delivery, UseCases};
use crate::request::{Claimed, NewRequest, Request};
use crate::schedule::{self, rfc3339};
use crate::use_case::{Target, UseCase, VersionPolicy};

/// Result or failure text that a ledger keeps, in bytes: enough to see what happened, too little to be a store.
pub const MAX_RESULT_BYTES: usize = 64 << 10;

/// An attempt that has ended, before it is recorded: see [`conclude`].
pub struct Attempt<B> {
    /// None where the use case cannot be had any more.
    bundle: Option<std::sync::Arc<B>>,
    result: JobResult,
}

impl<B> Attempt<B> {
    /// The end of a request whose body is gone: the ledger forgets what has expired piece by piece.
    pub fn without_body() -> Self {
        Self { bundle: None, result: Err(permanent("its body is not on record any more".to_owned())) }
    }
}

/// Runs one attempt of a claimed request. Whatever happens is a result: a plugin that traps, a target that is gone.
/// It takes no longer than `deadline`, where the host has one.
pub async fn attempt<U: UseCases>(
    use_cases: &U,
    deliver: &impl Deliver,
    claimed: &Claimed,
    deadline: Option<Duration>,
) -> Attempt<U::Bundle> {
    match bundle_of(use_cases, &claimed.request).await {
        Ok(bundle) => {
            let result = run(bundle.as_ref(), deliver, claimed, deadline).await;
            Attempt { bundle: Some(bundle), result }
        }
        // The next upload may bring it back.
        Err(message) => Attempt { bundle: None, result: Err(JobFailure { message, retry: true, retry_after: None }) },
    }
}

async fn bundle_of<U: UseCases>(use_cases: &U, request: &Request) -> Result<std::sync::Arc<U::Bundle>, String> {
    if let Some(current) = use_cases.current(&request.use_case).await
        && (current.version() == request.version || current.use_case().schedule.version == VersionPolicy::Latest)
    {
        return Ok(current);
    }
    use_cases.version(&request.use_case, &request.version).await
}

async fn run<B: Bundle>(bundle: &B, deliver: &impl Deliver, claimed: &Claimed, deadline: Option<Duration>) -> JobResult {
    let Claimed { request, body } = claimed;
    let use_case = bundle.use_case();
    match use_case.targets.get(&request.target) {
        None => Err(permanent(format!("the use case has no target {:?} any more", request.target))),
        Some((alias, Target::Plugin { .. })) => {
            let job = Job {
                id: request.id.to_string(),
                use_case: use_case.name.clone(),
                target: alias.to_owned(),
                attempt: request.attempts,
                scheduled_for: rfc3339(request.trigger_at),
                body: body.clone(),
            };
            match bundle.process(job, deadline).await {
                Ok(result) => result,
                // A trap or a time-out may come of what the plugin met this time.
                Err(stopped) => Err(JobFailure { message: describe(&stopped), retry: true, retry_after: None }),
            }
        }
        Some((_, target)) => {
            let own = use_case.attempt_timeout(target);
            let timeout = deadline.map_or(own, |deadline| own.min(deadline));
            deliver.deliver(Delivery { target, timeout, claimed }).await
        }
    }
}

fn describe(stopped: &crate::plugin::PluginError) -> String {
    match stopped.panic_message() {
        Some(line) => format!("{stopped}; its last words: {line}"),
        None => stopped.to_string(),
    }
}

fn permanent(message: String) -> JobFailure {
    JobFailure { message, retry: false, retry_after: None }
}

/// What is to be recorded of an attempt: success, another attempt after a back-off, or the end.
/// `notice_id` names the request that tells `[on]`'s target, where there is one.
pub fn conclude<B: Bundle>(request: &Request, attempt: Attempt<B>, notice_id: CorrelationId, now: DateTime<Utc>) -> Change {
    let bundle = attempt.bundle.as_deref();
    let outcome = match attempt.result {
        Ok(result) => {
            let result = result.map(|text| cut(text, MAX_RESULT_BYTES));
            Outcome::Succeeded { result, notice: None }
        }
        Err(failure) => failed(request, bundle.map(Bundle::use_case), failure, now),
    };
    let mut change = Change::Finish { attempt: request.attempts, outcome };
    if let Some(bundle) = bundle
        && let Ok((ended, _)) = lifecycle::apply(request, &change, now)
        && let Some(told) = notice(bundle.use_case(), bundle.version(), &ended, notice_id, now)
        && let Change::Finish { outcome: Outcome::Succeeded { notice, .. } | Outcome::Failed { notice, .. }, .. } = &mut change
    {
        *notice = Some(Box::new(told));
    }
    change
}

fn failed(request: &Request, use_case: Option<&UseCase>, failure: JobFailure, now: DateTime<Utc>) -> Outcome {
    let policy = use_case.map(|use_case| use_case.retry.clone()).unwrap_or_default();
    let longest = use_case.map_or(Duration::from_hours(24), |use_case| use_case.schedule.max_ahead);
    let message = cut(failure.message, MAX_RESULT_BYTES);
    let failures = request.failures + 1;
    if !failure.retry || failures >= policy.max_attempts {
        return Outcome::Failed { failure: message, notice: None };
    }
    let wait = schedule::backoff(&policy.backoff, failures, failure.retry_after, longest);
    let at = TimeDelta::from_std(wait).ok().and_then(|wait| now.checked_add_signed(wait)).unwrap_or(now);
    Outcome::Retry { failure: message, at: schedule::ceil_to_millis(at) }
}

/// The request that tells `[on]`'s target how another has ended: it has the retries, the lease and the history of any
/// request, and its own end is told to nobody.
pub fn notice(use_case: &UseCase, version: &str, ended: &Request, id: CorrelationId, now: DateTime<Utc>) -> Option<NewRequest> {
    use crate::request::Status;
    let alias = match ended.status {
        Status::Succeeded => use_case.on.success.as_deref(),
        Status::Failed => use_case.on.failure.as_deref(),
        _ => None,
    };
    let (alias, _) = use_case.targets.get(alias?)?;
    if ended.notice_of.is_some() {
        return None;
    }
    let request = Request { notice_of: Some(ended.id), ..new_scheduled(use_case, version, alias, id, now, now) };
    let body = crate::api::outcome_document(ended).to_string();
    Some(NewRequest { request, idempotency_key: None, body })
}

/// At most `most` bytes, cut at a character and marked.
fn cut(mut text: String, most: usize) -> String {
    const MARK: &str = "… (cut)";
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most - MARK.len()));
        text.push_str(MARK);
    }
    text
}

#[cfg(test)]
mod tests;
