//! Rows of requests and their history: the SQL statements on both tables.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{self, Applied, Line};
use postdate_core::limits::{Rate, RateSlot};
use postdate_core::request::{Event, HistoryEntry, MAX_DETAIL_BYTES, MAX_HISTORY, NewRequest, Request, Waiting};
use postdate_core::text::cut;
use postdate_core::time::LATEST;
use postdate_core::use_case::MAX_LABELS;
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "seq, id, use_case, version, target, status, received_at, trigger_at, first_trigger_at, due_at, attempts, \
     failures, interruptions, lease_ms, lease_until, finished_at, result, failure, idempotency_hash, notice_of, \
     deferrals, waits_for, waits_since, owner, expire_after_ms, erased_at, trace, label_1, label_2, label_3, label_4, label_5";
/// Number of these columns; a statement's other values follow them.
pub(super) const COLUMN_COUNT: usize = 32;
/// Positions of the labels in a row.
const LABELS: std::ops::Range<usize> = 27..COLUMN_COUNT;
const _: () = assert!(LABELS.end - LABELS.start == MAX_LABELS, "each label needs a column");

/// Stores a request with the first line of its history. Returns false, and stores nothing, if its idempotency key is taken.
pub fn insert(connection: &Connection, new: &NewRequest) -> rusqlite::Result<bool> {
    let request = &new.request;
    let mut labels = request.labels.iter().map(|(name, value)| label(name, value));
    let inserted = connection
        .prepare_cached(
            "INSERT INTO requests (id, use_case, version, target, status, received_at, trigger_at, first_trigger_at, due_at, \
             attempts, failures, interruptions, lease_ms, idempotency_key, idempotency_hash, notice_of, body, owner, \
             expire_after_ms, trace, label_1, label_2, label_3, label_4, label_5) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, 0, 0, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22) \
             ON CONFLICT (use_case, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING",
        )?
        .execute(params![
            request.id.to_string(),
            request.use_case,
            request.version,
            request.target,
            request.status.as_str(),
            millis(request.received_at),
            millis(request.trigger_at),
            millis(request.first_trigger_at),
            millis(request.due_at),
            duration_millis(request.lease),
            new.idempotency_key,
            request.idempotency_hash,
            request.notice_of.map(|id| id.to_string()),
            new.body,
            request.owner,
            request.expire_after.map(duration_millis),
            request.trace.map(|trace| trace.to_string()),
            labels.next(),
            labels.next(),
            labels.next(),
            labels.next(),
            labels.next(),
        ])?;
    if inserted == 0 {
        return Ok(false);
    }
    let seq = connection.last_insert_rowid();
    write_line(connection, seq, 1, &lifecycle::accepted(request))?;
    Ok(true)
}

/// Stores a request as a change left it, with the line of history.
pub fn update(
    connection: &Connection,
    seq: i64,
    before: &Request,
    Applied { request: after, line, .. }: &Applied<'_>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE requests SET status = ?2, due_at = ?3, attempts = ?4, failures = ?5, interruptions = ?6, lease_until = ?7, \
             finished_at = ?8, result = ?9, failure = ?10, deferrals = ?11, waits_for = ?12, waits_since = ?13, expire_after_ms = ?14 \
             WHERE seq = ?1",
        )?
        .execute(params![
            seq,
            after.status.as_str(),
            millis(after.due_at),
            after.attempts,
            after.failures,
            after.interruptions,
            after.lease_until.map(millis),
            after.finished_at.map(millis),
            after.result,
            after.failure,
            after.deferrals,
            after.waiting.as_ref().map(|waiting| &waiting.on),
            after.waiting.as_ref().map(|waiting| millis(waiting.since)),
            after.expire_after.map(duration_millis),
        ])?;
    // A separate statement, because an update that names the column rewrites the indexes for lists.
    if after.trigger_at != before.trigger_at {
        connection.prepare_cached("UPDATE requests SET trigger_at = ?2 WHERE seq = ?1")?.execute(params![seq, millis(after.trigger_at)])?;
    }
    if let Line::Erase(_) = line {
        connection.prepare_cached("UPDATE history SET detail = NULL WHERE request = ?1")?.execute([seq])?;
    }
    if matches!(line, Line::ReplaceLast(_) | Line::RemoveLast) {
        connection
            .prepare_cached("DELETE FROM history WHERE request = ?1 AND n = (SELECT max(n) FROM history WHERE request = ?1)")?
            .execute([seq])?;
    }
    match line {
        Line::Add(entry) | Line::ReplaceLast(entry) | Line::Erase(entry) => append_history(connection, seq, entry),
        Line::RemoveLast | Line::Keep => Ok(()),
    }
}

/// Frees the request's idempotency key for another request.
pub fn free_key(connection: &Connection, seq: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE requests SET idempotency_key = NULL WHERE seq = ?1")?.execute([seq]).map(drop)
}

