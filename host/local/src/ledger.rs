//! The ledger on one machine: a SQLite file in WAL mode.
//!
//! One thread writes. It commits all changes that were queued since its last commit in one transaction, so many callers share one
//! fsync (`synchronous = FULL`). Each caller gets its answer after the commit of its change. Readers have their own threads and
//! connections; lists, which are long, have others than look-ups, which accepted requests wait for.

mod backlog;
mod checkpoint;
mod claims;
mod condition;
mod copy;
mod deletion;
mod feed;
mod hold;
mod lists;
mod pauses;
mod read;
mod rows;
mod stats;
mod writer;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{self, Change};
use postdate_core::ports::{Changed, Changes, Inserted, Intake, LedgerError, LedgerState, Requests};
use postdate_core::request::{HistoryEntry, NewRequest, Page, Query, Request};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};

use crate::metrics::Metrics;
use crate::supervise::Fatal;
pub use backlog::LaneBacklog;
pub use claims::{Due, Picked};
use condition::{Condition, Measure, is_locked};
pub use copy::{check, copy};
use feed::Feed;
pub use hold::{hold_due, resume};
pub use pauses::Paused;
use read::Readers;
pub use rows::Lane;
pub use stats::{Group, Size, Stats};
use writer::Writer;

/// Migrations: entry `n` turns a file of schema version `n` into one of version `n + 1`. Version 0 is an empty file.
const MIGRATIONS: [&str; 9] = [
    include_str!("ledger/schema.sql"),
    include_str!("ledger/schema-2.sql"),
    include_str!("ledger/schema-3.sql"),
    include_str!("ledger/schema-4.sql"),
    include_str!("ledger/schema-5.sql"),
    include_str!("ledger/schema-6.sql"),
    include_str!("ledger/schema-7.sql"),
    include_str!("ledger/schema-8.sql"),
    include_str!("ledger/schema-9.sql"),
];

/// A handle on the ledger; clones share the file, the writer and the readers.
#[derive(Clone)]
pub struct SqliteLedger {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    condition: Arc<Condition>,
    metrics: Metrics,
    feed: Feed,
    paused: Paused,
    /// Held during a change of the pauses.
    pausing: tokio::sync::Mutex<()>,
    // Before the writer, whose stop moves all pages to the database file.
    _checkpointer: checkpoint::Checkpointer,
    readers: Readers,
    lists: Readers,
    writer: Writer,
    // Last: a process that closes a file loses its locks on it, also those of SQLite's connections.
    _database: Arc<File>,
}

/// SQLite's number of the mode in which free pages can be given back in small steps.
const INCREMENTAL: u32 = 2;
/// How long a connection waits for a lock of another one.
const BUSY: Duration = Duration::from_secs(10);
/// Longest wait of a call for the end of a request. Common proxies end a connection without data after 60 s.
const LONGEST_WAIT: Duration = Duration::from_secs(50);
/// Maximum number of concurrent look-ups. A few suffice because they are short.
const LOOK_UPS: usize = 4;
/// Maximum number of concurrent lists.
const LISTS: usize = 2;

