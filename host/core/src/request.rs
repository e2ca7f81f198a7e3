//! A request in the ledger.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::id::CorrelationId;
use crate::limits::PLACE;
use crate::limits::places::Waiter;
use crate::pause::RESUME;
use crate::text::cut;
use crate::time::LATEST;
use crate::trace::TraceParent;
use crate::use_case::UseCase;

/// `scheduled → running → succeeded | failed`, or `scheduled → cancelled | expired`. A request becomes `scheduled` again from `running`
/// (another attempt), and from `failed` and `expired` (a retry by hand).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Scheduled,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// No attempt began in the time that the manifest gives.
    Expired,
}

impl Status {
    pub const ALL: [Self; 6] = [Self::Scheduled, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Returns whether a request has ended; only a retry by hand changes that.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Running)
    }

    /// Returns whether a request ended without success and against its client's will. Operators are notified of such an end, and may
    /// retry the request.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Expired)
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

/// Result of a request with a direct target whose event can no longer come: EventBridge had the event, and whether the target has it is
/// not known to Postdate.
pub const DELIVERED_TO_BUS: &str = r#"{"delivery":"direct","outcome":"delivered-to-bus"}"#;

/// The kind of schedule that starts a request at its time, on a host that has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// A rule of EventBridge's default bus.
    Rule,
    /// A one-time schedule of EventBridge Scheduler, which the service deletes after it has fired.
    Schedule,
    /// A one-time schedule for a direct target. It is kept after it has fired, as the proof that the event was sent.
    KeptSchedule,
}

/// Limit of a failure in a list, in bytes.
pub const LISTED_FAILURE_BYTES: usize = 1_000;

/// A request without its body. Times are precise to the millisecond.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub id: CorrelationId,
    pub use_case: String,
    /// Version of the bundle that validated the request.
    pub version: String,
    /// Alias of the target.
    pub target: String,
    pub status: Status,
    pub received_at: DateTime<Utc>,
    /// The time that the client or the validator named, or that the request was moved to.
    pub trigger_at: DateTime<Utc>,
    /// The value of `trigger_at` in the acknowledgement, for replays of it.
    pub first_trigger_at: DateTime<Utc>,
    /// Time of the next attempt: `trigger_at`, or the end of a back-off or a deferral; [`LATEST`] for a held request.
    pub due_at: DateTime<Utc>,
    /// Attempts begun. Attempts that the host could not begin do not count.
    pub attempts: u32,
    /// Claims that the host gave back because it could not begin the attempt.
    pub deferrals: u32,
    /// Failed attempts that count against the retry policy, since the request was accepted or retried by hand.
    pub failures: u32,
    /// Attempts in a row that were cut off: the host stopped or died, or the lease expired.
    pub interruptions: u32,
    /// Lease of a claim, if the version that accepted the request runs it: longer than one attempt of that version.
    pub lease: Duration,
    /// End of the lease, while the request is running.
    pub lease_until: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// Longest time from `trigger_at` to the first attempt. `None` for a request that does not expire: of a manifest without a limit, of
    /// a direct target, or retried by hand.
    pub expire_after: Option<Duration>,
    /// Text that the processor or the target returned.
    pub result: Option<String>,
    /// Reason why the last attempt failed.
    pub failure: Option<String>,
    /// The reason why the next attempt is delayed: a fault of the host, from the first deferral until an attempt ends or the request is
    /// moved; or an operator who holds the request.
    pub waiting: Option<Waiting>,
    /// Kind of the schedule that starts the request. `None` on a host with one kind, and for a request from before this field existed.
    pub schedule: Option<ScheduleKind>,
    /// SHA-256 of the client's body, in hexadecimal, if the client sent an idempotency key.
    pub idempotency_hash: Option<String>,
    /// Name of the caller that made the request; a notice has that of the request that it is about. `None` where the host cannot tell
    /// callers apart.
    pub owner: Option<String>,
    /// For a notice (`[on]`), the request that has ended; `None` for a client's own request.
    pub notice_of: Option<CorrelationId>,
    /// Values of the manifest's labels, by name. Empty for a notice.
    pub labels: BTreeMap<String, String>,
    /// Time at which the body and all that follows from it were erased.
    pub erased_at: Option<DateTime<Utc>>,
    /// The span that made the request; after a claim, the span of the attempt, if the host exports traces.
    pub trace: Option<TraceParent>,
}