/// Returns a label as its column has it. A name has no `=`.
pub(super) fn label(name: &str, value: &str) -> String {
    [name, "=", value].concat()
}

/// Erases the body, the labels and the idempotency key of a request.
pub fn erase(connection: &Connection, seq: i64, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let sql = "UPDATE requests SET body = '', idempotency_key = NULL, idempotency_hash = NULL, erased_at = ?2, label_1 = NULL, \
         label_2 = NULL, label_3 = NULL, label_4 = NULL, label_5 = NULL WHERE seq = ?1 AND erased_at IS NULL";
    connection.prepare_cached(sql)?.execute(params![seq, millis(now)]).map(drop)
}

/// Returns the notices about a request.
pub fn notices_of(connection: &Connection, id: CorrelationId) -> rusqlite::Result<Vec<CorrelationId>> {
    let mut statement = connection.prepare_cached("SELECT id FROM requests WHERE notice_of = ?1")?;
    statement.query_map([id.to_string()], |row| parsed(row, 0))?.collect()
}

/// Stores the next free slot of a target's rate.
pub fn book(connection: &Connection, lane: &Lane, rate: Rate, free: RateSlot) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO rates VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![lane.use_case, lane.target, rate.to_string(), free]).map(drop)
}

/// Returns use case, target, rate and next free slot of each target that had a rate.
pub fn rates(connection: &Connection) -> rusqlite::Result<Vec<(String, String, Rate, RateSlot)>> {
    let mut statement = connection.prepare("SELECT use_case, target, rate, free FROM rates")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, parsed(row, 2)?, row.get(3)?)))?.collect()
}

/// Returns up to `limit` requests that ended at `until` or earlier, oldest first. Reads them as a whole, so that their pages are in memory
/// when the writer deletes them.
pub fn ended(connection: &Connection, until: DateTime<Utc>, limit: u32) -> rusqlite::Result<Vec<i64>> {
    connection.prepare_cached(ENDED)?.query_map(params![millis(until), limit], |row| row.get(0))?.collect()
}

pub(super) const ENDED: &str = "SELECT seq, length(body) + length(result), \
     (SELECT count(*) FROM history WHERE request = seq) FROM requests WHERE finished_at <= ?1 ORDER BY finished_at LIMIT ?2";

/// Deletes a request that ended at `until` or earlier, with its history. Returns the number of deleted requests: 0 if it was retried since.
pub fn delete_ended(connection: &Connection, seq: i64, until: DateTime<Utc>) -> rusqlite::Result<usize> {
    // The history first, since it refers to the request.
    connection
        .prepare_cached("DELETE FROM history WHERE request = ?1 AND EXISTS (SELECT 1 FROM requests WHERE seq = ?1 AND finished_at <= ?2)")?
        .execute(params![seq, millis(until)])?;
    connection.prepare_cached("DELETE FROM requests WHERE seq = ?1 AND finished_at <= ?2")?.execute(params![seq, millis(until)])
}

/// Adds a line to the history. Of more than [`MAX_HISTORY`], the first and the newest ones are kept.
fn append_history(connection: &Connection, seq: i64, entry: &HistoryEntry) -> rusqlite::Result<()> {
    let last = "SELECT coalesce(max(n), 0) FROM history WHERE request = ?1";
    let n: i64 = 1 + connection.prepare_cached(last)?.query_row([seq], |row| row.get::<_, i64>(0))?;
    write_line(connection, seq, n, entry)?;
    let surplus = n + 1 - i64::try_from(MAX_HISTORY).unwrap_or(i64::MAX);
    if surplus > 1 {
        connection.prepare_cached("DELETE FROM history WHERE request = ?1 AND n = ?2")?.execute([seq, surplus])?;
    }
    Ok(())
}

fn write_line(connection: &Connection, seq: i64, n: i64, entry: &HistoryEntry) -> rusqlite::Result<()> {
    let detail = entry.detail.clone().map(|text| cut(text, MAX_DETAIL_BYTES));
    connection
        .prepare_cached("INSERT INTO history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![seq, n, millis(entry.at), entry.event.as_str(), entry.status.as_str(), entry.attempt, detail, entry.by])
        .map(drop)
}

/// Returns the request with its row number.
pub fn find(connection: &Connection, id: CorrelationId) -> rusqlite::Result<Option<(i64, Request)>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM requests WHERE id = ?1"))?
        .query_row([id.to_string()], read_request)
        .optional()
}

/// Returns the body as it was accepted.
pub fn body(connection: &Connection, id: CorrelationId) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT body FROM requests WHERE id = ?1 AND erased_at IS NULL")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()
}