impl SqliteLedger {
    /// Opens or creates the file and migrates an older schema. Fails for a file of a newer schema version.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_with(path, 0, Fatal::default())
    }

    /// Opens the file with a reserve: with fewer free bytes on its disk, the ledger takes no new requests. Reports a panic of a thread to
    /// `fatal`.
    pub(crate) fn open_with(path: &Path, reserve: u64, fatal: Fatal) -> Result<Self, LedgerError> {
        let directory = path.parent().unwrap_or_else(|| Path::new(".")).to_owned();
        Self::open_on(path, reserve, fatal, condition::disk(directory))
    }

    fn open_on(path: &Path, reserve: u64, fatal: Fatal, measure: Measure) -> Result<Self, LedgerError> {
        let is_log_left = checkpoint::size(&checkpoint::log_of(path)) > 0;
        let connection = open_up_to_date(path)?;
        let condition = Arc::new(Condition::new(reserve, fatal));
        if is_log_left {
            // A killed server may have left what it erased in the log.
            condition.erased();
        }
        let metrics = Metrics::default();
        let paused = Paused::read(&connection)?;
        // Closed after the connections, see `Inner`: `writer` has the one that was opened before.
        let database = File::open(path).map(Arc::new).map_err(|error| cannot_open(path, &error))?;
        let writer = Writer::start(connection, Arc::clone(&condition), metrics.clone())?;
        let checkpointer = checkpoint::Checkpointer::start(path, Arc::clone(&database), &condition, measure, writer.prober())?;
        let (readers, lists) = (Readers::start(path, LOOK_UPS)?, Readers::start(path, LISTS)?);
        let path = path.to_owned();
        let inner = Inner {
            path,
            condition,
            metrics,
            feed: Feed::default(),
            paused,
            pausing: tokio::sync::Mutex::default(),
            _checkpointer: checkpointer,
            readers,
            lists,
            writer,
            _database: database,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the metrics of the server, in which the ledger counts what it stores.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Returns why nothing new is stored.
    pub fn refusal(&self) -> Option<LedgerError> {
        let condition = &self.inner.condition;
        condition.stuck().map(LedgerError::Unavailable).or_else(|| condition.state().refuses.map(LedgerError::Full))
    }

    /// Runs `work` in the next transaction and returns after its commit.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.inner.writer.write(work).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.inner.readers.read(&self.inner.path, work).await
    }

    /// Returns the outcome of an insert, and counts a new request. `taken` is the request that has the idempotency key of `new`.
    fn inserted(&self, taken: Option<Request>, new: &NewRequest) -> Inserted {
        if let Some(first) = taken {
            return Inserted::Taken(Box::new(first));
        }
        self.metrics().accepted(&new.request);
        self.inner.feed.send(&new.request);
        Inserted::New
    }

    /// Returns a setting of the server.
    pub async fn setting(&self, name: &'static str) -> Result<Option<String>, LedgerError> {
        self.read(move |connection| connection.query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0)).optional())
            .await
    }

    /// Stores a setting of the server.
    pub async fn set_setting(&self, name: &'static str, value: String) -> Result<(), LedgerError> {
        self.write(move |connection| {
            connection
                .execute("INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2", params![name, value])
                .map(drop)
        })
        .await
    }

    /// Returns whether the ledger has no request.
    pub async fn is_empty(&self) -> Result<bool, LedgerError> {
        self.read(|connection| connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM requests)", [], |row| row.get(0))).await
    }
}

impl Intake for SqliteLedger {
    async fn find_by_key(&self, use_case: &str, key: &str) -> Result<Option<Request>, LedgerError> {
        let (use_case, key) = (use_case.to_owned(), key.to_owned());
        self.read(move |connection| rows::find_by_key(connection, &use_case, &key)).await
    }

    fn state(&self) -> LedgerState {
        self.inner.condition.state()
    }

    async fn insert(&self, new: Arc<NewRequest>) -> Result<Inserted, LedgerError> {
        if let Some(reason) = self.inner.condition.refusal() {
            return Err(LedgerError::Full(reason));
        }
        let shared = Arc::clone(&new);
        let taken = self.write(move |connection| insert(connection, &shared)).await?;
        Ok(self.inserted(taken, &new))
    }

    /// Makes one write, of which no part remains if one fails.
    async fn insert_all(&self, new: Vec<Arc<NewRequest>>) -> Vec<Result<Inserted, LedgerError>> {
        let shared = new.clone();
        let insert_each = move |connection: &Connection| shared.iter().map(|new| insert(connection, new)).collect();
        let taken = match self.inner.condition.refusal() {
            Some(reason) => Err(LedgerError::Full(reason)),
            None => self.write::<Vec<_>>(insert_each).await,
        };
        match taken {
            Ok(taken) => taken.into_iter().zip(&new).map(|(taken, new)| Ok(self.inserted(taken, new))).collect(),
            Err(error) => vec![Err(error); new.len()],
        }
    }
}

impl Requests for SqliteLedger {
    async fn find(&self, id: CorrelationId) -> Result<Option<(Request, Vec<HistoryEntry>)>, LedgerError> {
        self.read(move |connection| {
            let Some((seq, request)) = rows::find(connection, id)? else { return Ok(None) };
            Ok(Some((request, rows::history(connection, seq)?)))
        })
        .await
    }

    async fn body(&self, id: CorrelationId) -> Result<Option<String>, LedgerError> {
        self.read(move |connection| rows::body(connection, id)).await
    }

