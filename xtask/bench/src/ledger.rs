//! Direct access to the ledger's file: to fill it, to read results, and as a baseline.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::request::{Event, Status};
use postdate_local::ledger::SqliteLedger;
use rusqlite::{Connection, OpenFlags, params};
use rustix::fs::Advice;

use crate::fixture::{VALIDATED, body};

/// Lease of a claim in milliseconds, as the ledger stores it for the default timeout of a process plugin.
const LEASE_MS: i64 = 40_000;

/// Creates a ledger, and opens it with its writer's pragmas. SQLite makes the checkpoints.
pub fn create(path: &Path) -> anyhow::Result<Connection> {
    // The ledger makes its own schema, so that the baseline always has the same one.
    drop(SqliteLedger::open(path)?);
    let connection = Connection::open(path).with_context(|| format!("cannot make {}", path.display()))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    Ok(connection)
}

/// The place of a request to insert.
#[derive(Debug, Clone, Copy)]
pub struct Lane<'a> {
    pub use_case: &'a str,
    pub version: &'a str,
    pub target: &'a str,
}

/// The place of the baseline's requests.
const LANE: Lane<'static> = Lane { use_case: VALIDATED, version: "a-version", target: "here" };

/// Commits batches of `batch` requests on one thread for `time`. Returns the inserted requests per second.
pub fn group_commits_per_second(connection: &mut Connection, batch: usize, time: Duration) -> anyhow::Result<f64> {
    let trigger_at = crate::fixture::far_ahead();
    let started = Instant::now();
    let mut inserted = 0_u32;
    while started.elapsed() < time {
        let transaction = connection.transaction()?;
        for _ in 0..batch {
            insert(&transaction, LANE, Utc::now(), trigger_at, inserted)?;
            inserted += 1;
        }
        transaction.commit()?;
    }
    Ok(f64::from(inserted) / started.elapsed().as_secs_f64())
}

/// Returns the times of small durable appends to this disk, a lower bound for every commit of a ledger on it.
pub fn fsync_times(path: &Path) -> anyhow::Result<Vec<Duration>> {
    const TIMES: usize = 300;
    // As many pages as a commit of the ledger writes.
    let pages = [0x5a_u8; 4 * 4096];
    let mut file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        file.write_all(&pages)?;
        let started = Instant::now();
        file.sync_data()?;
        times.push(started.elapsed());
    }
    Ok(times)
}

/// Adds `count` scheduled requests to a ledger that no server has open. Their due times are spread evenly over `spread` after
/// `first`; the order of acceptance differs from the order of due times.
pub fn fill(path: &Path, lane: Lane<'_>, count: u32, first: DateTime<Utc>, spread: Duration) -> anyhow::Result<()> {
    let mut connection = Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    // Durability is not needed: the file is made for one measure.
    connection.pragma_update(None, "journal_mode", "OFF")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -1_048_576)?;
    connection.set_prepared_statement_cache_capacity(8);
    let transaction = connection.transaction()?;
    let now = Utc::now();
    for number in 0..count {
        // Multiples of a prime that does not divide the count reach every place once.
        let place = u32::try_from(u64::from(number) * 7_919_993 % u64::from(count))?;
        let trigger_at = first + spread / count * place;
        let received_at = now - Duration::from_millis(u64::from(count - number));
        insert(&transaction, lane, received_at, trigger_at, number)?;
    }
    transaction.commit()?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    drop(connection);
    // The sync keeps pending writes out of the measure. The advice drops the file from the page cache, as after a reboot.
    let file = File::open(path)?;
    file.sync_all()?;
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    Ok(())
}

/// Ends all requests of a ledger that no server has open, `ago` before now.
pub fn end_all(path: &Path, ago: Duration) -> anyhow::Result<()> {
    let connection = Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let end = (Utc::now() - ago).timestamp_millis();
    connection.execute("UPDATE requests SET status = ?1, finished_at = ?2", params![Status::Succeeded.as_str(), end])?;
    Ok(())
}

/// Beginning of the names that [`spread`] gives, before a number from 0 on.
pub const SPREAD: &str = "use-case-";

/// Spreads the requests of a ledger that no server has open over use cases, and those of each over the statuses of a list.
pub fn spread(path: &Path, use_cases: u32) -> anyhow::Result<()> {
    let connection = Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    connection.execute("UPDATE requests SET use_case = ?1 || (seq % ?2)", params![SPREAD, use_cases])?;
    for (number, status) in Status::ALL.iter().filter(|status| status.is_end()).enumerate() {
        let end = "UPDATE requests SET status = ?1, finished_at = trigger_at WHERE seq / ?2 % 5 = ?3";
        connection.execute(end, params![status.as_str(), use_cases, u32::try_from(number)?])?;
    }
    Ok(())
}

