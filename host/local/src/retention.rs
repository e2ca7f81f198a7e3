//! Retention: deletes ended requests of a certain age from the ledger, in small steps beside its other work.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::ports::LedgerError;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::ledger::SqliteLedger;

/// How long requests stay in the ledger after their end, with their history, notices and idempotency keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    Forever,
    For(Duration),
}

/// The default on the machine's clock, as on AWS. On a test clock, which can pass years in a moment, it is [`Retention::Forever`].
const DEFAULT: Retention = Retention::For(Duration::from_hours(30 * 24));

/// Time between two sweeps, by the server's clock.
const INTERVAL: TimeDelta = TimeDelta::minutes(1);
/// Least pause between two steps, of the machine's time. The writer spends a small part of its time on steps.
const PAUSE: Duration = Duration::from_millis(10);
/// Length of a pause, in times of the step before it, which takes longer while the ledger has much other work.
const PAUSE_IN_STEPS: u32 = 5;
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Deletes requests whose end is longer ago than the retention, until `stop`. A sweep that fails is repeated after the interval.
pub async fn run(ledger: SqliteLedger, clock: Clock, retention: Option<Retention>, stop: CancellationToken) {
    let default = if matches!(clock, Clock::Test(_)) { Retention::Forever } else { DEFAULT };
    let Retention::For(age) = retention.unwrap_or(default) else { return stop.cancelled().await };
    loop {
        let now = clock.now();
        let work = async {
            match sweep(&ledger, now, age).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "deleted requests that ended longer ago than the retention"),
                Err(error) => tracing::warn!(%error, "cannot delete requests after the retention; will try again"),
            }
            clock.sleep_until(now + INTERVAL).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = work => {}
        }
    }
}

/// Deletes all requests of that age, and then gives free pages back. Returns the number of deleted requests.
async fn sweep(ledger: &SqliteLedger, now: DateTime<Utc>, age: Duration) -> Result<usize, LedgerError> {
    // An age that reaches beyond the earliest time deletes nothing.
    let Some(until) = TimeDelta::from_std(age).ok().and_then(|age| now.checked_sub_signed(age)) else { return Ok(0) };
    let mut all = 0;
    loop {
        let deleted = paced(ledger.delete_ended(until)).await?;
        if deleted == 0 {
            break;
        }
        all += deleted;
    }
    while paced(ledger.give_back()).await? {}
    Ok(all)
}

/// Runs a step, and then leaves the ledger to its other work.
async fn paced<T>(step: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = step.await;
    tokio::time::sleep((begun.elapsed() * PAUSE_IN_STEPS).clamp(PAUSE, LONGEST_PAUSE)).await;
    done
}

#[cfg(test)]
mod tests;
