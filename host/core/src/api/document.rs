//! The documents of the API: the bodies of its answers. `schemas/openapi.json` is made from these types.

use serde::Serialize;
use serde_json::Value;

use crate::civil::Zone;
use crate::id::CorrelationId;
use crate::notice::OutcomeDocument;
use crate::pause::Pause;
use crate::ports::{LedgerState, UseCaseInfo, VersionDetails, VersionInfo};
use crate::request::{Event, HistoryEntry, Request, Status};
use crate::time::{Rfc3339, rfc3339};
use crate::use_case::{PluginGrants, Reach};

/// The acknowledgement of a request: the request as it was accepted, without later changes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    /// Id of the request.
    pub correlation_id: CorrelationId,
    /// Always `scheduled`.
    pub status: Status,
    pub use_case: String,
    /// Alias of the target.
    pub target: String,
    /// Time of the first attempt.
    pub trigger_at: Rfc3339,
    /// The same time in the zone that the client named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_at_zoned: Option<String>,
    pub links: Links,
}

impl Acknowledgement {
    pub fn of(request: &Request, path: &str, zone: Option<&Zone>) -> Self {
        Self {
            correlation_id: request.id,
            status: Status::Scheduled,
            use_case: request.use_case.clone(),
            target: request.target.clone(),
            trigger_at: Rfc3339(request.first_trigger_at),
            trigger_at_zoned: zone.and_then(|zone| zone.format(request.first_trigger_at)),
            links: Links::to(path),
        }
    }
}

/// A request and its state.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Request"))]
#[serde(rename_all = "camelCase")]
pub struct RequestDocument {
    #[serde(flatten)]
    pub outcome: OutcomeDocument,
    /// Time of the acceptance.
    pub received_at: Rfc3339,
    /// Version of the use case that validated the request.
    pub version: String,
    /// Name of the key, or of the claim on AWS, that made the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Time of the erasure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Rfc3339>,
    /// Time of the next attempt, if that is not `triggerAt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Rfc3339>,
    /// Reason why a due request does not run: a fault of the host, a limit, a pause, or an operator who holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Time since which it waits. Absent on one machine for a limit or a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_since: Option<Rfc3339>,
    /// Time at which the request ends as `expired`, unless an attempt has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Rfc3339>,
    /// Changes of state, the oldest first. Only in the answer about one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryLine>>,
    pub links: Links,
    /// After a move to a time in a zone, the time in that zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_at_zoned: Option<String>,
    /// After a retry that could not be started at once, the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl RequestDocument {
    /// Returns a request as lists and answers to changes show it.
    pub fn of(request: &Request, path: &str) -> Self {
        let is_scheduled = request.status == Status::Scheduled;
        let waiting = request.waiting.as_ref().filter(|_| is_scheduled);
        let is_delayed = request.due_at != request.trigger_at && request.finished_at.is_none() && !request.is_held();
        Self {
            outcome: OutcomeDocument::from(request),
            received_at: Rfc3339(request.received_at),
            version: request.version.clone(),
            owner: request.owner.clone(),
            erased_at: request.erased_at.map(Rfc3339),
            next_attempt_at: is_delayed.then_some(Rfc3339(request.due_at)),
            waits_for: waiting.map(|waiting| waiting.on.clone()),
            waits_since: waiting.map(|waiting| Rfc3339(waiting.since)),
            expires_at: request.expires_at().filter(|_| is_scheduled).map(Rfc3339),
            history: None,
            links: Links::to(path),
            trigger_at_zoned: None,
            note: None,
        }
    }

    #[must_use]
    pub fn with_history(self, history: &[HistoryEntry]) -> Self {
        Self { history: Some(history.iter().map(HistoryLine::of).collect()), ..self }
    }

    /// Sets the reason for which the host holds the request up, if there is one.
    #[must_use]
    pub fn held_up(self, waits_for: Option<String>) -> Self {
        Self { waits_for: waits_for.or(self.waits_for), ..self }
    }
}

/// One change of a request's state.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HistoryLine {
    pub at: Rfc3339,
    pub event: Event,
    /// Status after the change.
    pub status: Status,
    /// Number of the attempt; 0 before the first.
    pub attempt: u32,
    /// Text for people: the new time, or the reason of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Name of the caller that made the change. Absent for a change by the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl HistoryLine {
    fn of(entry: &HistoryEntry) -> Self {
        let HistoryEntry { at, event, status, attempt, detail, by } = entry.clone();
        Self { at: Rfc3339(at), event, status, attempt, detail, by }
    }
}

/// Paths of the API that are about the document.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Links {
    /// Path of the request.
    #[serde(rename = "self")]
    pub own: String,
}

impl Links {
    fn to(path: &str) -> Self {
        Self { own: path.to_owned() }
    }
}

/// A page of a list.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RequestList {
    pub requests: Vec<RequestDocument>,
    /// Name of the caller, if it sees its own requests only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_owner: Option<String>,
    /// Value of `cursor` for the next page. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// Id of the call.
    pub correlation_id: CorrelationId,
}

/// The outcomes of a batch.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BatchOutcomes {
    /// One outcome for each request of the batch, in order.
    pub outcomes: Vec<ItemOutcome>,
    /// Id of the call.
    pub correlation_id: CorrelationId,
}

/// The outcome of one request of a batch.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ItemOutcome {
    /// HTTP status that a call of its own would have had.
    pub status: u16,
    /// Body that a call of its own would have had.
    #[cfg_attr(test, schemars(with = "super::tests::openapi::ItemBody"))]
    pub body: Value,
    /// Header `Retry-After` that a call of its own would have had, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// True if members of `body` were left out, since the answer would have been too large.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
}

