//! Fake of the port `Clock`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{moment, sample_id};
use crate::id::CorrelationId;
use crate::ports::Clock;

/// A clock that stands still until it is set. Starts at [`moment`]. A sleep advances it and ends at once. Clones are the same clock.
#[derive(Clone)]
pub struct FakeClock(Arc<Mutex<State>>);

struct State {
    now: DateTime<Utc>,
    ids: u64,
}

impl Default for FakeClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { now: moment(), ids: 900 })))
    }
}

impl FakeClock {
    pub fn set(&self, now: DateTime<Utc>) {
        self.lock().now = now;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for FakeClock {
    fn now(&self) -> DateTime<Utc> {
        self.lock().now
    }

    async fn sleep(&self, time: Duration) {
        self.lock().now += time;
    }

    fn random(&self) -> [u8; 10] {
        [0; 10]
    }

    /// Returns the sample ids from 900 on.
    fn new_id(&self, _now: DateTime<Utc>) -> CorrelationId {
        let mut state = self.lock();
        state.ids += 1;
        sample_id(state.ids - 1)
    }
}
