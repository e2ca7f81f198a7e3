//! The rate limit of the lines that the plugins of one use case write to the host's log, over all calls: a token bucket in bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Bytes that a use case may log in a burst, and a second for good.
pub const BURST_BYTES: u64 = 4 << 20;
pub const BYTES_PER_SECOND: u64 = 256 << 10;
/// Bytes that each line counts beside its text: time, ids and names.
const LINE_BYTES: u64 = 200;

/// The limits of all use cases of a host.
#[derive(Default)]
pub struct LogRates(Mutex<HashMap<String, Arc<LogRate>>>);

impl LogRates {
    /// Returns the limit of a use case, which all its versions share.
    pub fn of(&self, use_case: &str) -> Arc<LogRate> {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rates.entry(use_case.to_owned()).or_default())
    }
}

/// The limit of one use case.
#[derive(Debug)]
pub struct LogRate(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    left: u64,
    filled: Instant,
    /// Lines that were dropped since the last notice.
    dropped: u64,
}

impl Default for LogRate {
    fn default() -> Self {
        Self(Mutex::new(Bucket { left: BURST_BYTES, filled: Instant::now(), dropped: 0 }))
    }
}

impl LogRate {
    /// Counts a line of `bytes`. Returns whether it may be logged.
    pub fn take(&self, bytes: usize, now: Instant) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = bucket.take(bytes as u64 + LINE_BYTES, now);
        bucket.dropped += u64::from(!taken);
        taken
    }

    /// Returns the number of dropped lines for a notice, if there are any and the notice itself is within the limit.
    pub fn dropped(&self, now: Instant) -> Option<u64> {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (bucket.dropped > 0 && bucket.take(LINE_BYTES, now)).then(|| std::mem::take(&mut bucket.dropped))
    }
}

impl Bucket {
    fn take(&mut self, bytes: u64, now: Instant) -> bool {
        let millis = u64::try_from(now.saturating_duration_since(self.filled).as_millis()).unwrap_or(u64::MAX);
        if millis > 0 {
            self.left = self.left.saturating_add(millis.saturating_mul(BYTES_PER_SECOND) / 1000).min(BURST_BYTES);
            self.filled = now;
        }
        let fits = bytes <= self.left;
        if fits {
            self.left -= bytes;
        }
        fits
    }
}

#[cfg(test)]
mod tests;
