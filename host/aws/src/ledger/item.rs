//! Items of the table. `pk` and `sk` are the keys; times are milliseconds since 1970.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::cut::cut;
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle;
use postdate_core::ports::LedgerError;
use postdate_core::request::{Cursor, Event, HistoryEntry, NewRequest, Request, ScheduleKind, Status, Waiting};
use serde::{Deserialize, Serialize};

/// Sort keys of a request's items; the partition key is its id.
pub const HEAD: &str = "request";
pub const BODY: &str = "body";
/// Sort key of the item of an idempotency key.
pub const KEY: &str = "key";

/// Most lines of history in a head. The first line and the newest ones are kept.
const MAX_LINES: usize = 300;
/// Longest detail of a line, in bytes. The head has the full text of the failure.
const MAX_DETAIL: usize = 1_000;
/// Partitions of the index `open`, between which its writes are spread.
pub const SHARDS: [&str; 4] = ["0", "1", "2", "3"];

/// A request as an item.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
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
    first_trigger_at: i64,
    due_at: i64,
    attempts: u32,
    #[serde(skip_serializing_if = "is_zero")]
    deferrals: u32,
    failures: u32,
    interruptions: u32,
    lease_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_until: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    history: Vec<Line>,
    /// Sort key in lists; `None` for a notice, which is not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// While the request is scheduled or running: its partition of the index `open`, and the time from which the janitor finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wake: Option<i64>,
    /// After the end: the time when DynamoDB may delete the item, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
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

pub fn key_pk(use_case: &str, key: &str) -> String {
    format!("key#{use_case}#{key}")
}

/// Returns the sort key in lists, which orders by time, then id.
pub fn list_key(cursor: Cursor) -> String {
    format!("{}{}", time_part(cursor.trigger_at), cursor.id)
}

pub fn time_part(at: DateTime<Utc>) -> String {
    format!("{:015}#", at.timestamp_millis().max(0))
}

impl Head {
    pub fn of_new(new: &NewRequest, write: &str) -> Self {
        let line = lifecycle::Line::Add(lifecycle::accepted(&new.request));
        let mut head = Self::default().after(&new.request, line, write, Duration::ZERO);
        head.idempotency_key.clone_from(&new.idempotency_key);
        head
    }

    /// Returns the head after a change.
    pub fn after(&self, request: &Request, line: lifecycle::Line, write: &str, retention: Duration) -> Self {
        let millis = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
        let open = matches!(request.status, Status::Scheduled | Status::Running);
        let wake = if request.status == Status::Running { request.lease_until } else { Some(request.due_at) };
        let mut history = self.history.clone();
        line.write(&mut history, |entry| Line::of(&entry));
        if history.len() > MAX_LINES {
            history.remove(1);
        }
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
            first_trigger_at: request.first_trigger_at.timestamp_millis(),
            due_at: request.due_at.timestamp_millis(),
            attempts: request.attempts,
            deferrals: request.deferrals,
            failures: request.failures,
            interruptions: request.interruptions,
            lease_ms: u64::try_from(request.lease.as_millis()).unwrap_or(u64::MAX),
            lease_until: millis(request.lease_until),
            finished_at: millis(request.finished_at),
            result: request.result.clone(),
            failure: request.failure.clone(),
            waits_for: request.waiting.as_ref().map(|waiting| waiting.on.clone()),
            waits_since: request.waiting.as_ref().map(|waiting| waiting.since.timestamp_millis()),
            schedule: request.schedule,
            idempotency_hash: request.idempotency_hash.clone(),
            owner: request.owner.clone(),
            notice_of: request.notice_of.map(|id| id.to_string()),
            idempotency_key: self.idempotency_key.clone(),
            history,
            at: request.notice_of.is_none().then(|| list_key(Cursor { trigger_at: request.trigger_at, id: request.id })),
            open: open.then(|| shard(request.id).to_owned()),
            wake: millis(wake.filter(|_| open)),
            expires: request.finished_at.map(|at| at.timestamp().saturating_add(i64::try_from(retention.as_secs()).unwrap_or(i64::MAX))),
        }
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
            first_trigger_at: time(self.first_trigger_at, "first_trigger_at")?,
            due_at: time(self.due_at, "due_at")?,
            attempts: self.attempts,
            deferrals: self.deferrals,
            failures: self.failures,
            interruptions: self.interruptions,
            lease: Duration::from_millis(self.lease_ms),
            lease_until: maybe(self.lease_until, "lease_until")?,
            finished_at: maybe(self.finished_at, "finished_at")?,
            result: self.result.clone(),
            failure: self.failure.clone(),
            waiting: match (&self.waits_for, maybe(self.waits_since, "waits_since")?) {
                (Some(on), Some(since)) => Some(Waiting { on: on.clone(), since }),
                _ => None,
            },
            schedule: self.schedule,
            idempotency_hash: self.idempotency_hash.clone(),
            owner: self.owner.clone(),
            notice_of: self.notice_of.as_ref().map(|id| id.parse().map_err(|_| self.broken("notice_of"))).transpose()?,
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
        let detail = entry.detail.clone().map(|text| cut(text, MAX_DETAIL));
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn shard(id: CorrelationId) -> &'static str {
    let last = id.to_string().bytes().last().unwrap_or_default();
    SHARDS[usize::from(last) % SHARDS.len()]
}
