//! The pauses as one environment knows them.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::pause::Pause;
use postdate_core::ports::{LedgerError, Pauses};
use tokio::sync::Mutex;

/// Time for which the pauses are not read again. A pause takes effect everywhere within this time.
const FRESH: TimeDelta = TimeDelta::seconds(10);

/// The pauses that this environment has read, and when.
#[derive(Debug, Default)]
pub struct KnownPauses(Mutex<Option<(DateTime<Utc>, Arc<[Pause]>)>>);

impl KnownPauses {
    /// Returns the pauses, which are read again if the last read is older than [`FRESH`]. Requests of one batch share a read.
    pub async fn get(&self, ledger: &impl Pauses, now: DateTime<Utc>) -> Result<Arc<[Pause]>, LedgerError> {
        let mut known = self.0.lock().await;
        if let Some((_, pauses)) = known.as_ref().filter(|(at, _)| (TimeDelta::zero()..FRESH).contains(&(now - *at))) {
            return Ok(Arc::clone(pauses));
        }
        let pauses: Arc<[Pause]> = ledger.pauses(now).await?.into();
        *known = Some((now, Arc::clone(&pauses)));
        Ok(pauses)
    }
}
