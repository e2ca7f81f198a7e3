//! Deletes versions that are not needed: a first call marks a version, and a call at least [`MARKED_FOR`] later deletes it, unless a push
//! or a rollback has cleared the mark.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::time::{parse_time, rfc3339};
use postdate_runtime::artifacts::ARTIFACTS_FILE;
use postdate_runtime::trust::{SignedEnvelope, Trust};

use crate::error::StoreError;
use crate::objects::{Got, Objects, When};
use crate::statement::Statement;
use crate::versions::{Versions, mark_key, marks_prefix, statement_key};

/// Time between the mark of a version and its deletion: longer than any push takes, and than a host works with what it has loaded.
pub const MARKED_FOR: TimeDelta = TimeDelta::days(1);
/// Largest mark, in bytes.
const MAX_MARK_BYTES: u64 = 1 << 10;

/// A version that may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    pub version: String,
    /// `None` if the statement cannot be read, for example after an interrupted upload.
    pub statement: Option<Statement>,
    /// Time of the mark; `None` if the version is not marked.
    pub marked: Option<DateTime<Utc>>,
}

/// The result of [`Versions::prune`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// The version is marked, since `since`. It can be deleted [`MARKED_FOR`] later.
    Marked {
        since: DateTime<Utc>,
    },
    Deleted,
}

impl Idle {
    /// Returns whether the mark is old enough for [`Versions::prune`] to delete the version.
    pub fn is_ripe(&self, now: DateTime<Utc>) -> bool {
        self.marked.is_some_and(|since| since + MARKED_FOR <= now)
    }
}

impl<S: Objects> Versions<S> {
    /// Returns the versions that are not current, not among the `keep` newest others, not `needed`, and were neither pushed nor current
    /// since `before`. The newest come first. Versions without a readable statement come last: their age is unknown, and their push may
    /// not be complete.
    pub async fn idle(&self, name: &str, before: DateTime<Utc>, keep: usize, needed: &BTreeSet<String>) -> Result<Vec<Idle>, StoreError> {
        let current = self.current_if_any(name).await?;
        let is_current = |version: &str| current.as_ref().is_some_and(|current| current.version == version);
        let mut others = Vec::new();
        for version in self.versions(name).await?.into_iter().filter(|version| !is_current(version)) {
            let statement = self.readable_statement(name, &version).await?.map(|(statement, _)| statement);
            let marked = self.mark(name, &version).await?;
            others.push(Idle { version, statement, marked });
        }
        others.sort_by_key(|other| Reverse(other.statement.as_ref().map(|statement| statement.pushed_at)));
        let former = current.iter().flat_map(|current| &current.former);
        let served_since: BTreeSet<&str> = former.filter(|former| former.until > before).map(|former| former.version.as_str()).collect();
        let is_idle = |(newer, other): &(usize, Idle)| {
            let is_old = other.statement.as_ref().is_none_or(|statement| *newer >= keep && statement.pushed_at <= before);
            is_old && !needed.contains(&other.version) && !served_since.contains(other.version.as_str())
        };
        Ok(others.into_iter().enumerate().filter(is_idle).map(|(_, other)| other).collect())
    }

    /// Marks a version that [`idle`](Self::idle) returned, or deletes it if its mark is older than [`MARKED_FOR`]. Fails if the version has
    /// come into use meanwhile.
    pub async fn prune(&self, name: &str, idle: &Idle, now: DateTime<Utc>) -> Result<Pruned, StoreError> {
        if idle.is_ripe(now) {
            self.delete(name, &idle.version).await?;
            return Ok(Pruned::Deleted);
        }
        if let Some(since) = idle.marked {
            return Ok(Pruned::Marked { since });
        }
        self.put_content(&mark_key(name, &idle.version), rfc3339(now).into()).await?;
        Ok(Pruned::Marked { since: now })
    }

    /// Clears the mark of each version that is not idle any more.
    pub async fn keep_all_but(&self, name: &str, idle: &[Idle]) -> Result<(), StoreError> {
        for marked in self.objects.children(&marks_prefix(name)).await? {
            if !idle.iter().any(|idle| idle.version == marked.name) {
                self.objects.delete(&mark_key(name, &marked.name)).await?;
            }
        }
        Ok(())
    }

    /// Clears the mark of a version, if it has one. Looks first, since most pushers need no permission to delete.
    pub(crate) async fn unmark(&self, name: &str, version: &str) -> Result<(), StoreError> {
        let key = mark_key(name, version);
        match self.objects.get(&key, None, MAX_MARK_BYTES).await {
            Ok(Got::Missing) => Ok(()),
            Ok(_) | Err(StoreError::TooLarge { .. }) => self.objects.delete(&key).await,
            Err(error) => Err(error),
        }
    }

    /// Returns the time of a version's mark; `None` without a mark, or if it cannot be read.
    async fn mark(&self, name: &str, version: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        let Got::Object(stored) = self.objects.get(&mark_key(name, version), None, MAX_MARK_BYTES).await? else { return Ok(None) };
        Ok(std::str::from_utf8(&stored.content).ok().and_then(|text| parse_time(text.trim()).ok()))
    }

    /// Returns `None` if there is no statement, or if it cannot be read.
    async fn readable_statement(&self, name: &str, version: &str) -> Result<Option<(Statement, SignedEnvelope)>, StoreError> {
        match self.statement(name, version, &Trust::default()).await {
            Ok(found) => Ok(Some(found)),
            Err(StoreError::NoSuchVersion { .. } | StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a marked version. Fails if it has become current, or if its mark was cleared. Deletes its statement first, so that a later
    /// push of the same files writes all of them again.
    async fn delete(&self, name: &str, version: &str) -> Result<(), StoreError> {
        let kept = self.readable_statement(name, version).await?;
        self.objects.delete(&statement_key(name, version)).await?;
        let is_current = self.current_if_any(name).await?.is_some_and(|current| current.version == version);
        if is_current || self.mark(name, version).await?.is_none() {
            if let Some((_, envelope)) = kept {
                // The write is refused if the push that made the version current has written the statement again.
                self.objects.put(&statement_key(name, version), envelope.to_json().into(), When::Absent).await?;
            }
            return Err(self.in_use(name, version));
        }
        // Lists each prefix separately: there are few, and a list of all keys would have no bound.
        let mut prefixes = vec![format!("{name}/{version}")];
        while let Some(prefix) = prefixes.pop() {
            let mut children = self.objects.children(&prefix).await?;
            // Deletes the list before its files, so that a push after an interruption sees that the machine code is missing.
            children.sort_by_key(|child| child.name != ARTIFACTS_FILE);
            for child in children {
                let key = format!("{prefix}/{}", child.name);
                if child.is_prefix {
                    prefixes.push(key);
                } else {
                    // A push may have begun meanwhile. It writes again what was deleted before.
                    if self.mark(name, version).await?.is_none() {
                        return Err(self.in_use(name, version));
                    }
                    self.objects.delete(&key).await?;
                }
            }
        }
        self.objects.delete(&mark_key(name, version)).await
    }

    fn in_use(&self, name: &str, version: &str) -> StoreError {
        StoreError::InUse { location: self.objects.describe(&format!("{name}/{version}")) }
    }
}
