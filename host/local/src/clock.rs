//! What time it is: the machine's clock, or a test clock that stands still until it is moved.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use postdate_core::ports;
use tokio::sync::watch;

/// The longest sleep without a look at the clock: bounds how late a step of the machine's clock is noticed.
const LONGEST_SLEEP: Duration = Duration::from_millis(250);

#[derive(Debug, Clone)]
pub enum Clock {
    System,
    Test(Arc<watch::Sender<DateTime<Utc>>>),
}

impl Clock {
    /// A test clock that stands at `start`.
    pub fn test(start: DateTime<Utc>) -> Self {
        Self::Test(Arc::new(watch::Sender::new(start)))
    }

    /// Now, cut to the millisecond: never later than the truth.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now().trunc_subsecs(3),
            Self::Test(now) => *now.borrow(),
        }
    }

    /// Returns when it is `at`, not earlier, whatever the clock does in between.
    pub async fn sleep_until(&self, at: DateTime<Utc>) {
        match self {
            Self::System => {
                // On a machine whose clock is set back, the sleep is over before it is time: look again.
                while let Ok(left) = (at - Utc::now()).to_std()
                    && !left.is_zero()
                {
                    tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
                }
            }
            Self::Test(now) => {
                let mut changes = now.subscribe();
                // An error means that the clock is gone, and with it the server.
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
