//! Items of the table. `pk` and `sk` are the keys; times are milliseconds since 1970. Absent attributes have their default, since
//! DynamoDB counts names and values, in steps of 1 KB, at each write.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle;
use postdate_core::pin::{PIN_SHARDS, pin};
use postdate_core::ports::LedgerError;
use postdate_core::request::{
    Event, HistoryEntry, LISTED_FAILURE_BYTES, MAX_DETAIL_BYTES, MAX_HISTORY, NewRequest, Request, ScheduleKind, Status, Waiting,
};
use postdate_core::text::cut;
use serde::{Deserialize, Serialize};

use super::keys::{HEAD, Layout, class, label_pk, list_partition, place};
use crate::ports::Notified;

/// Most notices of which a head has the id: a request has one more after each retry by hand.
const MAX_NOTICES: usize = 40;
/// Largest body in the head, in bytes. A larger one is an item of its own, since each change writes the head.
pub const MAX_INLINE_BODY: usize = 8 << 10;
/// Time for which the items of a body, a key and labels outlive the expected expiry of their request, in seconds: 30 days. A change that
/// comes later moves their end; without the margin, the end of every request would write them.
const MARGIN: i64 = 30 * 24 * 3600;

/// Attributes that a list by label reads of a head: those of the index `lists`, and what [`Head::request`] cannot do without.
pub const SHOWN: [&str; 18] = [
    "pk",
    "notice_of",
    "use_case",
    "version",
    "target",
    "status",
    "received_at",
    "trigger_at",
    "due_at",
    "attempts",
    "finished_at",
    "reason",
    "waits_for",
    "waits_since",
    "owner",
    "expires",
    "labels",
    "erased_at",
];

/// A request as an item.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    pub pk: String,
    pub sk: String,
    /// Number of changes. Each write is conditional on the previous number.
    pub rev: u64,
    /// Identifies the write, so that a repeated write is recognized if the first answer was lost.
    pub write: String,
    pub use_case: String,
    version: String,
    target: String,
    status: String,
    received_at: i64,
    trigger_at: i64,
    /// `None` if it equals `trigger_at`, as the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_trigger_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<i64>,
    #[serde(skip_serializing_if = "is_zero")]
    attempts: u32,
    #[serde(skip_serializing_if = "is_zero")]
    deferrals: u32,
    #[serde(skip_serializing_if = "is_zero")]
    failures: u32,
    #[serde(skip_serializing_if = "is_zero")]
    interruptions: u32,
    lease_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_until: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    /// The failure as lists show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The whole failure, if lists show only its beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice_of: Option<String>,
    /// Ids of the notices about this request, of each time that it ended. An erasure finds them by it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    erased_at: Option<i64>,
    /// `None` also after the item of the key has expired or has gone to another request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    history: Vec<Line>,
    /// The accepted body, up to [`MAX_INLINE_BODY`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The expiry time of the items of the body, the key and the labels, if there is one, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<i64>,
    /// Partition and sort key in the index `lists`; `None` for a notice, which is not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// Partition and sort key in the index `open`, for a request that is scheduled or running, or of whose failure or expiry operators are
    /// not notified: when the janitor looks at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wake: Option<String>,
    /// After a failure or an expiry: the notifications that were sent, while one is missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    told_topic: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    told_letter: bool,
    /// Partition in the index `pinned`, for a request that may still run or be retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    /// After the end: the time when the request is gone and DynamoDB may delete the item, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// True for an item that stands for no request: it keeps out the late insert of a request whose client got an error.
    #[serde(skip_serializing)]
    pub barred: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    at: i64,
    event: String,
    status: String,
    attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// Returns the time when a request in this state is gone, in seconds since 1970: after its end, or if it ended at its next event.
fn end_of(request: &Request, retention: Duration) -> i64 {
    let last = request.finished_at.or(request.lease_until).unwrap_or(request.due_at);
    last.timestamp().saturating_add(i64::try_from(retention.as_secs()).unwrap_or(i64::MAX))
}

/// How the ledger writes heads.
#[derive(Debug, Clone, Copy)]
pub struct Writing {
    pub layout: Layout,
    /// Time for which a request is kept after its end.
    pub retention: Duration,
}