/// Inserts a request and the first line of its history, as the ledger does.
fn insert(
    connection: &Connection,
    Lane { use_case, version, target }: Lane<'_>,
    received_at: DateTime<Utc>,
    trigger_at: DateTime<Utc>,
    number: u32,
) -> rusqlite::Result<()> {
    let (received, due) = (received_at.timestamp_millis(), trigger_at.timestamp_millis());
    let id = CorrelationId::new(received_at, rand::random());
    connection
        .prepare_cached(
            "INSERT INTO requests (id, use_case, version, target, status, received_at, trigger_at, first_trigger_at, due_at, \
             attempts, failures, interruptions, lease_ms, body) VALUES (?1, ?2, ?3, ?9, ?4, ?5, ?6, ?6, ?6, 0, 0, 0, ?7, ?8)",
        )?
        .execute(params![
            id.to_string(),
            use_case,
            version,
            Status::Scheduled.as_str(),
            received,
            due,
            LEASE_MS,
            body(trigger_at, number),
            target,
        ])?;
    connection
        .prepare_cached("INSERT INTO history (request, n, at, event, status, attempt) VALUES (?1, 1, ?2, ?3, ?4, 0)")?
        .execute(params![connection.last_insert_rowid(), received, Event::Accepted.as_str(), Status::Scheduled.as_str()])?;
    Ok(())
}

/// A read-only connection to a ledger that a server has open.
pub struct Reader(Connection);

impl Reader {
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| format!("cannot read {}", path.display()))?;
        connection.busy_timeout(Duration::from_secs(10))?;
        Ok(Self(connection))
    }

    /// Returns the version that accepted the last request of a use case. Fails if there is no request.
    pub fn version(&self, use_case: &str) -> anyhow::Result<String> {
        let last = "SELECT version FROM requests WHERE use_case = ?1 ORDER BY seq DESC LIMIT 1";
        self.0.query_row(last, [use_case], |row| row.get(0)).with_context(|| format!("the ledger has no request of {use_case}"))
    }

    /// Returns the number of scheduled and running requests. Reads only an index, so that it hardly disturbs the measured server.
    pub fn unfinished(&self) -> anyhow::Result<i64> {
        let count =
            "SELECT (SELECT count(*) FROM requests WHERE status = 'scheduled') + (SELECT count(*) FROM requests WHERE status = 'running')";
        Ok(self.0.query_row(count, [], |row| row.get(0))?)
    }

    /// Returns the ids of scheduled requests of a use case. Fails if there are not this many.
    pub fn scheduled_ids(&self, use_case: &str, count: u32) -> anyhow::Result<Vec<String>> {
        let mut statement = self.0.prepare("SELECT id FROM requests WHERE use_case = ?1 AND status = 'scheduled' LIMIT ?2")?;
        let ids = statement.query_map(params![use_case, count], |row| row.get(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        anyhow::ensure!(ids.len() == count as usize, "{} requests of {use_case} are scheduled, instead of {count}", ids.len());
        Ok(ids)
    }

    /// Returns the number of requests with a status.
    pub fn with_status(&self, status: Status) -> anyhow::Result<i64> {
        Ok(self.0.query_row("SELECT count(*) FROM requests WHERE status = ?1", [status.as_str()], |row| row.get(0))?)
    }

    /// Returns the number of requests with a status that a version accepted.
    pub fn of_version(&self, version: &str, status: Status) -> anyhow::Result<i64> {
        let count = "SELECT count(*) FROM requests WHERE version = ?1 AND status = ?2";
        Ok(self.0.query_row(count, [version, status.as_str()], |row| row.get(0))?)
    }

    /// Returns the milliseconds from trigger time to the end of the attempt, for each ended request.
    pub fn lateness_of_ends(&self) -> anyhow::Result<Vec<f64>> {
        self.milliseconds("SELECT finished_at - trigger_at FROM requests WHERE finished_at IS NOT NULL", [])
    }

    /// Returns the milliseconds from trigger time to start, for each attempt.
    pub fn lateness_of_starts(&self) -> anyhow::Result<Vec<f64>> {
        let starts =
            "SELECT history.at - requests.trigger_at FROM history JOIN requests ON requests.seq = history.request WHERE history.event = ?1";
        self.milliseconds(starts, [Event::Started.as_str()])
    }

    /// Returns the milliseconds from trigger time to start, for each attempt at a target of a use case.
    pub fn lateness_of_starts_at(&self, use_case: &str, target: &str) -> anyhow::Result<Vec<f64>> {
        let starts = "SELECT history.at - requests.trigger_at FROM requests JOIN history ON requests.seq = history.request \
             WHERE requests.use_case = ?1 AND requests.target = ?2 AND history.event = ?3";
        self.milliseconds(starts, [use_case, target, Event::Started.as_str()])
    }

    /// Returns the milliseconds from trigger time to start, for each attempt of a request that ended since `first`.
    pub fn lateness_of_starts_since(&self, first: DateTime<Utc>) -> anyhow::Result<Vec<f64>> {
        let starts = "SELECT history.at - requests.trigger_at FROM requests JOIN history ON requests.seq = history.request \
             WHERE requests.finished_at >= ?1 AND requests.finished_at IS NOT NULL AND history.event = ?2";
        self.milliseconds(starts, params![first.timestamp_millis(), Event::Started.as_str()])
    }

    /// Returns the number of scheduled requests for a target.
    pub fn scheduled_at(&self, target: &str) -> anyhow::Result<i64> {
        let count = "SELECT count(*) FROM requests WHERE status = 'scheduled' AND target = ?1";
        Ok(self.0.query_row(count, [target], |row| row.get(0))?)
    }

    fn milliseconds(&self, sql: &str, values: impl rusqlite::Params) -> anyhow::Result<Vec<f64>> {
        let mut statement = self.0.prepare(sql)?;
        let values = statement.query_map(values, |row| row.get::<_, i32>(0).map(f64::from))?.collect::<rusqlite::Result<_>>()?;
        Ok(values)
    }
}

#[cfg(test)]
mod tests;
