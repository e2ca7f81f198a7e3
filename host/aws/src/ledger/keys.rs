//! Keys of the table and of its indexes.

use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::request::Status;

/// Sort keys of a request's items; the partition key is its id.
pub const HEAD: &str = "request";
pub const BODY: &str = "body";
/// Sort key of the item of an idempotency key.
pub const KEY: &str = "key";

/// Numbers of partitions between which the writes to an index are spread. A partition takes 1,000 writes of 1 KB a second. Lists and the
/// janitor read exactly these partitions, so the numbers of a table must not change.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Of `lists`, for each use case and class. A request is 3 writes there.
    pub lists: u32,
    /// Of `open`. A request is 2 writes there.
    pub open: u32,
}

impl Default for Layout {
    fn default() -> Self {
        Self { lists: 32, open: 64 }
    }
}

/// Parts of the index `lists`. Scheduled and running requests share one, so that a claim moves no item of the index.
pub const CLASSES: [&str; 5] = [OPEN, "succeeded", "failed", "cancelled", "expired"];
pub const OPEN: &str = "open";

/// Returns the class that contains the requests with this status.
pub fn class(status: Status) -> &'static str {
    if status.is_end() { status.as_str() } else { OPEN }
}

pub fn key_pk(use_case: &str, key: &str) -> String {
    format!("key#{use_case}#{key}")
}

/// Returns the partition of the requests of all use cases that have this label. A label's name has no "=".
pub fn label_pk(name: &str, value: &str) -> String {
    format!("label#{name}={value}")
}

/// Returns the partition of a target's counters.
pub fn target_pk(use_case: &str, target: &str) -> String {
    format!("target#{use_case}#{target}")
}

/// Returns the sort key of an index: it orders by time, then id, and no two requests have the same one.
pub fn place(at: DateTime<Utc>, id: CorrelationId) -> String {
    format!("{}{id}", time_part(at))
}

/// Returns the time and the id of a sort key.
pub fn parse_place(text: &str) -> Option<(DateTime<Utc>, CorrelationId)> {
    let (millis, id) = text.split_once('#')?;
    Some((DateTime::from_timestamp_millis(millis.parse().ok()?)?, id.parse().ok()?))
}

pub fn time_part(at: DateTime<Utc>) -> String {
    format!("{:015}#", at.timestamp_millis().max(0))
}

pub fn list_partition(use_case: &str, class: &str, shard: u32) -> String {
    format!("{use_case}#{class}#{shard}")
}
