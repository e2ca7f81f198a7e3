//! One attempt of a claimed request: the version is found, and its plugin called or its target delivered to.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use crate::host_fault::{HostFault, VERSION};
use crate::plugin::{Job, JobFailure, JobResult, PluginError, Stopped};
use crate::ports::{Bundle, Deliver, Delivery, UseCaseError, UseCases};
use crate::request::{Claimed, Request};
use crate::text::cut;
use crate::time::rfc3339;
use crate::trace::span;
use crate::use_case::{Target, UseCase, VersionPolicy};

/// Limit of a result or failure text in the ledger, in bytes.
pub const MAX_RESULT_BYTES: usize = 64 << 10;

/// An attempt before it is recorded.
#[derive(Debug)]
pub struct Attempt<B> {
    pub(super) rules: AttemptRules<B>,
    pub end: End,
}

/// The source of an attempt's retry policy and notices.
#[derive(Debug)]
pub(super) enum AttemptRules<B> {
    Loaded(Arc<B>),
    /// The manifest of a version whose plugins do not load.
    Manifest(Arc<UseCase>),
    /// The version is gone, or the body is.
    Default,
}

impl<B> AttemptRules<B> {
    /// Returns the rules of a version whose plugins do not load.
    pub(super) async fn without_plugins(use_cases: &impl UseCases, request: &Request) -> Self {
        let manifest = use_cases.manifest(&request.use_case, &request.version).await;
        manifest.map_or(Self::Default, Self::Manifest)
    }
}

impl<B: Bundle> AttemptRules<B> {
    pub(super) fn use_case(&self) -> Option<&UseCase> {
        match self {
            Self::Loaded(bundle) => Some(bundle.use_case()),
            Self::Manifest(use_case) => Some(use_case),
            Self::Default => None,
        }
    }

    /// Returns the version of these rules; that of the request unless the current version runs it.
    pub(super) fn version<'a>(&'a self, request: &'a Request) -> &'a str {
        if let Self::Loaded(bundle) = self { bundle.version() } else { &request.version }
    }
}

/// The end of an attempt. A host that cannot record it may keep it and record it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// The answer of the plugin or the target. Its text has at most [`MAX_RESULT_BYTES`].
    Answered(JobResult),
    NotBegun(HostFault),
}

impl<B> Attempt<B> {
    fn answered(rules: AttemptRules<B>, result: JobResult) -> Self {
        let result = result.map(|text| text.map(|text| cut(text, MAX_RESULT_BYTES)));
        let result = result.map_err(|failure| JobFailure { message: cut(failure.message, MAX_RESULT_BYTES), ..failure });
        Self { rules, end: End::Answered(result) }
    }

    /// Returns a permanent failure. A ledger may delete an expired request in parts, the body before the rest.
    pub(super) fn without_body() -> Self {
        let message = "the request's body is not on record: the ledger deletes expired requests";
        Self::answered(AttemptRules::Default, Err(JobFailure::permanent(message)))
    }
}

impl<B> From<HostFault> for Attempt<B> {
    fn from(fault: HostFault) -> Self {
        Self { rules: AttemptRules::Default, end: End::NotBegun(fault) }
    }
}

/// Runs one attempt of a claimed request. A trap of the plugin and a missing target are failures of the attempt, not errors.
pub(super) async fn attempt<U: UseCases>(
    use_cases: &U,
    deliver: &impl Deliver,
    claimed: &Claimed,
    deadline: Option<Duration>,
) -> Attempt<U::Bundle> {
    match bundle_of(use_cases, &claimed.request).await {
        Ok(bundle) => match run(bundle.as_ref(), deliver, claimed, deadline).await {
            Ok(result) => Attempt::answered(AttemptRules::Loaded(bundle), result),
            Err(fault) => fault.into(),
        },
        Err(UseCaseError::Host(fault)) => fault.into(),
        // Retry: the next upload may bring the version back.
        Err(UseCaseError::Unusable(message)) => {
            let rules = AttemptRules::without_plugins(use_cases, &claimed.request).await;
            Attempt::answered(rules, Err(JobFailure::retry(message)))
        }
    }
}

pub(super) async fn bundle_of<U: UseCases>(use_cases: &U, request: &Request) -> Result<Arc<U::Bundle>, UseCaseError> {
    if let Some(current) = use_cases.current(&request.use_case).await
        && runs(current.version(), current.use_case(), request)
    {
        return Ok(current);
    }
    match use_cases.version(&request.use_case, &request.version).await {
        // After a start, the version that is being loaded may be one that runs every request.
        Err(UseCaseError::Unusable(_)) if is_loading(use_cases, &request.use_case).await => {
            let waits_for = format!("{VERSION}latest of use case {} to be loaded", request.use_case);
            Err(HostFault::new(waits_for, "no version of the use case serves yet, and one is being loaded").into())
        }
        found => found,
    }
}

async fn is_loading(use_cases: &impl UseCases, name: &str) -> bool {
    use_cases.list().await.iter().any(|info| info.name == name && info.version.is_none() && info.update.is_some())
}

/// Returns true if the use case's current version runs the request.
pub(crate) fn runs(version: &str, use_case: &UseCase, request: &Request) -> bool {
    version == request.version || use_case.schedule.version == VersionPolicy::Latest
}

async fn run<B: Bundle>(bundle: &B, deliver: &impl Deliver, claimed: &Claimed, deadline: Option<Duration>) -> Result<JobResult, HostFault> {
    let Claimed { request, body } = claimed;
    let use_case = bundle.use_case();
    match use_case.targets.get(&request.target) {
        None => Ok(Err(JobFailure::permanent(format!("the use case no longer has the target {:?}", request.target)))),
        Some((alias, Target::Plugin { .. })) => {
            let job = Job {
                id: request.id.to_string(),
                use_case: use_case.name.clone(),
                target: alias.to_owned(),
                attempt: request.attempts,
                scheduled_for: rfc3339(request.trigger_at),
                body: body.clone(),
                trace: request.trace,
            };
            match bundle.process(job, deadline).instrument(span!("plugin")).await {
                Ok(result) => Ok(result),
                Err(PluginError { reason: Stopped::NotStarted(fault), .. }) => Err(*fault),
                // Retry: the cause of a trap or a timeout may be temporary.
                Err(stopped) => Ok(Err(JobFailure::retry(describe(&stopped)))),
            }
        }
        Some((_, target)) => {
            let own = use_case.attempt_timeout(target);
            let timeout = deadline.map_or(own, |deadline| own.min(deadline));
            deliver.deliver(Delivery { target, timeout, claimed }).instrument(span!("delivery")).await
        }
    }
}

fn describe(stopped: &PluginError) -> String {
    match stopped.panic_message() {
        Some(line) => format!("{stopped}; stderr: {line}"),
        None => stopped.to_string(),
    }
}
