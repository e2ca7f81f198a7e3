//! The backlog, for metrics. A look at it costs the same with ten due requests as with ten million.

use chrono::{DateTime, Utc};
use postdate_core::ports::LedgerError;

use super::{Lane, SqliteLedger, rows};

/// Most due requests that one look counts, over all lanes.
const MOST_COUNTED: usize = 50_000;
/// Most of one lane.
const MOST_OF_A_LANE: usize = 10_000;

/// The due requests of one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneBacklog {
    pub lane: Lane,
    /// Number of due requests, counted up to a limit: 10,000, or less where there are many lanes.
    pub due: u64,
}

impl SqliteLedger {
    /// Returns every lane in which requests are due at `now`. Reads two entries of an index for each lane, and one for each request that
    /// it counts. Uses the threads of lists, so that no look-up waits for it.
    pub async fn backlog(&self, now: DateTime<Utc>) -> Result<Vec<LaneBacklog>, LedgerError> {
        let read = self.inner.lists.read(&self.inner.path, move |connection| {
            let lanes: Vec<Lane> = rows::lanes(connection)?.into_iter().filter(|lane| lane.due_at <= now).collect();
            let limit = (MOST_COUNTED / lanes.len().max(1)).clamp(1, MOST_OF_A_LANE);
            let count = |lane: Lane| Ok(LaneBacklog { due: rows::due(connection, &lane, now, limit)?, lane });
            lanes.into_iter().map(count).collect()
        });
        read.await
    }
}
