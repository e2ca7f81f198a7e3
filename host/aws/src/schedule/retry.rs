//! Tries of a call to EventBridge. The SDK's own are off for these clients: it does not know that two writers at once is
//! worth another try, and one layer of tries can be bounded.

use std::time::Duration;

use tokio::time::Instant;

use crate::fault::{Class, Fault};

const TRIES: u32 = 5;
/// The longest wait before the n-th repetition doubles from here on.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// No try begins later than this: API Gateway gives up after 30 s, and the client's answer has to be there by then.
const LONGEST: Duration = Duration::from_secs(8);

/// Repeats what may succeed when repeated. The last fault, if none did.
pub async fn patiently<T, F: Future<Output = Result<T, Fault>>>(call: impl Fn() -> F) -> Result<T, Fault> {
    let end = Instant::now() + LONGEST;
    let mut tries = 1;
    loop {
        let fault = match call().await {
            Err(fault) if fault.class == Class::Again => fault,
            settled => return settled,
        };
        let wait = jitter(FIRST_WAIT * 2_u32.pow(tries - 1));
        if tries == TRIES || Instant::now() + wait >= end {
            return Err(fault);
        }
        tracing::debug!(%fault, tries, "tried again");
        tokio::time::sleep(wait).await;
        tries += 1;
    }
}

/// From half of it to all of it, so that those who collided do not do so again.
fn jitter(longest: Duration) -> Duration {
    longest.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}