/// The use cases that the caller sees.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UseCaseList {
    pub use_cases: Vec<UseCaseDocument>,
    /// Id of the call.
    pub correlation_id: CorrelationId,
}

/// A use case.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "UseCase"))]
#[serde(rename_all = "camelCase")]
pub struct UseCaseDocument {
    #[serde(flatten)]
    pub info: UseCaseInfo,
    /// Pauses of the use case and of its targets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paused: Vec<PauseDocument>,
}

/// One use case. Only those who deploy or operate get its grants.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UseCaseDetails {
    #[serde(flatten)]
    pub use_case: UseCaseDocument,
    #[serde(flatten)]
    pub grants: Option<Grants>,
    /// Id of the call.
    pub correlation_id: CorrelationId,
}

/// The grants of the version that serves. Values of secrets are in none of them.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Grants {
    /// Limits and grants of its plugins.
    pub plugins: Vec<PluginGrants>,
    /// Addresses and limits of its targets.
    pub reach: Vec<Reach>,
}

/// The stored versions of a use case.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VersionList {
    pub use_case: String,
    /// The newest first.
    pub versions: Vec<VersionDocument>,
    /// The move that made the store's current version current.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<LastMove>,
    /// Why this API cannot go back to one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// Number of older versions that the list leaves out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more: Option<usize>,
    /// Id of the call.
    pub correlation_id: CorrelationId,
}

/// A stored version. One that cannot be used has `error` in place of what a push records.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Version"))]
#[serde(rename_all = "camelCase")]
pub struct VersionDocument {
    pub version: String,
    /// True if the store names it as the current one.
    pub is_current: bool,
    /// True if new requests go to it.
    pub serves: bool,
    /// Time when another version took its place, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_until: Option<String>,
    #[serde(flatten)]
    pub pushed: Option<PushDocument>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The record of a push.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PushDocument {
    pub pushed_at: String,
    pub pushed_by: String,
    /// Size of all files.
    pub bytes: u64,
    pub signed_by: Vec<String>,
    /// Machines that it has been compiled for in the store.
    pub compiled_for: Vec<String>,
    /// Names of its test cases.
    pub cases: Vec<String>,
}

impl VersionDocument {
    pub fn of(VersionInfo { version, is_current, served_until, details }: VersionInfo, serves: bool) -> Self {
        let (pushed, error) = match details {
            VersionDetails::Unusable { error } => (None, Some(error)),
            VersionDetails::Pushed { pushed_at, pushed_by, bytes, signed_by, compiled_for, cases } => {
                let pushed_at = rfc3339(pushed_at);
                (Some(PushDocument { pushed_at, pushed_by, bytes, signed_by, compiled_for, cases }), None)
            }
        };
        Self { version, is_current, serves, served_until: served_until.map(rfc3339), pushed, error }
    }
}

/// A move of a store to another version.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LastMove {
    /// RFC 3339; null if the store does not say.
    pub since: Option<String>,
    pub by: String,
}

/// The pauses of a use case after a call that changed them.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PauseList {
    pub use_case: String,
    pub paused: Vec<PauseDocument>,
    /// Id of the call.
    pub correlation_id: CorrelationId,
}

/// A pause.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Pause"))]
#[serde(rename_all = "camelCase")]
pub struct PauseDocument {
    pub since: Rfc3339,
    /// Alias of the target. Absent for a pause of all targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// End of the pause. Absent for one that only a call ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Rfc3339>,
    /// Name of the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl PauseDocument {
    /// Returns the pauses of a use case.
    pub fn of(pauses: &[Pause], use_case: &str) -> Vec<Self> {
        let of_use_case = pauses.iter().filter(|pause| pause.use_case == use_case);
        let shown = of_use_case.map(|Pause { target, since, until, by, .. }| Self {
            since: Rfc3339(*since),
            target: target.clone(),
            until: until.map(Rfc3339),
            by: by.clone(),
        });
        shown.collect()
    }
}

/// The state of the service. Only a caller with the scope `operate` gets more than `status`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Always `ok`; a service that takes no requests answers 503.
    pub status: &'static str,
    #[serde(flatten)]
    pub details: Option<HealthDetails>,
    /// Id of the call.
    pub correlation_id: CorrelationId,
}

/// The state of the service for its operator.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HealthDetails {
    /// Version of Postdate.
    pub version: &'static str,
    pub broken_use_cases: Vec<BrokenUseCase>,
    pub loading_use_cases: Vec<LoadingUseCase>,
    /// State of the ledger's disk. One machine only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerState>,
}

/// A use case whose newest version does not serve.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BrokenUseCase {
    pub use_case: String,
    pub error: String,
}

/// A use case whose newest version is being loaded or compiled.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LoadingUseCase {
    pub use_case: String,
    /// The version that serves meanwhile.
    pub version: Option<String>,
    /// Time since which it is being loaded, by the machine's clock.
    pub since: String,
}

/// The answer to an upload.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Uploaded {
    pub use_case: String,
    /// The version that serves now.
    pub version: String,
    /// The version that served before; null if there was none.
    pub former: Option<String>,
    /// Id of the call.
    pub correlation_id: CorrelationId,
}

/// The time of a test clock.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClockTime {
    pub now: Rfc3339,
    /// Id of the call.
    pub correlation_id: CorrelationId,
}