    async fn list(&self, query: Query) -> Result<Page, LedgerError> {
        self.inner.lists.read(&self.inner.path, move |connection| lists::list(connection, &query, lists::MAX_READ)).await
    }

    async fn wait_for_end(&self, id: CorrelationId, time: Duration) {
        self.end_of(id, time).await;
    }

    fn longest_wait(&self) -> Duration {
        LONGEST_WAIT
    }
}

impl Changes for SqliteLedger {
    async fn change(&self, id: CorrelationId, change: Change, now: DateTime<Utc>) -> Result<Changed, LedgerError> {
        let change = Arc::new(change);
        let stored = Arc::clone(&change);
        let changed = self.write(move |connection| change_request(connection, id, &change, now)).await?;
        if let Changed::Done(after) = &changed {
            // The repeat of an erasure changes nothing.
            if !matches!(*stored, Change::Erase { .. }) || after.erased_at == Some(now) {
                self.metrics().changed(&stored, after);
            }
            self.inner.feed.send(after);
            if let Some(notice) = stored.notice().filter(|_| after.status.is_end()) {
                self.inner.feed.send(&notice.request);
            }
            if after.erased_at.is_some() {
                self.inner.condition.erased();
            }
        }
        Ok(changed)
    }
}

/// Returns the request that has the idempotency key, in whose place nothing was inserted.
fn insert(connection: &Connection, new: &NewRequest) -> rusqlite::Result<Option<Request>> {
    match (rows::insert(connection, new)?, &new.idempotency_key) {
        (true, _) | (false, None) => Ok(None),
        (false, Some(key)) => {
            let first = rows::find_by_key(connection, &new.request.use_case, key)?;
            first.map(Some).ok_or(rusqlite::Error::QueryReturnedNoRows)
        }
    }
}

fn change_request(connection: &Connection, id: CorrelationId, change: &Change, now: DateTime<Utc>) -> rusqlite::Result<Changed> {
    let Some((seq, request)) = rows::find(connection, id)? else { return Ok(Changed::NotFound) };
    let applied = match lifecycle::apply(&request, change, now) {
        Ok(applied) => applied,
        Err(refusal) => return Ok(Changed::Refused(request, refusal)),
    };
    rows::update(connection, seq, &request, &applied)?;
    if matches!(change, Change::Abort { .. }) {
        rows::free_key(connection, seq)?;
    }
    if matches!(change, Change::Erase { .. }) {
        erase(connection, seq, id, change, now)?;
    }
    if let Some(notice) = applied.notice {
        rows::insert(connection, notice)?;
    }
    Ok(Changed::Done(applied.request))
}

/// Erases what the columns of a request do not show, and the notices of its end, whose bodies quote it. A notice that is being delivered
/// stays, and is deleted after the retention.
fn erase(connection: &Connection, seq: i64, id: CorrelationId, change: &Change, now: DateTime<Utc>) -> rusqlite::Result<()> {
    rows::erase(connection, seq, now)?;
    for notice in rows::notices_of(connection, id)? {
        change_request(connection, notice, change, now)?;
    }
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, LedgerError> {
    open(path).map_err(|error| cannot_open(path, &error))
}

/// Opens a connection that writes nothing, for programs beside the server. Fails if the file is not there.
pub fn read_only(path: &Path) -> Result<Connection, LedgerError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        pragma(&connection, "user_version")?;
        Ok(connection)
    };
    open().map_err(|error| cannot_open(path, &error))
}

fn cannot_open(path: &Path, error: &dyn std::fmt::Display) -> LedgerError {
    LedgerError::Failed(format!("cannot open {}: {error}", path.display()))
}

