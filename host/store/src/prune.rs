//! Deleting versions that nobody needs.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use postdate_runtime::trust::{Envelope, Trust};

use crate::versions::statement_key;
use crate::{Objects, Statement, StoreError, Versions, When};

/// A version that may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    pub version: String,
    /// None where the statement cannot be read, as of an upload that was cut off.
    pub statement: Option<Statement>,
}

impl<S: Objects> Versions<S> {
    /// The versions that are not current, and have neither been pushed nor served since `before`; without those `needed`. One
    /// whose push was cut off is told by nothing, and listed only if it is not `needed` either.
    pub async fn idle(&self, name: &str, before: DateTime<Utc>, needed: &BTreeSet<String>) -> Result<Vec<Idle>, StoreError> {
        let (current, _) = self.current(name).await?;
        let served_since = |version: &str| current.former.iter().any(|former| former.version == version && former.until > before);
        let mut idle = Vec::new();
        for version in self.versions(name).await? {
            if version == current.version || needed.contains(&version) || served_since(&version) {
                continue;
            }
            let statement = match self.statement(name, &version, &Trust::default()).await {
                Ok((statement, _)) => Some(statement),
                Err(StoreError::NoSuchVersion { .. } | StoreError::Damaged { .. }) => None,
                Err(error) => return Err(error),
            };
            if statement.as_ref().is_none_or(|statement| statement.pushed_at <= before) {
                idle.push(Idle { version, statement });
            }
        }
        Ok(idle)
    }

    /// Deletes a version, unless it has become current. Its statement goes first: from then on a push of the same files brings
    /// all of them again.
    pub async fn delete(&self, name: &str, version: &str) -> Result<(), StoreError> {
        let kept: Option<Envelope> = self.statement(name, version, &Trust::default()).await.ok().map(|(_, envelope)| envelope);
        self.objects.delete(&statement_key(name, version)).await?;
        let (current, _) = self.current(name).await?;
        if current.version == version {
            if let Some(envelope) = kept {
                // Where it is refused, the push that made it current has written it again.
                self.objects.put(&statement_key(name, version), envelope.to_json().into(), When::Absent).await?;
            }
            let place = self.objects.place(name);
            return Err(StoreError::Moved { place, now: current.version, by: current.by });
        }
        // Prefixes are followed one by one: there are few, and a listing of all keys would have no bound.
        let mut prefixes = vec![format!("{name}/{version}")];
        while let Some(prefix) = prefixes.pop() {
            for child in self.objects.children(&prefix).await? {
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
