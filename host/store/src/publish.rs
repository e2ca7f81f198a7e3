//! Writes a version into a store, and makes it current.

use bytes::Bytes;
use postdate_core::bundle::BundleSource;
use postdate_runtime::MAX_MANIFEST_BYTES;
use postdate_runtime::trust::{SecretKey, SignedEnvelope, Trust};

use crate::current::Current;
use crate::error::StoreError;
use crate::objects::{Got, Objects, Put, When};
use crate::statement::{By, Statement};
use crate::versions::{Look, Versions, current_key, statement_key};

/// Tries to write an object that other writers change.
const TRIES: usize = 5;

/// The result of [`Versions::publish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    New,
    /// The store already had the version.
    Known,
}

/// The result of [`Versions::move_current`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The former current version.
    pub from: Option<String>,
    pub to: String,
}

impl<S: Objects> Versions<S> {
    /// Writes the files of a version, and then its statement. With a key, signs the statement, including an existing one. Reads the files
    /// of a known version, and writes those that are missing or damaged.
    ///
    /// Clears the version's mark, so that no deletion begins. One that had begun may still remove a file; the caller therefore publishes
    /// once more after [`move_current`](Self::move_current).
    pub async fn publish(
        &self,
        use_case: &str,
        source: &BundleSource,
        by: By<'_>,
        key: Option<&SecretKey>,
    ) -> Result<Published, StoreError> {
        let new = Statement::new(use_case, source, by);
        let statement_key = statement_key(use_case, &new.version);
        self.put_files(use_case, &new.version, source).await?;
        for _ in 0..TRIES {
            let found = match self.objects.get(&statement_key, None, MAX_MANIFEST_BYTES).await? {
                Got::Object(found) => Some(found),
                Got::Same | Got::Missing => None,
            };
            let known = found.as_ref().and_then(|found| SignedEnvelope::parse(&found.content).ok());
            // An existing statement is signed only if it lists the same files.
            let known = known.filter(|known| {
                Statement::open(known, &Trust::default(), use_case, &new.version).is_ok_and(|statement| statement.files == new.files)
            });
            let published = if known.is_some() { Published::Known } else { Published::New };
            let mut envelope = known.clone().unwrap_or_else(|| new.to_envelope());
            if let Some(key) = key {
                envelope.sign(key);
            }
            if known.as_ref() == Some(&envelope) {
                return Ok(published);
            }
            let when = When::still(found.as_ref().map(|found| found.etag.as_str()));
            if self.objects.put(&statement_key, envelope.to_json().into(), when).await? == Put::Done {
                return Ok(published);
            }
        }
        Err(self.contended(&statement_key))
    }

