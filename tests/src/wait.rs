//! Waits with a timeout.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Timeout of every wait. Far longer than needed, so that no test fails because the machine is busy.
pub const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(15);

/// Polls `ask` until it returns a value. Panics after [`PATIENCE`] with `what`, the condition.
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let begun = Instant::now();
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what} (at {caller})");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Sleeps until a time, for tests that are about elapsed time.
pub async fn sleep_until(at: DateTime<Utc>) {
    while let Ok(left) = (at - Utc::now()).to_std()
        && !left.is_zero()
    {
        tokio::time::sleep(left).await;
    }
}
