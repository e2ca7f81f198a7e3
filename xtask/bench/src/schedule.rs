//! Requests that are due in quick succession.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::ensure;
use chrono::{DateTime, TimeDelta, Utc};

use crate::fixture::post;
use crate::load;

/// A number of due times, spread evenly over a span.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub count: u32,
    pub span: Duration,
}

/// Minimum time between the last answer to a POST and the first due time. The server is idle meanwhile.
const SETTLE: Duration = Duration::from_secs(2);

impl Schedule {
    /// Returns the time from the first due time to this one, in full milliseconds as in the ledger.
    pub fn offset(self, number: u32) -> Duration {
        Duration::from_millis(u64::try_from((self.span / self.count * number).as_millis()).unwrap_or(u64::MAX))
    }

    /// Posts the requests, the first of which is due after `lead`, and waits until the last one is due. Returns the first due time. Fails
    /// if the server accepts them too slowly for this `lead`.
    pub async fn run(self, address: SocketAddr, use_case: &str, lead: Duration) -> anyhow::Result<DateTime<Utc>> {
        let first = Utc::now() + TimeDelta::from_std(lead)?;
        let requests: Vec<Arc<[u8]>> = (0..self.count)
            .map(|number| Ok(post(use_case, first + TimeDelta::from_std(self.offset(number))?, number).into()))
            .collect::<anyhow::Result<_>>()?;
        let next = AtomicUsize::new(0);
        load::run(address, move || requests.get(next.fetch_add(1, Ordering::Relaxed)).map(Arc::clone)).await?;
        let left = (first - Utc::now()).to_std().unwrap_or_default();
        ensure!(left >= SETTLE, "posting took so long that the first were due {left:?} after the last answer: the machine is too busy");
        tokio::time::sleep(left + self.span).await;
        Ok(first)
    }
}

#[cfg(test)]
mod tests;
