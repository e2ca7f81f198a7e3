//! Commands on the ledger of a data directory, beside those of its server.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, SubsecRound as _, Utc};
use rusqlite::{Connection, OptionalExtension as _};

use crate::data_dir::{self, LEDGER_FILE};
use crate::ledger::{self, Stats};
use crate::test_clock;

/// Measures the ledger. A server may run.
pub fn stats(data: &Path) -> anyhow::Result<Stats> {
    Ok(Stats::of(&ledger_of(data)?)?)
}

/// Rebuilds the ledger's file without free pages. Fails if a server runs. Returns the sizes before and after, in bytes.
pub fn compact(data: &Path) -> anyhow::Result<(u64, u64)> {
    let path = ledger_of(data)?;
    let _lock = data_dir::open(data)?;
    let size = || std::fs::metadata(&path).map(|metadata| metadata.len()).with_context(|| format!("cannot read {}", path.display()));
    let before = size()?;
    ledger::compact(&path)?;
    Ok((before, size()?))
}

/// Makes all held requests due, or those of one use case. A server may run. Returns their number. Fails if the ledger's schema is not that
/// of this program.
pub fn resume(data: &Path, use_case: Option<&str>) -> anyhow::Result<usize> {
    let path = ledger_of(data)?;
    let now = now_of(&ledger::read_migrated(&path)?)?;
    Ok(ledger::resume(&path, use_case, now)?)
}

/// Returns the path of the ledger. Fails if there is none.
pub fn ledger_of(data: &Path) -> anyhow::Result<PathBuf> {
    let path = data.join(LEDGER_FILE);
    ensure!(path.is_file(), "there is no ledger in {}: name the data directory with --data", data.display());
    Ok(path)
}

/// Returns the time by the ledger's clock: that of its test clock, if it has one.
pub fn now_of(ledger: &Connection) -> anyhow::Result<DateTime<Utc>> {
    let setting =
        |name: &str| ledger.query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get::<_, String>(0)).optional();
    match (setting(crate::CLOCK_SETTING)?.as_deref(), setting(test_clock::SETTING)?) {
        (Some(crate::TEST_CLOCK), Some(stood)) => Ok(postdate_core::time::parse_time(&stood)?),
        _ => Ok(Utc::now().trunc_subsecs(3)),
    }
}