/// The resource that a request's next attempt waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// See [`HostFault::waits_for`](crate::host_fault::HostFault::waits_for) and [`DECISION`](crate::lifecycle::DECISION).
    pub on: String,
    /// Time of the first deferral, or of the hold.
    pub since: DateTime<Utc>,
}

impl Request {
    /// Returns the time since the first deferral in a row; zero if the request does not wait for its host.
    pub fn waited(&self, now: DateTime<Utc>) -> TimeDelta {
        self.waiting.as_ref().map_or(TimeDelta::zero(), |waiting| now - waiting.since)
    }

    /// Returns a new request for `trigger_at`.
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
            expire_after: use_case.expire_after(target),
            result: None,
            failure: None,
            waiting: None,
            schedule: None,
            idempotency_hash: None,
            owner: None,
            notice_of: None,
            labels: BTreeMap::new(),
            erased_at: None,
            trace: None,
        }
    }

    /// Returns whether an attempt may begin at `now`. A request that waits for a place or for the end of a pause has been due, and may
    /// come back before the time at which it asks by itself.
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        let may_come_back = |waiting: &Waiting| waiting.on.starts_with(PLACE) || waiting.on.starts_with(RESUME);
        self.due_at <= now || self.trigger_at <= now && self.waiting.as_ref().is_some_and(may_come_back)
    }

    /// Returns the request as one that wants a place at its target. A first attempt counts from `trigger_at`, a later one from the time at
    /// which it became due.
    pub fn waiter(&self) -> Waiter {
        let became_due = self.waiting.as_ref().map_or(self.due_at, |waiting| waiting.since);
        Waiter { since: if self.attempts == 0 { self.trigger_at } else { became_due }, id: self.id }
    }

    /// Returns the time from which the first attempt may no longer begin. `None` for a request that does not expire, and once an attempt
    /// has begun.
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        let after = self.expire_after.filter(|_| self.attempts == 0)?;
        self.trigger_at.checked_add_signed(TimeDelta::from_std(after).ok()?)
    }

    /// Returns the number of the newest claim, from 1. The number never shrinks, unlike `attempts`, so it tells an old claim from a newer
    /// one.
    pub fn claim(&self) -> u32 {
        self.attempts + self.deferrals
    }

    /// Returns whether the request ended without knowledge of its delivery; see [`DELIVERED_TO_BUS`].
    pub fn is_unconfirmed(&self) -> bool {
        // Earlier versions wrote another outcome.
        self.status == Status::Succeeded && self.result.as_ref().is_some_and(|result| result.starts_with(r#"{"delivery":"direct","#))
    }

    /// Returns whether the request waits until somebody retries, moves or cancels it.
    pub fn is_held(&self) -> bool {
        self.status == Status::Scheduled && self.due_at == LATEST && self.waiting.is_some()
    }

    /// Returns the request's place in a list of this order. A request that has not ended has none in the order of ends; its due time
    /// stands for it.
    pub fn place(&self, order: Order) -> Cursor {
        let at = match order {
            Order::Trigger => self.trigger_at,
            Order::Due => self.due_at,
            Order::Ended => self.finished_at.unwrap_or(self.due_at),
        };
        Cursor { at, id: self.id }
    }

    /// Returns the labels as `name=value` for a line of the log; `None` if there are none.
    pub fn labels_text(&self) -> Option<String> {
        let mut text = String::new();
        for (name, value) in &self.labels {
            text.extend([if text.is_empty() { "" } else { " " }, name, "=", value]);
        }
        (!text.is_empty()).then_some(text)
    }

    /// Returns the request as pages of a list have it: without its result and what no list shows, and with at most
    /// [`LISTED_FAILURE_BYTES`] of its failure.
    #[must_use]
    pub fn listed(self) -> Self {
        Self {
            first_trigger_at: self.trigger_at,
            lease: Duration::ZERO,
            lease_until: None,
            expire_after: None,
            result: None,
            idempotency_hash: None,
            schedule: None,
            deferrals: 0,
            failures: 0,
            interruptions: 0,
            trace: None,
            failure: self.failure.map(|failure| cut(failure, LISTED_FAILURE_BYTES)),
            ..self
        }
    }
}

/// A request to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRequest {
    pub request: Request,
    pub idempotency_key: Option<String>,
    /// The body for the processor: JSON text.
    pub body: String,
}

