//! Reads a store: the current version, all versions, and their files.

use bytes::Bytes;
use postdate_core::bundle::{BundleSource, FileEntry, is_version};
use postdate_core::use_case::{MANIFEST_FILE, UseCase, is_use_case_name};
use postdate_runtime::trust::{SignedEnvelope, Trust};
use postdate_runtime::{MAX_FILE_BYTES, MAX_MANIFEST_BYTES};

use crate::current::Current;
use crate::error::StoreError;
use crate::objects::{Got, Objects, StoredObject};
use crate::statement::{Statement, StatementError};

pub(crate) const STATEMENT_FILE: &str = "bundle.json";
/// The object that names the current version of a use case.
pub const CURRENT_FILE: &str = "current";
const MAX_CURRENT_BYTES: u64 = 64 << 10;

/// The versions of use cases in a store of objects. The caller checks names and versions: see [`is_use_case_name`] and
/// [`is_version`].
#[derive(Debug, Clone)]
pub struct Versions<S> {
    pub(crate) objects: S,
}

/// The result of [`Versions::look`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// `etag` is the tag for the next look.
    Current {
        current: Current,
        etag: String,
    },
    /// The object still has the given tag.
    Same,
    NoSuchUseCase,
}

impl<S: Objects> Versions<S> {
    pub fn new(objects: S) -> Self {
        Self { objects }
    }

    pub fn objects(&self) -> &S {
        &self.objects
    }

    /// Looks for the current version. `etag` is the tag of an earlier look.
    pub async fn look(&self, name: &str, etag: Option<&str>) -> Result<Look, StoreError> {
        let key = current_key(name);
        match self.objects.get(&key, etag, MAX_CURRENT_BYTES).await? {
            Got::Same => Ok(Look::Same),
            Got::Missing => Ok(Look::NoSuchUseCase),
            Got::Object(StoredObject { content, etag }) => {
                let current = Current::parse(&content).map_err(|reason| StoreError::damaged(self.objects.describe(&key), reason))?;
                Ok(Look::Current { current, etag })
            }
        }
    }

    /// Returns the current version of a use case. Fails if there is none.
    pub async fn current(&self, name: &str) -> Result<(Current, String), StoreError> {
        match self.look(name, None).await? {
            Look::Current { current, etag } => Ok((current, etag)),
            Look::Same | Look::NoSuchUseCase => Err(StoreError::NoSuchUseCase(name.to_owned())),
        }
    }

    /// Returns the current version of a use case; `None` if it has none, like the copies that a server keeps of plain directories. Fails
    /// if the store has no version of it either.
    pub async fn current_if_any(&self, name: &str) -> Result<Option<Current>, StoreError> {
        match self.look(name, None).await? {
            Look::Current { current, .. } => Ok(Some(current)),
            Look::Same | Look::NoSuchUseCase if self.versions(name).await?.is_empty() => Err(StoreError::NoSuchUseCase(name.to_owned())),
            Look::Same | Look::NoSuchUseCase => Ok(None),
        }
    }

    /// Returns the use cases of the store, sorted.
    pub async fn names(&self) -> Result<Vec<String>, StoreError> {
        let children = self.objects.children("").await?;
        let mut names: Vec<_> =
            children.into_iter().filter(|child| child.is_prefix && is_use_case_name(&child.name)).map(|child| child.name).collect();
        names.sort();
        Ok(names)
    }

    /// Returns the versions of a use case, sorted by hash, including a version whose push is not complete.
    pub async fn versions(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let children = self.objects.children(name).await?;
        let mut versions: Vec<_> =
            children.into_iter().filter(|child| child.is_prefix && is_version(&child.name)).map(|child| child.name).collect();
        versions.sort();
        Ok(versions)
    }

    /// Returns the list of a version's files, and its envelope. Fails if `trust` does not accept the list.
    pub async fn statement(&self, name: &str, version: &str, trust: &Trust) -> Result<(Statement, SignedEnvelope), StoreError> {
        let key = statement_key(name, version);
        let Got::Object(stored) = self.objects.get(&key, None, MAX_MANIFEST_BYTES).await? else {
            return Err(StoreError::NoSuchVersion { name: name.to_owned(), version: version.to_owned() });
        };
        let opened = SignedEnvelope::parse(&stored.content)
            .map_err(StatementError::from)
            .and_then(|envelope| Ok((Statement::open(&envelope, trust, name, version)?, envelope)));
        opened.map_err(|reason| StoreError::damaged(self.objects.describe(&key), reason))
    }

    /// Returns all files of a version. Fails if one does not match the statement.
    pub async fn source(&self, name: &str, version: &str, trust: &Trust) -> Result<BundleSource, StoreError> {
        let (statement, _) = self.statement(name, version, trust).await?;
        let mut source = BundleSource::default();
        for (file, entry) in &statement.files {
            source.files.insert(file.clone(), self.file(name, version, file, entry).await?);
        }
        Ok(source)
    }

    /// Returns the manifest of a version. Fails if it does not match the statement.
    pub async fn use_case(&self, name: &str, version: &str, trust: &Trust) -> Result<UseCase, StoreError> {
        let (statement, _) = self.statement(name, version, trust).await?;
        let location = || self.objects.describe(&format!("{name}/{version}/{MANIFEST_FILE}"));
        let entry = statement.files.get(MANIFEST_FILE).ok_or_else(|| StoreError::Missing { location: location() })?;
        let content = self.file(name, version, MANIFEST_FILE, entry).await?;
        let text = std::str::from_utf8(&content).map_err(|_| StoreError::damaged(location(), "is not UTF-8"))?;
        UseCase::parse_stored(text).map_err(|error| StoreError::damaged(location(), format!("is not a manifest: {error}")))
    }

    /// Returns a file. Fails if it does not match the statement.
    pub async fn file(&self, name: &str, version: &str, file: &str, entry: &FileEntry) -> Result<Bytes, StoreError> {
        let key = format!("{name}/{version}/{file}");
        let content = self.existing(&key, MAX_FILE_BYTES).await?.content;
        if FileEntry::of(&content) != *entry {
            return Err(StoreError::damaged(self.objects.describe(&key), "is not what was pushed: push the bundle again to mend it"));
        }
        Ok(content)
    }

    pub(crate) async fn existing(&self, key: &str, most: u64) -> Result<StoredObject, StoreError> {
        match self.objects.get(key, None, most).await? {
            Got::Object(stored) => Ok(stored),
            Got::Same | Got::Missing => Err(StoreError::Missing { location: self.objects.describe(key) }),
        }
    }
}

pub(crate) fn statement_key(name: &str, version: &str) -> String {
    format!("{name}/{version}/{STATEMENT_FILE}")
}

/// Prefix of a use case's marks: see [`Versions::prune`](crate::Versions::prune).
pub(crate) fn marks_prefix(name: &str) -> String {
    format!("{name}/unused")
}

pub(crate) fn mark_key(name: &str, version: &str) -> String {
    format!("{}/{version}", marks_prefix(name))
}

pub(crate) fn current_key(name: &str) -> String {
    format!("{name}/{CURRENT_FILE}")
}
