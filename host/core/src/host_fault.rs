//! Faults of a host, which do not count against a request.

use chrono::TimeDelta;

/// Time after which a request that waits for its host is logged as an error: longer than a busy hour's queue, a restart, or a compile.
pub const LONG_WAIT: TimeDelta = TimeDelta::minutes(10);

/// Beginnings of [`HostFault::waits_for`], for metrics: one for each resource.
pub const SLOT: &str = "a free slot";
pub const MEMORY: &str = "memory for a plugin";
pub const SECRETS: &str = "the secrets of the use case";
pub const VERSION: &str = "version ";
pub const STORE: &str = "the store of use cases";
pub const NAME_LOOK_UP: &str = "a free name look-up";
pub const FILE_DESCRIPTOR: &str = "a free file descriptor";

/// The reason why a host could not begin an attempt: no free slot, no file descriptor, or no access to a store or a secret. The attempt
/// does not count, and the request goes back to the queue.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct HostFault {
    /// The resource that the request waits for, as clients see it: a noun phrase without paths, secrets or payload. The same fault has
    /// the same text each time, so that deferrals in a row share one line of history.
    pub waits_for: String,
    /// The error, for the operator's log.
    pub detail: String,
}

impl HostFault {
    pub fn new(waits_for: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { waits_for: waits_for.into(), detail: detail.into() }
    }
}
