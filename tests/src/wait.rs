//! Waiting with a bound.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Longest wait for anything: far more than it takes, so that a busy machine is not a failure.
pub const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(15);

/// Asks again and again until there is an answer; fails, saying what it waited for.
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

/// Lets time pass, where the passing of time is what the test is about.
pub async fn sleep_until(at: DateTime<Utc>) {
    while let Ok(left) = (at - Utc::now()).to_std()
        && !left.is_zero()
    {
        tokio::time::sleep(left).await;
    }
}
