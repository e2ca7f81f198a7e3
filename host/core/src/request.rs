//! A request as the ledger keeps it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::CorrelationId;
use crate::use_case::UseCase;

/// `scheduled → running → succeeded | failed | cancelled`, and `running → scheduled` on a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Scheduled,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Scheduled, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(())
    }
}

/// A request without its body. Times are to the millisecond.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub id: CorrelationId,
    pub use_case: String,
    /// Version of the bundle that validated it.
    pub version: String,
    /// Alias of the target.
    pub target: String,
    pub status: Status,
    pub received_at: DateTime<Utc>,
    /// The time that the client or the validator named, or that it was moved to.
    pub trigger_at: DateTime<Utc>,
    /// What `trigger_at` was when the request was acknowledged: part of the first answer.
    pub first_trigger_at: DateTime<Utc>,
    /// When it is to run next: `trigger_at`, or the end of a back-off.
    pub due_at: DateTime<Utc>,
    /// Attempts begun, as clients see it: without those that the host could not begin.
    pub attempts: u32,
    /// Claims that the host gave back because it could not begin the attempt.
    pub deferrals: u32,
    /// Attempts, since it was accepted or retried by hand, whose failure counts against the retry policy.
    pub failures: u32,
    /// Attempts in a row, since then, that were cut off: the host stopped or died, or the lease ran out.
    pub interruptions: u32,
    /// How long a claim holds where the version that accepted it runs: longer than one attempt of that version can take.
    pub lease: Duration,
    /// While it is running: when the claim runs out.
    pub lease_until: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// What the processor or the target returned.
    pub result: Option<String>,
    /// Why the last attempt failed.
    pub failure: Option<String>,
    /// What the next attempt waits for, from the first deferral until an attempt ends.
    pub waiting: Option<Waiting>,
    /// Hash of the body that came with the idempotency key, if there was one.
    pub idempotency_hash: Option<String>,
    /// The request whose end this one tells a target of (`[on]`); none for a client's own request.
    pub notice_of: Option<CorrelationId>,
}

/// What a host lacks to begin a request's next attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// See [`HostFault::waits_for`](crate::host_fault::HostFault::waits_for).
    pub on: String,
    pub since: DateTime<Utc>,
}

impl Request {
    /// A request at the beginning of its life.
    pub fn scheduled(
        use_case: &UseCase,
        version: &str,
        target: &str,
        id: CorrelationId,
        now: DateTime<Utc>,
        trigger_at: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            use_case: use_case.name.clone(),
            version: version.to_owned(),
            target: target.to_owned(),
            status: Status::Scheduled,
            received_at: now,
            trigger_at,
            first_trigger_at: trigger_at,
            due_at: trigger_at,
            attempts: 0,
            deferrals: 0,
            failures: 0,
            interruptions: 0,
            lease: use_case.lease(target),
            lease_until: None,
            finished_at: None,
            result: None,
            failure: None,
            waiting: None,
            idempotency_hash: None,
            notice_of: None,
        }
    }

    /// The number of the newest claim, from 1. It grows with each claim and never shrinks, unlike `attempts`, so it tells an old claim
    /// from a newer one.
    pub fn claim(&self) -> u32 {
        self.attempts + self.deferrals
    }
}

/// A request to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRequest {
    pub request: Request,
    pub idempotency_key: Option<String>,
    /// What the processor will see: JSON text.
    pub body: String,
}

/// A request that this host, and no other, is to run until `request.lease_until`.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    pub request: Request,
    pub body: String,
}

/// One state change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    pub at: DateTime<Utc>,
    pub event: Event,
    /// What the request was after it.
    pub status: Status,
    /// The attempt that it belongs to; 0 before the first.
    pub attempt: u32,
    /// For people: the new time, the reason of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    Accepted,
    Moved,
    Cancelled,
    Started,
    Succeeded,
    /// The attempt failed, and another is scheduled.
    AttemptFailed,
    /// The attempt failed, and it was the last.
    Failed,
    /// The attempt was cut off, and another is scheduled.
    Interrupted,
    /// A failed request, again, by hand.
    Retried,
    /// The host could not begin the attempt; the detail says what the request waits for.
    Deferred,
}

impl Event {
    pub const ALL: [Self; 10] = [
        Self::Accepted,
        Self::Moved,
        Self::Cancelled,
        Self::Started,
        Self::Succeeded,
        Self::AttemptFailed,
        Self::Failed,
        Self::Interrupted,
        Self::Retried,
        Self::Deferred,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Moved => "moved",
            Self::Cancelled => "cancelled",
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::AttemptFailed => "attempt-failed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Retried => "retried",
            Self::Deferred => "deferred",
        }
    }
}

/// What to list. Times are of `trigger_at`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    pub use_case: Option<String>,
    pub status: Option<Status>,
    /// Inclusive.
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub to: Option<DateTime<Utc>>,
    pub after: Option<Cursor>,
    /// Rows at the most.
    pub limit: usize,
}

/// The last row of a page: lists are in order of time, then id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub trigger_at: DateTime<Utc>,
    pub id: CorrelationId,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    pub requests: Vec<Request>,
    /// Where the next page starts; none at the end.
    pub next: Option<Cursor>,
}
