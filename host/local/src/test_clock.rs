//! `POST /test-clock {"advance": "P7D"}`: moves the test clock and fires the requests that fall due on the way, in order. A test of
//! a request for next week takes a second.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use http::StatusCode;
use postdate_core::api::{ApiError, Code};
use postdate_core::json::parse_object;
use postdate_core::time::{self, rfc3339};
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use crate::clock::Clock;
use crate::ledger::SqliteLedger;
use crate::timer::TimerHandle;

/// Name of the ledger's setting that stores the clock's time for the next start.
pub const SETTING: &str = "test-clock";
/// Interval at which an advance checks whether all due requests have ended.
const POLL: Duration = Duration::from_millis(2);
/// Time limit of one advance, in real time. A use case that retries without end would otherwise block it for ever.
const PATIENCE: Duration = Duration::from_mins(2);

/// Control over a test clock.
pub struct TestClock {
    ledger: SqliteLedger,
    wake: TimerHandle,
    hands: Arc<watch::Sender<DateTime<Utc>>>,
    /// Held during an advance: advances run one at a time.
    turn: Mutex<()>,
}

impl TestClock {
    /// Returns `None` if the server runs on the machine's clock.
    pub fn new(ledger: SqliteLedger, wake: TimerHandle, clock: &Clock) -> Option<Self> {
        match clock {
            Clock::System => None,
            Clock::Test(hands) => Some(Self { ledger, wake, hands: Arc::clone(hands), turn: Mutex::new(()) }),
        }
    }

    /// Returns the time at which the clock of the data directory stood at the last stop; `None` before the first start.
    pub async fn stood(ledger: &SqliteLedger) -> anyhow::Result<Option<DateTime<Utc>>> {
        let Some(stood) = ledger.setting(SETTING).await? else { return Ok(None) };
        let next = || format!("the data directory's test clock stands at {stood:?}: set it with --test-clock 2027-03-01T09:00:00Z");
        time::parse_time(&stood).with_context(next).map(Some)
    }

    /// Returns the time of the clock.
    pub fn time(&self) -> DateTime<Utc> {
        *self.hands.borrow()
    }

    /// Moves the clock by `{"advance": duration}` or to `{"to": time}`, and returns its new time. Fails if the body is malformed, the
    /// time is in the past, or the due requests do not end within [`PATIENCE`].
    pub async fn advance(&self, body: &[u8]) -> Result<DateTime<Utc>, ApiError> {
        let _turn = self.turn.lock().await;
        let now = *self.hands.borrow();
        let target = read_target(body, now)?;
        let work = self.step_to(target);
        let Ok(done) = tokio::time::timeout(PATIENCE, work).await else {
            let stands = rfc3339(*self.hands.borrow());
            let detail = format!("what fell due was not done after {PATIENCE:?}; the clock stands at {stands}");
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::TestClockStuck, detail));
        };
        done?;
        Ok(self.time())
    }

    /// Moves the clock from one due time to the next, and waits each time until all due requests have ended.
    async fn step_to(&self, target: DateTime<Utc>) -> Result<(), ApiError> {
        loop {
            let now = *self.hands.borrow();
            let wake = self.wake.clone();
            let outlook = self.ledger.outlook(now, move |lane| wake.opens(lane, now)).await?;
            if outlook.busy {
                tokio::time::sleep(POLL).await;
                continue;
            }
            let next = outlook.next.filter(|next| *next <= target).unwrap_or(target);
            self.ledger.set_setting(SETTING, rfc3339(next)).await?;
            self.hands.send_replace(next);
            if outlook.next.is_none_or(|next| next > target) {
                return Ok(());
            }
        }
    }
}

fn read_target(body: &[u8], now: DateTime<Utc>) -> Result<DateTime<Utc>, ApiError> {
    let usage = |detail: String| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::TestClockMalformed, detail);
    let value = parse_object(body).map_err(|error| usage(format!("the body {error}")))?;
    let target = match (value.get("advance"), value.get("to")) {
        (Some(Value::String(by)), None) if value.len() == 1 => time::after(now, time::parse_delay(by)?)
            .ok_or_else(|| usage(format!("{by:?} from {} is beyond {}", rfc3339(now), rfc3339(time::LATEST))))?,
        (None, Some(Value::String(to))) if value.len() == 1 => time::parse_time(to)?,
        _ => return Err(usage("give {\"advance\": \"P7D\"} or {\"to\": \"2027-03-01T09:00:00Z\"}".to_owned())),
    };
    if target < now {
        return Err(usage(format!("the clock stands at {} and cannot go back to {}", rfc3339(now), rfc3339(target))));
    }
    Ok(target)
}

#[cfg(test)]
mod tests;
