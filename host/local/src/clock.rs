//! The server's clock: the machine's, or a test clock that stands still until it is moved.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use postdate_core::ports;
use tokio::sync::watch;

/// Longest sleep between two readings of the clock. Limits how late a step of the machine's clock is noticed.
const LONGEST_SLEEP: Duration = Duration::from_millis(250);

#[derive(Debug, Clone)]
pub enum Clock {
    System,
    Test(Arc<watch::Sender<DateTime<Utc>>>),
}

impl Clock {
    /// Returns a test clock that stands at `start`.
    pub fn test(start: DateTime<Utc>) -> Self {
        Self::Test(Arc::new(watch::Sender::new(start)))
    }

    /// Returns the current time, truncated to milliseconds and therefore never in the future.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now().trunc_subsecs(3),
            Self::Test(now) => *now.borrow(),
        }
    }

    /// Sleeps until the clock reads `at` or later, also if the clock is set in between.
    pub async fn sleep_until(&self, at: DateTime<Utc>) {
        match self {
            Self::System => {
                // After a step backwards of the machine's clock a sleep ends too early, so read the clock again.
                while let Ok(left) = (at - Utc::now()).to_std()
                    && !left.is_zero()
                {
                    tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
                }
            }
            Self::Test(now) => {
                let mut changes = now.subscribe();
                // Cannot fail: `self` holds the sender.
                let _ = changes.wait_for(|now| *now >= at).await;
            }
        }
    }
}

impl ports::Clock for Clock {
    fn now(&self) -> DateTime<Utc> {
        Self::now(self)
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn random(&self) -> [u8; 10] {
        rand::random()
    }
}

#[cfg(test)]
mod tests;