/// Returns the request that has the idempotency key.
pub fn find_by_key(connection: &Connection, use_case: &str, key: &str) -> rusqlite::Result<Option<Request>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM requests WHERE use_case = ?1 AND idempotency_key = ?2"))?
        .query_row([use_case, key], read_request)
        .optional()
        .map(|found| found.map(|(_, request)| request))
}

/// Returns the lines of a request's history, oldest first.
pub fn history(connection: &Connection, seq: i64) -> rusqlite::Result<Vec<HistoryEntry>> {
    connection
        .prepare_cached("SELECT at, event, status, attempt, detail, caller FROM history WHERE request = ?1 ORDER BY n")?
        .query_map([seq], |row| {
            let event: String = row.get(1)?;
            let event = Event::ALL.into_iter().find(|known| known.as_str() == event).ok_or_else(|| unreadable(1, &event))?;
            Ok(HistoryEntry {
                at: time(row, 0)?,
                event,
                status: parsed(row, 2)?,
                attempt: row.get(3)?,
                detail: row.get(4)?,
                by: row.get(5)?,
            })
        })?
        .collect()
}

/// The scheduled requests of one use case for one target, which wait in the order of their due times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub use_case: String,
    pub target: String,
    /// The earliest due time.
    pub due_at: DateTime<Utc>,
}

/// The lane after the target ?2 of the use case ?1. One comparison of both columns, `(use_case, target) > (?1, ?2)`, would be the same, but
/// SQLite reads all requests of the lane ?1, ?2 for it.
pub(super) const NEXT_TARGET: &str = "SELECT use_case, target, due_at FROM requests WHERE status = 'scheduled' \
     AND use_case = ?1 AND target > ?2 ORDER BY target, due_at LIMIT 1";
/// The first lane after the use case ?1.
pub(super) const NEXT_USE_CASE: &str = "SELECT use_case, target, due_at FROM requests WHERE status = 'scheduled' \
     AND use_case > ?1 ORDER BY use_case, target, due_at LIMIT 1";

/// Returns every lane. Reads two entries of the index for each.
pub fn lanes(connection: &Connection) -> rusqlite::Result<Vec<Lane>> {
    let (mut next_target, mut next_use_case) = (connection.prepare_cached(NEXT_TARGET)?, connection.prepare_cached(NEXT_USE_CASE)?);
    let read = |row: &Row<'_>| Ok(Lane { use_case: row.get(0)?, target: row.get(1)?, due_at: time(row, 2)? });
    let mut lanes: Vec<Lane> = Vec::new();
    loop {
        // No name is empty, so every lane is after the empty ones.
        let (use_case, target) = lanes.last().map_or(("", ""), |lane| (lane.use_case.as_str(), lane.target.as_str()));
        let lane = match next_target.query_row([use_case, target], read).optional()? {
            Some(lane) => lane,
            None => match next_use_case.query_row([use_case], read).optional()? {
                Some(lane) => lane,
                None => return Ok(lanes),
            },
        };
        lanes.push(lane);
    }
}

/// The number of requests in the lane ?1, ?2 that are due at ?3, up to ?4.
pub(super) const DUE: &str = "SELECT count(*) FROM (SELECT 1 FROM requests WHERE status = 'scheduled' \
     AND use_case = ?1 AND target = ?2 AND due_at <= ?3 LIMIT ?4)";

/// Returns the number of requests in the lane that are due at `now`, counted up to `limit`.
pub fn due(connection: &Connection, lane: &Lane, now: DateTime<Utc>, limit: usize) -> rusqlite::Result<u64> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let count = |row: &Row<'_>| row.get::<_, i64>(0).map(i64::unsigned_abs);
    connection.prepare_cached(DUE)?.query_row(params![lane.use_case, lane.target, millis(now), limit], count)
}

/// The first request in a lane.
pub struct LaneHead {
    pub seq: i64,
    pub request: Request,
    pub body: String,
    /// Due time of the request behind it.
    pub next: Option<DateTime<Utc>>,
}

/// Returns the first request in a lane.
pub fn head(connection: &Connection, lane: &Lane) -> rusqlite::Result<Option<LaneHead>> {
    connection.prepare_cached(&head_sql())?.query_row([&lane.use_case, &lane.target], read_head).optional()
}

/// Returns the statement of [`head`]. Its parameters are use case and target.
pub(super) fn head_sql() -> String {
    let lane = "FROM requests WHERE status = 'scheduled' AND use_case = ?1 AND target = ?2 ORDER BY due_at, seq LIMIT 1";
    format!("SELECT {COLUMNS}, body, (SELECT due_at {lane} OFFSET 1) {lane}")
}

fn read_head(row: &Row<'_>) -> rusqlite::Result<LaneHead> {
    let (seq, request) = read_request(row)?;
    Ok(LaneHead { seq, request, body: row.get(COLUMN_COUNT)?, next: optional_time(row, COLUMN_COUNT + 1)? })
}