impl Head {
    /// Returns the head of a new request, and its body if it is too large for the head.
    pub fn of_new(new: &NewRequest, write: &str, writing: Writing) -> (Self, Option<String>) {
        let line = lifecycle::Line::Add(lifecycle::accepted(&new.request));
        let mut head = Self::default().after(&new.request, line, write, writing);
        head.idempotency_key.clone_from(&new.idempotency_key);
        let body = Some(new.body.clone());
        let (inline, apart) = if new.body.len() > MAX_INLINE_BODY { (None, body) } else { (body, None) };
        head.body = inline;
        if apart.is_some() || head.idempotency_key.is_some() || !head.labels.is_empty() {
            head.beside = Some(end_of(&new.request, writing.retention).saturating_add(MARGIN));
        }
        (head, apart)
    }

    /// Returns the head after a change.
    pub fn after(&self, request: &Request, line: lifecycle::Line, write: &str, writing: Writing) -> Self {
        let millis = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
        let other_time = |at: DateTime<Utc>| (at != request.trigger_at).then(|| at.timestamp_millis());
        let listed = request.notice_of.is_none();
        // A failure is open until operators are notified, and pinned, since it may be retried.
        let open = !request.status.is_end() || request.status.is_failure();
        // The erasure of a request that has ended leaves as it is whether operators were notified of a failure.
        let had_ended = self.finished_at.is_some() && self.finished_at == millis(request.finished_at);
        let due = place(request.finished_at.unwrap_or(request.due_at), request.id);
        let wake = match request.lease_until {
            _ if had_ended => self.wake.clone(),
            _ if !open => None,
            // A claim leaves the index as it is, unless the janitor would find the request long after its lease.
            Some(until) => Some(self.wake.clone().unwrap_or(due).min(place(until, request.id))),
            None => Some(due),
        };
        let mut history = self.history.clone();
        line.write(&mut history, |entry| Line::of(&entry), |line| line.detail = None);
        if history.len() > MAX_HISTORY {
            history.remove(1);
        }
        let reason = request.failure.clone().map(|text| cut(text, LISTED_FAILURE_BYTES));
        let shard = |count| request.id.shard(count);
        let is_erased = request.erased_at.is_some();
        let end = end_of(request, writing.retention);
        Self {
            pk: request.id.to_string(),
            sk: HEAD.to_owned(),
            rev: self.rev + 1,
            write: write.to_owned(),
            use_case: request.use_case.clone(),
            version: request.version.clone(),
            target: request.target.clone(),
            status: request.status.to_string(),
            received_at: request.received_at.timestamp_millis(),
            trigger_at: request.trigger_at.timestamp_millis(),
            first_trigger_at: other_time(request.first_trigger_at),
            due_at: other_time(request.due_at),
            attempts: request.attempts,
            deferrals: request.deferrals,
            failures: request.failures,
            interruptions: request.interruptions,
            lease_ms: whole_millis(request.lease),
            lease_until: millis(request.lease_until),
            finished_at: millis(request.finished_at),
            expire_after_ms: request.expire_after.map(whole_millis),
            result: request.result.clone(),
            failure: request.failure.clone().filter(|_| reason != request.failure),
            reason,
            waits_for: request.waiting.as_ref().map(|waiting| waiting.on.clone()),
            waits_since: request.waiting.as_ref().map(|waiting| waiting.since.timestamp_millis()),
            schedule: request.schedule,
            idempotency_hash: request.idempotency_hash.clone(),
            owner: request.owner.clone(),
            notice_of: request.notice_of.map(|id| id.to_string()),
            notices: self.notices.clone(),
            trace: request.trace.map(|trace| trace.to_string()),
            labels: request.labels.clone(),
            erased_at: millis(request.erased_at),
            idempotency_key: self.idempotency_key.clone().filter(|_| !is_erased),
            history,
            body: self.body.clone().filter(|_| !is_erased),
            beside: self.beside.map(|beside| if end > beside { end.saturating_add(MARGIN) } else { beside }),
            list: listed.then(|| list_partition(&request.use_case, class(request.status), shard(writing.layout.lists))),
            at: listed.then(|| place(request.trigger_at, request.id)),
            open: wake.is_some().then(|| shard(writing.layout.open).to_string()),
            wake,
            told_topic: had_ended && self.told_topic,
            told_letter: had_ended && self.told_letter,
            pin: (open && !is_erased).then(|| pin(&request.use_case, &request.version, shard(PIN_SHARDS))),
            expires: request.finished_at.map(|_| end),
            barred: false,
        }
    }

    /// Adds a notice about the request. Of very many, forgets the oldest: a transaction erases all of them.
    pub fn add_notice(&mut self, id: CorrelationId) {
        self.notices.push(id.to_string());
        if self.notices.len() > MAX_NOTICES {
            self.notices.remove(0);
        }
    }

