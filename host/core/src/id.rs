//! The correlation id: one name for a request in every answer, log line, attempt and ledger row.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A `UUIDv7` (RFC 9562): unique without coordination, and sorted by time, so that ledgers append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CorrelationId(Uuid);

impl CorrelationId {
    /// Creates an id. The host passes time and randomness, since the core has no source of either.
    pub fn new(now: DateTime<Utc>, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// Returns the id of the n-th request that the call with this id makes at `now`.
    #[must_use]
    pub fn nth(self, n: usize, now: DateTime<Utc>) -> Self {
        let digest = Sha256::new().chain_update(self.0.as_bytes()).chain_update(n.to_be_bytes()).finalize();
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        Self::new(now, random)
    }

    /// Returns one of `count` shards, from the id's random bits, so that new ids spread evenly. `count` is not 0.
    pub fn shard(self, count: u32) -> u32 {
        let random = self.0.as_u128() & u128::from(u32::MAX);
        u32::try_from(random).unwrap_or_default() % count
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for CorrelationId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

#[cfg(test)]
mod tests;