/// A request that only this host may run until `request.lease_until`.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    pub request: Request,
    pub body: String,
}

/// One state change.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    pub at: DateTime<Utc>,
    pub event: Event,
    /// Status of the request after the change.
    pub status: Status,
    /// Number of the attempt; 0 before the first.
    pub attempt: u32,
    /// Text for people: the new time, or the reason of a failure.
    pub detail: Option<String>,
    /// Name of the caller that made the change; `None` for a change by the host.
    pub by: Option<String>,
}

/// The kind of a state change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    Accepted,
    Moved,
    Cancelled,
    Started,
    Succeeded,
    /// The attempt failed, and another is scheduled.
    AttemptFailed,
    /// The last attempt failed.
    Failed,
    /// The attempt was cut off, and another is scheduled.
    Interrupted,
    /// The client retried a request that failed or expired.
    Retried,
    /// The host could not begin the attempt; the detail says what the request waits for.
    Deferred,
    /// No attempt began in time.
    Expired,
    /// An operator holds the request; the detail has the reason.
    Held,
    /// The body and all that follows from it are gone, the details of this history included.
    Erased,
}

impl Event {
    pub const ALL: [Self; 13] = [
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
        Self::Expired,
        Self::Held,
        Self::Erased,
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
            Self::Expired => "expired",
            Self::Held => "held",
            Self::Erased => "erased",
        }
    }
}

/// The time by which a list is sorted and selected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// [`Request::trigger_at`].
    #[default]
    Trigger,
    /// [`Request::due_at`]. Selects scheduled requests only.
    Due,
    /// [`Request::finished_at`]. Selects requests that have ended only.
    Ended,
}

/// Filters of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    pub use_case: Option<String>,
    pub status: Option<Status>,
    /// Selects requests of these use cases only, in addition to `use_case`; `None` for all.
    pub within: Option<Vec<String>>,
    /// Selects requests of this owner only.
    pub owner: Option<String>,
    /// Labels that a request must have, all of them: names and values.
    pub labels: Vec<(String, String)>,
    pub order: Order,
    /// In the time of `order`. Inclusive.
    pub from: Option<DateTime<Utc>>,
    /// In the time of `order`. Exclusive.
    pub to: Option<DateTime<Utc>>,
    pub after: Option<Cursor>,
    /// Limit of rows in the page.
    pub limit: usize,
}

impl Query {
    /// Returns whether the filters select the request, whatever the page.
    pub fn selects(&self, request: &Request) -> bool {
        let at = request.place(self.order).at;
        let of_order = match self.order {
            Order::Trigger => true,
            Order::Due => request.status == Status::Scheduled,
            Order::Ended => request.status.is_end(),
        };
        of_order
            && request.notice_of.is_none()
            && self.use_case.as_ref().is_none_or(|name| *name == request.use_case)
            && self.within.as_ref().is_none_or(|names| names.contains(&request.use_case))
            && self.owner.as_ref().is_none_or(|owner| Some(owner) == request.owner.as_ref())
            && self.status.is_none_or(|status| status == request.status)
            && self.labels.iter().all(|(name, value)| request.labels.get(name) == Some(value))
            && self.from.is_none_or(|from| at >= from)
            && self.to.is_none_or(|to| at < to)
    }
}

/// Limit of the lines of a history. The first and the newest ones are kept.
pub const MAX_HISTORY: usize = 300;
/// Limit of the detail of a line, in bytes. The request has the whole text of its failure.
pub const MAX_DETAIL_BYTES: usize = 1_000;

/// The last row of a page. Lists are sorted by the time of their [`Order`], then id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub at: DateTime<Utc>,
    pub id: CorrelationId,
}

/// One page of a list. Its requests are [`Request::listed`]. A page before the last one may be short, and even empty, in ledgers that read
/// a bounded number of items for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    pub requests: Vec<Request>,
    /// Cursor for the next page; `None` on the last page.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests;
