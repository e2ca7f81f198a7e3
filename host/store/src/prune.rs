//! Deletes versions that are not needed.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use postdate_runtime::artifacts::ARTIFACTS_FILE;
use postdate_runtime::trust::{Envelope, Trust};

use crate::error::StoreError;
use crate::objects::{Objects, When};
use crate::statement::Statement;
use crate::versions::{Versions, statement_key};

/// A version that may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    pub version: String,
    /// `None` if the statement cannot be read, for example after an interrupted upload.
    pub statement: Option<Statement>,
}

impl<S: Objects> Versions<S> {
    /// Returns the versions that are not current, not among the `keep` newest others, not `needed`, and were neither pushed nor current
    /// since `before`. The newest come first. Versions without a readable statement come last: their age is unknown, and their push may
    /// not be complete.
    pub async fn idle(&self, name: &str, before: DateTime<Utc>, keep: usize, needed: &BTreeSet<String>) -> Result<Vec<Idle>, StoreError> {
        let (current, _) = self.current(name).await?;
        let mut others = Vec::new();
        for version in self.versions(name).await?.into_iter().filter(|version| *version != current.version) {
            let statement = self.readable_statement(name, &version).await?.map(|(statement, _)| statement);
            others.push(Idle { version, statement });
        }
        others.sort_by_key(|other| Reverse(other.statement.as_ref().map(|statement| statement.pushed_at)));
        let served_since = |version: &str| current.former.iter().any(|former| former.version == version && former.until > before);
        let is_idle = |(newer, other): &(usize, Idle)| {
            let is_old = other.statement.as_ref().is_none_or(|statement| *newer >= keep && statement.pushed_at <= before);
            is_old && !needed.contains(&other.version) && !served_since(&other.version)
        };
        Ok(others.into_iter().enumerate().filter(is_idle).map(|(_, other)| other).collect())
    }

    /// Returns `None` if there is no statement, or if it cannot be read.
    async fn readable_statement(&self, name: &str, version: &str) -> Result<Option<(Statement, Envelope)>, StoreError> {
        match self.statement(name, version, &Trust::default()).await {
            Ok(found) => Ok(Some(found)),
            Err(StoreError::NoSuchVersion { .. } | StoreError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a version. Fails if it has become current. Deletes its statement first, so that a later push of the same files writes all
    /// of them again.
    pub async fn delete(&self, name: &str, version: &str) -> Result<(), StoreError> {
        let kept = self.readable_statement(name, version).await?;
        self.objects.delete(&statement_key(name, version)).await?;
        let (current, _) = self.current(name).await?;
        if current.version == version {
            if let Some((_, envelope)) = kept {
                // The write is refused if the push that made the version current has written the statement again.
                self.objects.put(&statement_key(name, version), envelope.to_json().into(), When::Absent).await?;
            }
            let location = self.objects.describe(name);
            return Err(StoreError::Moved { location, now: current.version, by: current.by });
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
                    self.objects.delete(&key).await?;
                }
            }
        }
        Ok(())
    }
}
