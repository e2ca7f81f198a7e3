//! The audit log: a line for each act of a caller that changes what runs, or when. Its member `audit` is the act, and `by` the name of the
//! caller: that of a key, or the claim of an authorizer. It has no payload.

use chrono::{DateTime, Utc};

use crate::request::Request;
use crate::time::rfc3339;

/// Target of the lines. Hosts log them whatever the operator's filter is.
pub const TARGET: &str = "postdate::audit";

/// Logs that a caller changed a request. `by` is `None` where the host cannot tell callers apart.
pub fn request(act: &str, by: Option<&str>, after: &Request) {
    let Request { id, use_case, owner, status, due_at, .. } = after;
    tracing::info!(target: TARGET, audit = act, by, correlation_id = %id, use_case, owner, %status, due_at = rfc3339(*due_at), "a request was changed");
}

/// Logs that a caller paused or resumed a use case, or one target of it.
pub fn pause(act: &str, by: Option<&str>, use_case: &str, target: Option<&str>, until: Option<DateTime<Utc>>) {
    let until = until.map(rfc3339);
    tracing::info!(target: TARGET, audit = act, by, use_case, paused_target = target, until, "the firing of a use case was changed");
}

/// Logs that another version of a use case serves.
pub fn version(act: &str, by: Option<&str>, use_case: &str, version: &str, former: Option<&str>) {
    tracing::info!(target: TARGET, audit = act, by, use_case, version, former, "another version serves");
}
