//! The core's port `Clock` over the machine's clock and random numbers.

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, Utc};
use postdate_core::ports::Clock;

/// Returns the current time, rounded down to the millisecond, so that it is never in the future.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        now()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn random(&self) -> [u8; 10] {
        rand::random()
    }
}
