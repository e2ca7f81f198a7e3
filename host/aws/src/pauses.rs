//! The pauses as one environment knows them.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::pause::Pause;
use postdate_core::ports::{LedgerError, Pauses};
use tokio::sync::Mutex;

/// Time for which the pauses are not read again. A pause takes effect everywhere within this time.
pub const FRESH: TimeDelta = TimeDelta::seconds(10);

/// The pauses that this environment has read. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct KnownPauses(Arc<Mutex<Option<Known>>>);

#[derive(Debug)]
struct Known {
    at: DateTime<Utc>,
    pauses: Arc<[Pause]>,
}

impl KnownPauses {
    /// Returns the pauses, which are read again if the last read is older than [`FRESH`]. Requests of one batch share a read.
    pub async fn get(&self, ledger: &impl Pauses, now: DateTime<Utc>) -> Result<Arc<[Pause]>, LedgerError> {
        let mut known = self.0.lock().await;
        if let Some(known) = known.as_ref().filter(|known| (TimeDelta::zero()..FRESH).contains(&(now - known.at))) {
            return Ok(Arc::clone(&known.pauses));
        }
        let pauses: Arc<[Pause]> = ledger.pauses(now).await?.into();
        *known = Some(Known { at: now, pauses: Arc::clone(&pauses) });
        Ok(pauses)
    }
}
