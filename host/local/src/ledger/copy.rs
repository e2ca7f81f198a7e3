//! Copies of a ledger in one file: SQLite's online backup, which a server may run through.

use std::path::Path;

use postdate_core::ports::LedgerError;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{MIGRATIONS, failed, pragma, read_only, unknown_version};

/// Pages that one step copies: 4 MiB.
const PAGES: i32 = 1024;

/// Copies the ledger at `from` to the file `to`, which is then no WAL file. The copy is the state at one moment. It delays no writer, but
/// the write-ahead log cannot begin again meanwhile.
pub fn copy(from: &Path, to: &Path) -> Result<(), LedgerError> {
    copy_from(&read_only(from)?, to).map_err(|error| failed(&error))
}

/// Copies the ledger that a connection has open: see [`copy`].
pub fn copy_from(source: &Connection, to: &Path) -> rusqlite::Result<()> {
    let mut copy = Connection::open(to)?;
    // The copy would begin again after each write of another connection, without a transaction that sees none of them.
    let snapshot = source.unchecked_transaction()?;
    pragma(source, "schema_version")?;
    {
        let backup = Backup::new(source, &mut copy)?;
        while backup.step(PAGES)? != StepResult::Done {}
    }
    drop(snapshot);
    copy.pragma_update(None, "journal_mode", "DELETE")
}

/// Checks that the file is a whole ledger of a schema that this program knows. Reads all of it.
pub fn check(path: &Path) -> Result<(), LedgerError> {
    let connection = read_only(path)?;
    let read = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).map_err(|error| failed(&error));
    let version = pragma(&connection, "user_version").map_err(|error| failed(&error))?;
    if version as usize > MIGRATIONS.len() {
        return Err(unknown_version(version));
    }
    let tables = read("SELECT CAST(count(*) AS TEXT) FROM sqlite_schema WHERE name IN ('requests', 'history', 'settings')")?;
    if version == 0 || tables != "3" {
        return Err(LedgerError::Failed(format!("{} is not a ledger", path.display())));
    }
    match read("PRAGMA integrity_check(1)")?.as_str() {
        "ok" => Ok(()),
        fault => Err(LedgerError::Failed(format!("{} is damaged: {fault}", path.display()))),
    }
}
