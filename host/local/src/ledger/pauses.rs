//! Pauses: rows of a table, and a copy in memory for the timer.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use postdate_core::pause::{Pause, pause_of};
use postdate_core::ports::{LedgerError, Pauses};
use rusqlite::{Connection, params};

use super::rows::{millis, optional_time, time};
use super::{SqliteLedger, failed};

/// The pauses as the ledger has them. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Paused(Arc<RwLock<Vec<Pause>>>);

impl Paused {
    pub(super) fn read(connection: &Connection) -> Result<Self, LedgerError> {
        let all = all(connection).map_err(|error| failed(&error))?;
        Ok(Self(Arc::new(RwLock::new(all))))
    }

    /// Returns the pause that holds up requests for this target.
    pub fn pause_of(&self, use_case: &str, target: &str, now: DateTime<Utc>) -> Option<Pause> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // Mostly there is none.
        if all.is_empty() { None } else { pause_of(&all, use_case, target, now).cloned() }
    }

    fn all(&self) -> Vec<Pause> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, all: Vec<Pause>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

impl SqliteLedger {
    /// Returns the pauses, which follow every change of them.
    pub fn paused(&self) -> &Paused {
        &self.inner.paused
    }

    /// Changes the table, and then the copy. One change at a time, so that the copy follows the newest.
    async fn change_pauses<T: Send + 'static>(
        &self,
        mut change: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let _turn = self.inner.pausing.lock().await;
        let (changed, pauses) = self.write(move |connection| Ok((change(connection)?, all(connection)?))).await?;
        self.inner.paused.set(pauses);
        Ok(changed)
    }
}

impl Pauses for SqliteLedger {
    async fn pauses(&self, now: DateTime<Utc>) -> Result<Vec<Pause>, LedgerError> {
        let mut pauses = self.inner.paused.all();
        pauses.retain(|pause| pause.is_on(now));
        Ok(pauses)
    }

    async fn pause(&self, pause: Pause) -> Result<(), LedgerError> {
        let insert = move |connection: &Connection| {
            // Also removes pauses that have ended by themselves, so that the table stays small.
            connection.execute("DELETE FROM pauses WHERE until <= ?1", [millis(pause.since)])?;
            let Pause { use_case, target, since, until, by } = &pause;
            connection
                .execute(
                    "INSERT OR REPLACE INTO pauses VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![use_case, target.as_deref().unwrap_or_default(), millis(*since), until.map(millis), by],
                )
                .map(drop)
        };
        self.change_pauses(insert).await
    }

    async fn resume(&self, use_case: &str, target: Option<&str>) -> Result<bool, LedgerError> {
        let (use_case, target) = (use_case.to_owned(), target.map(str::to_owned));
        let delete = move |connection: &Connection| {
            let sql = "DELETE FROM pauses WHERE use_case = ?1 AND (?2 IS NULL OR target = ?2)";
            connection.execute(sql, params![use_case, target])
        };
        self.change_pauses(delete).await.map(|deleted| deleted > 0)
    }
}

/// Returns all pauses, sorted by use case and target, that of all targets first.
fn all(connection: &Connection) -> rusqlite::Result<Vec<Pause>> {
    connection
        .prepare_cached("SELECT use_case, target, since, until, caller FROM pauses ORDER BY use_case, target")?
        .query_map([], |row| {
            let target: String = row.get(1)?;
            Ok(Pause {
                use_case: row.get(0)?,
                target: Some(target).filter(|target| !target.is_empty()),
                since: time(row, 2)?,
                until: optional_time(row, 3)?,
                by: row.get(4)?,
            })
        })?
        .collect()
}
