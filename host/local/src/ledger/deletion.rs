//! Deletes requests that ended long ago, and gives pages that became free back to the disk.
//!
//! The work is divided into steps of about [`STEP`]. A step is one change of the writer: it shares the transaction of the changes that
//! wait with it, so it costs them its own time and no further fsync.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use postdate_core::ports::LedgerError;

use super::{INCREMENTAL, SqliteLedger, pragma, rows};

/// Time after which a step begins with no further request or page.
const STEP: Duration = Duration::from_micros(500);
/// Most requests of a step, also on a fast machine.
const ROWS: u32 = 64;
/// Most pages of a step.
const PAGES: u32 = 64;
/// Free pages that stay for new requests: one of so many pages of the file, and at least [`KEPT_PAGES`].
const KEPT_SHARE: u32 = 8;
const KEPT_PAGES: u32 = 256;

impl SqliteLedger {
    /// Deletes some of the requests that ended at `until` or earlier, the oldest first, each with its history and its idempotency key.
    /// Returns their number, which is 0 if there are none.
    pub async fn delete_ended(&self, until: DateTime<Utc>) -> Result<usize, LedgerError> {
        let found = self.inner.lists.read(&self.inner.path, move |connection| rows::ended(connection, until, ROWS)).await?;
        if found.is_empty() {
            return Ok(0);
        }
        self.write(move |connection| {
            let begun = Instant::now();
            let mut deleted = 0;
            for seq in &found {
                // At least one, since 0 would mean that there is none.
                if deleted > 0 && begun.elapsed() >= STEP {
                    break;
                }
                deleted += rows::delete_ended(connection, *seq, until)?;
            }
            Ok(deleted)
        })
        .await
    }

    /// Gives some free pages back to the disk, unless new requests are likely to need them. Returns whether there were any. A file
    /// from before schema version 6 gives back none until it is [compacted](super::compact).
    pub async fn give_back(&self) -> Result<bool, LedgerError> {
        self.write(|connection| {
            let kept = (pragma(connection, "page_count")? / KEPT_SHARE).max(KEPT_PAGES);
            let surplus = pragma(connection, "freelist_count")?.saturating_sub(kept);
            if surplus == 0 || pragma(connection, "auto_vacuum")? != INCREMENTAL {
                return Ok(false);
            }
            let begun = Instant::now();
            let mut statement = connection.prepare_cached("PRAGMA incremental_vacuum")?;
            // SQLite moves one page for each row.
            let mut moved = statement.query([])?;
            for _ in 0..surplus.min(PAGES) {
                if moved.next()?.is_none() || begun.elapsed() >= STEP {
                    break;
                }
            }
            Ok(true)
        })
        .await
    }
}