    /// Writes the files of a version with a statement that another person made and that `trust` accepts. A signed statement replaces
    /// an existing one; an unsigned one does so only if `trust` does not accept the existing one.
    pub async fn publish_as(
        &self,
        use_case: &str,
        source: &BundleSource,
        statement: &SignedEnvelope,
        trust: &Trust,
    ) -> Result<(), StoreError> {
        let version = source.version();
        let key = statement_key(use_case, &version);
        self.put_files(use_case, &version, source).await?;
        match self.statement(use_case, &version, trust).await {
            Ok((_, known)) if statement.signers().is_empty() || known == *statement => Ok(()),
            Ok(_) | Err(StoreError::NoSuchVersion { .. } | StoreError::Damaged { .. }) => {
                self.put_content(&key, statement.to_json().into()).await
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a version current, and clears its mark. Fails if the use case has changed since `before`; `None` means that it had no current
    /// version.
    pub async fn move_current(
        &self,
        name: &str,
        version: &str,
        before: Option<(Current, String)>,
        by: By<'_>,
    ) -> Result<Moved, StoreError> {
        let (before, etag) = before.unzip();
        if before.as_ref().is_some_and(|before| before.version == version) {
            return match self.look(name, None).await? {
                Look::Current { current, .. } if current.version == version => {
                    Ok(Moved { from: Some(version.to_owned()), to: version.to_owned() })
                }
                now => Err(self.moved(name, now)),
            };
        }
        self.unmark(name, version).await?;
        let from = before.as_ref().map(|before| before.version.clone());
        let content = serde_json::to_vec_pretty(&Current::moved(before.clone(), version, by.name, by.now)).unwrap_or_default();
        if self.objects.put(&current_key(name), content.into(), When::still(etag.as_deref())).await? == Put::Refused {
            return Err(self.moved(name, self.look(name, None).await?));
        }
        // `delete` removes the statement first and then reads `current`, so at least one of the two calls notices the other.
        match self.objects.get(&statement_key(name, version), None, MAX_MANIFEST_BYTES).await? {
            Got::Missing => {
                self.move_back(name, version, before).await?;
                Err(StoreError::NoSuchVersion { name: name.to_owned(), version: version.to_owned() })
            }
            Got::Object(_) | Got::Same => Ok(Moved { from, to: version.to_owned() }),
        }
    }

    /// Restores the former current version, unless another writer has moved the use case since.
    async fn move_back(&self, name: &str, version: &str, before: Option<Current>) -> Result<(), StoreError> {
        let Look::Current { current, etag } = self.look(name, None).await? else { return Ok(()) };
        match before {
            Some(before) if current.version == version => {
                let content = serde_json::to_vec_pretty(&before).unwrap_or_default();
                self.objects.put(&current_key(name), content.into(), When::still(Some(&etag))).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Returns the error for the second of two writers. `now` is the state that the first one wrote.
    fn moved(&self, name: &str, now: Look) -> StoreError {
        let (now, by) = match now {
            Look::Current { current, .. } => (current.version, current.by),
            Look::Same | Look::NoSuchUseCase => ("none".to_owned(), String::new()),
        };
        let by = if by.is_empty() { "somebody".to_owned() } else { by };
        StoreError::Moved { location: self.objects.describe(&current_key(name)), now, by }
    }

    /// Makes a former version current: `version`, or the last former one if it is `None`. Fails without a change if one of its files is
    /// missing or damaged.
    pub async fn roll_back(&self, name: &str, version: Option<&str>, by: By<'_>) -> Result<Moved, StoreError> {
        let (current, etag) = self.current(name).await?;
        let version = match version {
            Some(version) => version.to_owned(),
            None => {
                current.former.first().map(|former| former.version.clone()).ok_or_else(|| StoreError::NoFormerVersion(name.to_owned()))?
            }
        };
        // A missing version is reported before anything changes.
        self.source(name, &version, &Trust::default()).await?;
        let moved = self.move_current(name, &version, Some((current.clone(), etag)), by).await?;
        // A deletion that began before the mark was cleared may have removed a file.
        if let Err(error) = self.source(name, &version, &Trust::default()).await {
            self.move_back(name, &version, Some(current)).await?;
            return Err(error);
        }
        Ok(moved)
    }

    /// Clears the mark of a version and writes its files, also of a known one, which repairs damaged files.
    async fn put_files(&self, use_case: &str, version: &str, source: &BundleSource) -> Result<(), StoreError> {
        self.unmark(use_case, version).await?;
        for (file, content) in &source.files {
            self.put_content(&format!("{use_case}/{version}/{file}"), content.clone()).await?;
        }
        Ok(())
    }

    /// Writes an object whose key allows only this content, unless it is there. Replaces any other content.
    pub(crate) async fn put_content(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let etag = match self.objects.get(key, None, content.len() as u64).await {
                Ok(Got::Object(found)) if found.content == content => return Ok(()),
                Ok(Got::Object(found)) => Some(found.etag),
                Ok(Got::Missing | Got::Same) => None,
                // A larger object has another content.
                Err(StoreError::TooLarge { .. }) => {
                    self.objects.delete(key).await?;
                    None
                }
                Err(error) => return Err(error),
            };
            if self.objects.put(key, content.clone(), When::still(etag.as_deref())).await? == Put::Done {
                return Ok(());
            }
        }
        Err(self.contended(key))
    }

    fn contended(&self, key: &str) -> StoreError {
        StoreError::unavailable("write", self.objects.describe(key), "others write it at the same time")
    }
}