/// Opens a connection with the settings that all parts of the ledger use.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // Only an empty file takes it, before any other write. `compact` converts an older file.
    if pragma(&connection, "page_count")? == 0 {
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Overwrites what is deleted or replaced: an erased body would otherwise stay in the free parts of pages.
    connection.pragma_update(None, "secure_delete", true)?;
    // A separate thread makes the checkpoints: see `checkpoint`.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", checkpoint::CUT_TO.cast_signed())?;
    // A negative size is in KiB.
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Else SQLite prepares a cached statement again at each use if its plan could depend on a parameter, which takes longer than most
    // statements here.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Returns the value of a pragma that is a number.
fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Opens the ledger at `path`. Copies an older ledger to a file beside it, named after its schema version, and brings it up to date.
fn open_up_to_date(path: &Path) -> Result<Connection, LedgerError> {
    let connection = connect(path)?;
    let version = pragma(&connection, "user_version").map_err(|error| failed(&error))?;
    if (1..MIGRATIONS.len()).contains(&(version as usize)) {
        keep_former(&connection, path, version)?;
    }
    migrate(&connection)?;
    Ok(connection)
}

/// Opens a copy of a ledger, and brings it up to date.
pub fn open_copy(path: &Path) -> Result<Connection, LedgerError> {
    let connection = connect(path)?;
    migrate(&connection)?;
    Ok(connection)
}

/// Rebuilds the file without free pages, and so that later ones can be given back in small steps. Needs as much free space as the file
/// has, on its disk and in SQLite's directory of temporary files, and locks the file for the whole time.
pub fn compact(path: &Path) -> Result<(), LedgerError> {
    let connection = open_up_to_date(path)?;
    let rebuild = "PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)";
    connection.execute_batch(rebuild).map_err(|error| failed(&error))
}

fn migrate(connection: &Connection) -> Result<(), LedgerError> {
    let version = pragma(connection, "user_version").map_err(|error| failed(&error))?;
    let (done, newest) = (version as usize, MIGRATIONS.len());
    if done > newest {
        return Err(unknown_version(version));
    }
    for (migration, to) in MIGRATIONS.iter().zip(1..).skip(done) {
        let batch = format!("BEGIN; {migration} PRAGMA user_version = {to}; COMMIT;");
        connection.execute_batch(&batch).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Copies the ledger before its migration. Replaces the copy of an earlier attempt.
fn keep_former(connection: &Connection, path: &Path, version: u32) -> Result<(), LedgerError> {
    let former = PathBuf::from(format!("{}.schema-{version}", path.display()));
    let draft = former.with_added_extension("draft");
    let keep = || {
        // A draft of a copy that was cut off.
        let _ = std::fs::remove_file(&draft);
        copy::copy_from(connection, &draft).map_err(|error| failed(&error).to_string())?;
        std::fs::rename(&draft, &former).map_err(|error| error.to_string())
    };
    keep().map_err(|error| {
        let _ = std::fs::remove_file(&draft);
        LedgerError::Failed(format!("cannot copy the ledger to {} before its migration: {error}", former.display()))
    })?;
    tracing::warn!(copy = %former.display(), "the ledger has an older schema and is migrated; delete its copy when it is not needed any more");
    Ok(())
}

/// Opens a connection as [`read_only`] does. Fails unless the ledger has the newest schema that this program knows, since programs beside
/// the server do not migrate it.
pub fn read_migrated(path: &Path) -> Result<Connection, LedgerError> {
    let connection = read_only(path)?;
    let version = pragma(&connection, "user_version").map_err(|error| failed(&error))?;
    let newest = MIGRATIONS.len();
    match (version as usize).cmp(&newest) {
        Ordering::Equal => Ok(connection),
        Ordering::Greater => Err(unknown_version(version)),
        Ordering::Less => Err(LedgerError::Failed(format!(
            "the ledger has schema version {version}, and this program needs version {newest}: start the server once with this program, \
             which migrates the ledger"
        ))),
    }
}

fn unknown_version(version: u32) -> LedgerError {
    let newest = MIGRATIONS.len();
    LedgerError::Failed(format!(
        "the ledger has schema version {version}, and this program knows versions up to {newest}: run the newer Postdate that wrote it, \
         or go back to the copy that it made before the migration, ledger.sqlite.schema-{newest} or older"
    ))
}

/// Returns `Full` for a full disk, `Unavailable` for other transient errors, and `Failed` for the rest. Clients see the error, so it does
/// not name the file.
fn failed(error: &rusqlite::Error) -> LedgerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LedgerError::Full("its disk is full".to_owned()),
        _ if is_locked(error) => LedgerError::Unavailable(error.to_string()),
        // Without a free file descriptor, SQLite cannot open its files.
        Some(ErrorCode::CannotOpen) => LedgerError::Unavailable("its file cannot be opened".to_owned()),
        _ => LedgerError::Failed(error.to_string()),
    }
}