    /// Returns whether the item stands for a request at this time. DynamoDB deletes expired items some days late.
    pub fn is_there(&self, now: DateTime<Utc>) -> bool {
        !self.barred && self.expires.is_none_or(|expires| expires > now.timestamp())
    }

    /// Returns the notifications that were sent of the request's failure.
    pub fn notified(&self) -> Notified {
        let is_open = self.status.parse().is_ok_and(Status::is_failure) && self.wake.is_some();
        if is_open { Notified { topic: self.told_topic, letter: self.told_letter } } else { Notified::ALL }
    }

    /// Returns whether the body is an item of its own.
    pub fn has_body_apart(&self) -> bool {
        self.body.is_none() && self.erased_at.is_none()
    }

    /// Returns the keys of the items by which lists find the request by its labels: partition, and sort key.
    pub fn pointers(&self) -> Vec<(String, String)> {
        let Some(at) = &self.at else { return Vec::new() };
        self.labels.iter().map(|(name, value)| (label_pk(name, value), at.clone())).collect()
    }

    pub fn id(&self) -> Result<CorrelationId, LedgerError> {
        self.pk.parse().map_err(|_| self.broken("pk"))
    }

    pub fn is_running(&self) -> bool {
        self.status == Status::Running.as_str()
    }

    pub fn request(&self) -> Result<Request, LedgerError> {
        let time = |millis, name| DateTime::from_timestamp_millis(millis).ok_or_else(|| self.broken(name));
        let maybe = |millis: Option<i64>, name| millis.map(|millis| time(millis, name)).transpose();
        Ok(Request {
            id: self.id()?,
            use_case: self.use_case.clone(),
            version: self.version.clone(),
            target: self.target.clone(),
            status: self.status.parse().map_err(|()| self.broken("status"))?,
            received_at: time(self.received_at, "received_at")?,
            trigger_at: time(self.trigger_at, "trigger_at")?,
            first_trigger_at: time(self.first_trigger_at.unwrap_or(self.trigger_at), "first_trigger_at")?,
            due_at: time(self.due_at.unwrap_or(self.trigger_at), "due_at")?,
            attempts: self.attempts,
            deferrals: self.deferrals,
            failures: self.failures,
            interruptions: self.interruptions,
            lease: Duration::from_millis(self.lease_ms),
            lease_until: maybe(self.lease_until, "lease_until")?,
            finished_at: maybe(self.finished_at, "finished_at")?,
            expire_after: self.expire_after_ms.map(Duration::from_millis),
            result: self.result.clone(),
            failure: self.failure.clone().or_else(|| self.reason.clone()),
            waiting: match (&self.waits_for, maybe(self.waits_since, "waits_since")?) {
                (Some(on), Some(since)) => Some(Waiting { on: on.clone(), since }),
                _ => None,
            },
            schedule: self.schedule,
            idempotency_hash: self.idempotency_hash.clone(),
            owner: self.owner.clone(),
            notice_of: self.notice_of.as_ref().map(|id| id.parse().map_err(|_| self.broken("notice_of"))).transpose()?,
            trace: self.trace.as_ref().and_then(|text| text.parse().ok()),
            labels: self.labels.clone(),
            erased_at: maybe(self.erased_at, "erased_at")?,
        })
    }

    /// Returns the history, without the lines that do not parse.
    pub fn history(&self) -> Vec<HistoryEntry> {
        self.history.iter().filter_map(Line::entry).collect()
    }

    fn broken(&self, attribute: &str) -> LedgerError {
        LedgerError::Failed(format!("the item of request {} has no valid {attribute}", self.pk))
    }
}

impl Line {
    fn of(entry: &HistoryEntry) -> Self {
        let detail = entry.detail.clone().map(|text| cut(text, MAX_DETAIL_BYTES));
        Self {
            at: entry.at.timestamp_millis(),
            event: entry.event.as_str().to_owned(),
            status: entry.status.to_string(),
            attempt: entry.attempt,
            detail,
            by: entry.by.clone(),
        }
    }

    fn entry(&self) -> Option<HistoryEntry> {
        Some(HistoryEntry {
            at: DateTime::from_timestamp_millis(self.at)?,
            event: Event::ALL.into_iter().find(|event| event.as_str() == self.event)?,
            status: self.status.parse().ok()?,
            attempt: self.attempt,
            detail: self.detail.clone(),
            by: self.by.clone(),
        })
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests;
