//! Holds requests, and resumes them. A program beside the server may resume: it writes in short transactions of its own.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::Change;
use postdate_core::ports::{Changed, LedgerError};
use rusqlite::{Connection, TransactionBehavior};

use super::{change_request, connect, failed, rows};

/// Requests that one transaction changes. A longer one would keep a server's writer waiting.
const CHUNK: usize = 200;
/// Least pause between two transactions. A server's writer waits for the lock by trying again, and would hardly find it free.
const PAUSE: Duration = Duration::from_millis(10);

/// Holds all requests that run or are due at `now`, notices included. Returns their number.
pub fn hold_due(connection: &mut Connection, now: DateTime<Utc>, reason: &str) -> rusqlite::Result<usize> {
    let ids = rows::begun_or_due(connection, now)?;
    // No server uses the ledger yet, so nobody needs a pause.
    change_all(connection, &ids, &Change::Hold { reason: reason.to_owned() }, now, |_| {})
}

/// Makes all held requests of the ledger at `path`, or those of one use case, due at `now`, in the order of their acceptance. A running
/// server starts them within a second or two, and can write for half of the time. Returns their number. The caller has checked the schema.
pub fn resume(path: &Path, use_case: Option<&str>, now: DateTime<Utc>) -> Result<usize, LedgerError> {
    let mut connection = connect(path)?;
    let mut run = || {
        let ids = rows::held(&connection, use_case)?;
        change_all(&mut connection, &ids, &Change::Retry { by: None }, now, |took| thread::sleep(took.max(PAUSE)))
    };
    run().map_err(|error| failed(&error))
}

/// Makes a change of each request. Calls `pause` between two transactions with the time for which the last one locked the ledger. Returns
/// the number of requests that allowed the change.
fn change_all(
    connection: &mut Connection,
    ids: &[CorrelationId],
    change: &Change,
    now: DateTime<Utc>,
    pause: impl Fn(Duration),
) -> rusqlite::Result<usize> {
    let (mut made, mut last) = (0, None);
    for chunk in ids.chunks(CHUNK) {
        if let Some(took) = last {
            pause(took);
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let begun = Instant::now();
        for id in chunk {
            made += usize::from(matches!(change_request(&transaction, *id, change, now)?, Changed::Done(_)));
        }
        transaction.commit()?;
        last = Some(begun.elapsed());
    }
    Ok(made)
}

#[cfg(test)]
mod tests;
