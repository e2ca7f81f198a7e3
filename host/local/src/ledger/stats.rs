//! The use of a ledger's file: rows and bytes by table, and by use case and status.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::ports::LedgerError;
use rusqlite::{Connection, Row};
use serde::Serialize;

use super::{INCREMENTAL, checkpoint, failed, pragma, read_migrated, rows};

/// Requests that one transaction reads. A long transaction would keep a server's write-ahead log from its restart.
const CHUNK: i64 = 2_000;
/// Pause after each chunk, which leaves a server most of the disk's time.
const PAUSE: Duration = Duration::from_millis(1);

/// Sizes in a ledger. The bytes of rows are those of their values. The bytes of indexes, and of a page's part beside rows, are in
/// `other_bytes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Version of the schema.
    pub schema: u32,
    /// Size of the database file, with its free pages.
    pub file_bytes: u64,
    /// Free pages. New requests use them first.
    pub free_bytes: u64,
    /// True if a server gives free pages back to the disk. If not, the file shrinks only when it is compacted.
    pub gives_back: bool,
    /// Size of the write-ahead log.
    pub wal_bytes: u64,
    pub requests: Size,
    pub history: Size,
    pub other_bytes: u64,
    /// The requests by use case and status, the largest group first.
    pub groups: Vec<Group>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    pub rows: u64,
    pub bytes: u64,
}

/// The requests of one use case with one status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub use_case: String,
    pub status: String,
    pub requests: u64,
    /// Bytes of bodies, results and the other values.
    pub bytes: u64,
    pub history_lines: u64,
    pub history_bytes: u64,
    pub oldest_received_at: DateTime<Utc>,
    /// The earliest end; `None` for requests that have not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_finished_at: Option<DateTime<Utc>>,
}

/// The last request of a chunk that begins after ?1.
const LAST: &str = "SELECT max(seq) FROM (SELECT seq FROM requests WHERE seq > ?1 ORDER BY seq LIMIT ?2)";
/// The groups of the requests after ?1 up to ?2. `octet_length` needs only the header of a row, and not the pages of a long value. A
/// row's numbers have about 80 bytes, and those of a line of history 16.
pub(super) const GROUPS: &str = "SELECT use_case, status, count(*), sum(80 + octet_length(id) + octet_length(use_case) + octet_length(version) \
     + octet_length(target) + octet_length(status) + octet_length(body) + coalesce(octet_length(result), 0) \
     + coalesce(octet_length(failure), 0) + coalesce(octet_length(idempotency_key), 0) \
     + coalesce(octet_length(idempotency_hash), 0) + coalesce(octet_length(notice_of), 0) + coalesce(octet_length(owner), 0) \
     + coalesce(octet_length(trace), 0) + coalesce(octet_length(waits_for), 0) + coalesce(octet_length(label_1), 0) \
     + coalesce(octet_length(label_2), 0) + coalesce(octet_length(label_3), 0) + coalesce(octet_length(label_4), 0) \
     + coalesce(octet_length(label_5), 0)), \
     sum((SELECT count(*) FROM history WHERE request = seq)), \
     coalesce(sum((SELECT sum(16 + octet_length(event) + octet_length(status) + coalesce(octet_length(detail), 0)) \
     FROM history WHERE request = seq)), 0), min(received_at), min(finished_at) \
     FROM requests WHERE seq > ?1 AND seq <= ?2 GROUP BY use_case, status";

impl Stats {
    /// Measures the ledger at `path`, which a server may use meanwhile. Writes nothing. Reads it in short transactions, so the numbers
    /// are not of one moment. Fails if the schema is not that of this program.
    pub fn of(path: &Path) -> Result<Self, LedgerError> {
        let wal_bytes = checkpoint::size(&checkpoint::log_of(path));
        measure(&read_migrated(path)?, wal_bytes).map_err(|error| failed(&error))
    }
}

fn measure(connection: &Connection, wal_bytes: u64) -> rusqlite::Result<Stats> {
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    let (mut last_of, mut groups_of) = (connection.prepare(LAST)?, connection.prepare(GROUPS)?);
    let mut after = i64::MIN;
    while let Some(last) = last_of.query_row([after, CHUNK], |row| row.get::<_, Option<i64>>(0))? {
        for group in groups_of.query_map([after, last], read_group)? {
            let group = group?;
            match groups.get_mut(&(group.use_case.clone(), group.status.clone())) {
                Some(known) => known.add(&group),
                None => drop(groups.insert((group.use_case.clone(), group.status.clone()), group)),
            }
        }
        after = last;
        std::thread::sleep(PAUSE);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.bytes + group.history_bytes));
    let sum = |of: fn(&Group) -> u64| -> u64 { groups.iter().map(of).sum() };
    let requests = Size { rows: sum(|group| group.requests), bytes: sum(|group| group.bytes) };
    let history = Size { rows: sum(|group| group.history_lines), bytes: sum(|group| group.history_bytes) };
    let page = u64::from(pragma(connection, "page_size")?);
    let file_bytes = u64::from(pragma(connection, "page_count")?) * page;
    let free_bytes = u64::from(pragma(connection, "freelist_count")?) * page;
    Ok(Stats {
        schema: pragma(connection, "user_version")?,
        file_bytes,
        free_bytes,
        gives_back: pragma(connection, "auto_vacuum")? == INCREMENTAL,
        wal_bytes,
        requests,
        history,
        other_bytes: file_bytes.saturating_sub(free_bytes + requests.bytes + history.bytes),
        groups,
    })
}

fn read_group(row: &Row<'_>) -> rusqlite::Result<Group> {
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Group {
        use_case: row.get(0)?,
        status: row.get(1)?,
        requests: number(2)?,
        bytes: number(3)?,
        history_lines: number(4)?,
        history_bytes: number(5)?,
        oldest_received_at: rows::time(row, 6)?,
        oldest_finished_at: rows::optional_time(row, 7)?,
    })
}

impl Group {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.history_lines += other.history_lines;
        self.history_bytes += other.history_bytes;
        self.oldest_received_at = self.oldest_received_at.min(other.oldest_received_at);
        self.oldest_finished_at = self.oldest_finished_at.into_iter().chain(other.oldest_finished_at).min();
    }
}
