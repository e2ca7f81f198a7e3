//! Sample values for tests.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::id::CorrelationId;
use crate::lifecycle::Change;
use crate::request::{NewRequest, Request, Status};

/// Returns the start time of tests: 2027-01-01T00:00:00Z.
pub fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_798_761_600_000).unwrap_or_default()
}

/// Returns the time `seconds` after [`moment`].
pub fn at(seconds: i64) -> DateTime<Utc> {
    moment() + TimeDelta::seconds(seconds)
}

/// Returns the `n`-th correlation id with the time [`moment`]. Ids are in the order of `n`.
pub fn sample_id(n: u64) -> CorrelationId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    CorrelationId::new(moment(), random)
}

/// The lease of [`new_request`].
pub const LEASE: Duration = Duration::from_mins(1);

/// Returns a claim for [`LEASE`].
pub fn claim() -> Change {
    Change::Claim { lease: LEASE }
}

/// Returns a request that was received at [`moment`] and is scheduled for `trigger_at`, with a lease of [`LEASE`].
pub fn new_request(id: CorrelationId, use_case: &str, trigger_at: DateTime<Utc>) -> NewRequest {
    let request = Request {
        id,
        use_case: use_case.to_owned(),
        version: "v1".to_owned(),
        target: "here".to_owned(),
        status: Status::Scheduled,
        received_at: moment(),
        trigger_at,
        first_trigger_at: trigger_at,
        due_at: trigger_at,
        attempts: 0,
        deferrals: 0,
        failures: 0,
        interruptions: 0,
        lease: LEASE,
        lease_until: None,
        finished_at: None,
        expire_after: None,
        result: None,
        failure: None,
        waiting: None,
        schedule: None,
        idempotency_hash: None,
        owner: None,
        notice_of: None,
        labels: std::collections::BTreeMap::new(),
        erased_at: None,
        trace: None,
    };
    NewRequest { request, idempotency_key: None, body: r#"{"n":1}"#.to_owned() }
}
