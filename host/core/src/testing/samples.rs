//! Sample values for tests.

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::id::CorrelationId;
use crate::lifecycle::Change;
use crate::ports::Bundle as _;
use crate::request::{NewRequest, Request};
use crate::testing::FakeBundle;

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

const MANIFEST: &str = "name = 'orders'\n[process]\nplugin = 'process.wasm'\n[targets]\ndefault = 'here'\nhere = { kind = 'plugin' }";
/// The lease of [`new_request`].
pub const LEASE: Duration = Duration::from_mins(1);

/// Returns a claim for [`LEASE`].
pub fn claim() -> Change {
    Change::Claim { lease: LEASE }
}

/// Returns a request that was received at [`moment`] and is scheduled for `trigger_at`, with a lease of [`LEASE`].
pub fn new_request(id: CorrelationId, use_case: &str, trigger_at: DateTime<Utc>) -> NewRequest {
    static USE_CASE: LazyLock<FakeBundle> = LazyLock::new(|| FakeBundle::new("v1", MANIFEST));
    let request = Request::scheduled(USE_CASE.use_case(), USE_CASE.version(), "here", id, moment(), trigger_at);
    let request = Request { use_case: use_case.to_owned(), lease: LEASE, ..request };
    NewRequest { request, idempotency_key: None, body: r#"{"n":1}"#.to_owned() }
}
