//! Faults of a host, which are not those of the request that meets them.

/// Why a host could not begin an attempt: it has no free slot, no file descriptor, or no way to a store or a secret. The attempt does
/// not count, and the request goes back to the queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct HostFault {
    /// What the request waits for, as clients see it: a noun phrase without paths, secrets or payload, and the same each time.
    pub waits_for: String,
    /// What went wrong, for the operator's log.
    pub detail: String,
}

impl HostFault {
    pub fn new(waits_for: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { waits_for: waits_for.into(), detail: detail.into() }
    }
}