/// The requests that have expired by ?1, at most ?2. The condition is that of their index.
pub(super) const EXPIRED: &str = "WHERE status = 'scheduled' AND attempts = 0 AND expire_after_ms IS NOT NULL \
     AND trigger_at + expire_after_ms <= ?1 ORDER BY trigger_at + expire_after_ms LIMIT ?2";

/// Returns requests whose first attempt has not begun in time, those first that expired first.
pub fn expired(connection: &Connection, now: DateTime<Utc>, limit: u32) -> rusqlite::Result<Vec<Request>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM requests {EXPIRED}"))?
        .query_map(params![millis(now), limit], |row| Ok(read_request(row)?.1))?
        .collect()
}

/// Returns the running requests whose lease expired by `now`, or all running requests with `None`.
pub fn abandoned(connection: &Connection, now: Option<DateTime<Utc>>) -> rusqlite::Result<Vec<Request>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM requests WHERE status = 'running' AND lease_until <= ?1 ORDER BY due_at, seq"))?
        .query_map([now.map_or(i64::MAX, millis)], |row| Ok(read_request(row)?.1))?
        .collect()
}

/// Returns the requests that run, or that are due at `now`.
pub fn begun_or_due(connection: &Connection, now: DateTime<Utc>) -> rusqlite::Result<Vec<CorrelationId>> {
    let sql = "SELECT id FROM requests WHERE status = 'running' OR (status = 'scheduled' AND due_at <= ?1)";
    connection.prepare(sql)?.query_map([millis(now)], |row| parsed(row, 0))?.collect()
}

/// Returns the held requests, or those of one use case, in the order of their acceptance.
pub fn held(connection: &Connection, use_case: Option<&str>) -> rusqlite::Result<Vec<CorrelationId>> {
    let sql = "SELECT id FROM requests WHERE status = 'scheduled' AND due_at = ?1 AND waits_for IS NOT NULL \
         AND (?2 IS NULL OR use_case = ?2) ORDER BY seq";
    connection.prepare(sql)?.query_map(params![millis(LATEST), use_case], |row| parsed(row, 0))?.collect()
}

pub fn any_running(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM requests WHERE status = 'running')")?.query_row([], |row| row.get(0))
}

pub(super) fn read_request(row: &Row<'_>) -> rusqlite::Result<(i64, Request)> {
    let request = Request {
        id: parsed(row, 1)?,
        use_case: row.get(2)?,
        version: row.get(3)?,
        target: row.get(4)?,
        status: parsed(row, 5)?,
        received_at: time(row, 6)?,
        trigger_at: time(row, 7)?,
        first_trigger_at: time(row, 8)?,
        due_at: time(row, 9)?,
        attempts: row.get(10)?,
        failures: row.get(11)?,
        interruptions: row.get(12)?,
        lease: duration(row.get(13)?),
        lease_until: optional_time(row, 14)?,
        finished_at: optional_time(row, 15)?,
        expire_after: row.get::<_, Option<i64>>(24)?.map(duration),
        result: row.get(16)?,
        failure: row.get(17)?,
        // One machine has one kind of schedule.
        schedule: None,
        idempotency_hash: row.get(18)?,
        deferrals: row.get(20)?,
        waiting: match (row.get(21)?, optional_time(row, 22)?) {
            (Some(on), Some(since)) => Some(Waiting { on, since }),
            _ => None,
        },
        owner: row.get(23)?,
        labels: read_labels(row)?,
        erased_at: optional_time(row, 25)?,
        notice_of: row.get::<_, Option<String>>(19)?.map(|id| id.parse().map_err(|_| unreadable(19, &id))).transpose()?,
        trace: row.get::<_, Option<String>>(26)?.and_then(|text| text.parse().ok()),
    };
    Ok((row.get(0)?, request))
}

/// Returns the labels of a row, whose columns are filled from the first.
fn read_labels(row: &Row<'_>) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for column in LABELS {
        let Some(text) = row.get::<_, Option<String>>(column)? else { break };
        let (name, value) = text.split_once('=').ok_or_else(|| unreadable(column, &text))?;
        labels.insert(name.to_owned(), value.to_owned());
    }
    Ok(labels)
}

pub(super) fn millis(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

fn duration_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    let millis: i64 = row.get(column)?;
    DateTime::from_timestamp_millis(millis).ok_or_else(|| unreadable(column, &millis.to_string()))
}

pub(super) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<DateTime<Utc>>> {
    if row.get::<_, Option<i64>>(column)?.is_none() { Ok(None) } else { time(row, column).map(Some) }
}

pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| unreadable(column, &text))
}

fn unreadable(column: usize, value: &str) -> rusqlite::Error {
    let error = FromSqlError::Other(format!("the ledger has {value:?}, which is not valid in this column").into());
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
