//! Holds requests, and resumes them. A program beside the server may resume: it writes in short transactions of its own.

use std::path::Path;

use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::Change;
use postdate_core::ports::{Changed, LedgerError};
use rusqlite::{Connection, TransactionBehavior};

use super::{change_request, connect, failed, rows};

/// Requests that one transaction changes. A longer one would keep a server's writer waiting.
const CHUNK: usize = 200;

/// Holds all requests that run or are due at `now`, notices included. Returns their number.
pub fn hold_due(connection: &mut Connection, now: DateTime<Utc>, reason: &str) -> rusqlite::Result<usize> {
    let ids = rows::begun_or_due(connection, now)?;
    change_all(connection, &ids, &Change::Hold { reason: reason.to_owned() }, now)
}

/// Makes all held requests of the ledger at `path`, or those of one use case, due at `now`, in the order of their acceptance. A running
/// server starts them within a second or two. Returns their number.
pub fn resume(path: &Path, use_case: Option<&str>, now: DateTime<Utc>) -> Result<usize, LedgerError> {
    let mut connection = connect(path)?;
    let mut run = || {
        let ids = rows::held(&connection, use_case)?;
        change_all(&mut connection, &ids, &Change::Retry { by: None }, now)
    };
    run().map_err(|error| failed(&error))
}

/// Makes a change of each request. Returns the number of requests that allowed it.
fn change_all(connection: &mut Connection, ids: &[CorrelationId], change: &Change, now: DateTime<Utc>) -> rusqlite::Result<usize> {
    let mut made = 0;
    for chunk in ids.chunks(CHUNK) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for id in chunk {
            made += usize::from(matches!(change_request(&transaction, *id, change, now)?, Changed::Done(_)));
        }
        transaction.commit()?;
    }
    Ok(made)
}
