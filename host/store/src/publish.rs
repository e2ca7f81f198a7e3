//! Bringing a version into a store, and making it the one that serves.

use std::collections::BTreeSet;

use bytes::Bytes;
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Role;
use postdate_core::use_case::UseCase;
use postdate_runtime::MAX_MANIFEST_BYTES;
use postdate_runtime::artifacts::{ARTIFACTS_FILE, Arch, Artifact, Artifacts, engine_hash};
use postdate_runtime::trust::{Envelope, SecretKey, Trust};

use crate::compress::pack;
use crate::current::Current;
use crate::statement::By;
use crate::unpack::MAX_PACKED_BYTES;
use crate::versions::{COMPILED_DIR, current_key, statement_key};
use crate::{Got, Look, Objects, Put, Statement, StoreError, Stored, Versions, When};

/// Times that an object is written anew because somebody else wrote it in between.
const TRIES: usize = 5;

/// A plugin as machine code, as it is to be kept.
#[derive(Debug, Clone)]
pub struct CompiledCode {
    pub artifact: Artifact,
    pub code: Bytes,
}

/// What [`Versions::publish`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    New,
    /// The store had the version.
    Known,
}

/// What [`Versions::move_current`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What served before.
    pub from: Option<String>,
    pub to: String,
}

impl<S: Objects> Versions<S> {
    /// Brings the files of a version, and last of all the statement that says that they are there. With a key, the statement
    /// is signed; one that is there already gets the signature as well.
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
            let known = found.as_ref().and_then(|found| Envelope::parse(&found.content).ok());
            // What is there is signed only if it says the same of the same files.
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

    /// Brings the files of a version with a statement that somebody else has made of them, and that `trust` has been found to
    /// believe. One that is there already stays if it is believed as well.
    pub async fn publish_as(&self, use_case: &str, source: &BundleSource, statement: &Envelope, trust: &Trust) -> Result<(), StoreError> {
        let version = source.version();
        let key = statement_key(use_case, &version);
        self.put_files(use_case, &version, source).await?;
        match self.statement(use_case, &version, trust).await {
            Ok(_) => Ok(()),
            Err(StoreError::NoSuchVersion { .. } | StoreError::Damaged { .. }) => self.put_content(&key, statement.to_json().into()).await,
            Err(error) => Err(error),
        }
    }

    /// Whether the plugins of a version are there as machine code for such a machine and this very program's engine, listed by
    /// whom is trusted.
    pub async fn is_compiled(&self, use_case: &UseCase, version: &str, arch: Arch, trust: &Trust) -> Result<bool, StoreError> {
        let dir = compiled_dir(&use_case.name, version, arch);
        let Got::Object(found) = self.objects.get(&format!("{dir}/{ARTIFACTS_FILE}"), None, MAX_MANIFEST_BYTES).await? else {
            return Ok(false);
        };
        let opened = Envelope::parse(&found.content).ok().and_then(|envelope| Artifacts::open(&envelope, trust).ok());
        let Some(artifacts) = opened.filter(|artifacts| artifacts.version == version) else { return Ok(false) };
        let there: BTreeSet<String> = self.objects.children(&dir).await?.into_iter().map(|child| format!("{dir}/{}", child.name)).collect();
        let mut roles = [Role::Validate, Role::Process].into_iter().filter(|role| use_case.plugin(*role).is_some());
        Ok(roles.all(|role| artifacts.find(role, arch).is_some_and(|artifact| there.contains(&packed_key(&dir, artifact)))))
    }

    /// Brings what a version's plugins were compiled to for an architecture, and last of all the list that says so. A list
    /// that is there is replaced: nobody signs what somebody else has compiled.
    pub async fn publish_compiled(
        &self,
        use_case: &UseCase,
        source: &BundleSource,
        arch: Arch,
        compiled: &[CompiledCode],
        key: Option<&SecretKey>,
    ) -> Result<(), StoreError> {
        let mut artifacts = Artifacts::new(source, use_case);
        let dir = compiled_dir(&use_case.name, &artifacts.version, arch);
        for CompiledCode { artifact, code } in compiled {
            let code = code.clone();
            let packed = tokio::task::spawn_blocking(move || pack(&code)).await.map_err(std::io::Error::other).flatten();
            let packed = packed.map_err(|error| StoreError::unavailable("compress", &artifact.file, error))?;
            if packed.len() as u64 > MAX_PACKED_BYTES {
                return Err(StoreError::TooLarge { place: artifact.file.clone(), limit: MAX_PACKED_BYTES });
            }
            self.put_content(&packed_key(&dir, artifact), packed.into()).await?;
            artifacts.artifacts.push(artifact.clone());
        }
        let list = format!("{dir}/{ARTIFACTS_FILE}");
        let mut envelope = artifacts.into_envelope().map_err(|error| StoreError::unavailable("write", &list, error))?;
        if let Some(key) = key {
            envelope.sign(key);
        }
        self.put_content(&list, envelope.to_json().into()).await
    }

    /// Makes a version current, if the use case still is what a look at it said: `None` where there was none.
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
        let from = before.as_ref().map(|before| before.version.clone());
        let content = serde_json::to_vec_pretty(&Current::moved(before.clone(), version, by.name, by.now)).unwrap_or_default();
        if self.objects.put(&current_key(name), content.into(), When::still(etag.as_deref())).await? == Put::Refused {
            return Err(self.moved(name, self.look(name, None).await?));
        }
        // Whoever prunes deletes the statement before anything else, and then looks at what is current: one of the two sees
        // the other.
        match self.objects.get(&statement_key(name, version), None, MAX_MANIFEST_BYTES).await? {
            Got::Missing => {
                self.move_back(name, version, before).await?;
                Err(StoreError::NoSuchVersion { name: name.to_owned(), version: version.to_owned() })
            }
            Got::Object(_) | Got::Same => Ok(Moved { from, to: version.to_owned() }),
        }
    }

    /// What served before serves again, unless somebody has moved the use case on.
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

    /// What to tell whoever came second; `now` is what the use case is by then.
    fn moved(&self, name: &str, now: Look) -> StoreError {
        let (now, by) = match now {
            Look::Current { current, .. } => (current.version, current.by),
            Look::Same | Look::NoSuchUseCase => ("none".to_owned(), String::new()),
        };
        let by = if by.is_empty() { "somebody".to_owned() } else { by };
        StoreError::Moved { place: self.objects.place(&current_key(name)), now, by }
    }

    /// Makes a former version current: this one, or the one that served before.
    pub async fn roll_back(&self, name: &str, version: Option<&str>, by: By<'_>) -> Result<Moved, StoreError> {
        let (current, etag) = self.current(name).await?;
        let version = match version {
            Some(version) => version.to_owned(),
            None => {
                current.former.first().map(|former| former.version.clone()).ok_or_else(|| StoreError::NoFormerVersion(name.to_owned()))?
            }
        };
        // It must be there whole: a rollback is done in a hurry.
        self.statement(name, &version, &Trust::default()).await?;
        self.move_current(name, &version, Some((current, etag)), by).await
    }

    /// Also where the version is known: what was damaged is mended.
    async fn put_files(&self, use_case: &str, version: &str, source: &BundleSource) -> Result<(), StoreError> {
        for (file, content) in &source.files {
            self.put_content(&format!("{use_case}/{version}/{file}"), content.clone()).await?;
        }
        Ok(())
    }

    /// Writes an object that has one right content. What is there already is looked at, and mended if it is another.
    async fn put_content(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        let mut etag = None;
        for _ in 0..TRIES {
            if self.objects.put(key, content.clone(), When::still(etag.as_deref())).await? == Put::Done {
                return Ok(());
            }
            match self.objects.get(key, None, content.len() as u64).await {
                Ok(Got::Object(Stored { content: found, .. })) if found == content => return Ok(()),
                Ok(Got::Object(Stored { etag: found, .. })) => etag = Some(found),
                Ok(Got::Missing | Got::Same) => etag = None,
                // Another content, which need not be read.
                Err(StoreError::TooLarge { .. }) => {
                    self.objects.delete(key).await?;
                    etag = None;
                }
                Err(error) => return Err(error),
            }
        }
        Err(self.contended(key))
    }

    fn contended(&self, key: &str) -> StoreError {
        StoreError::unavailable("write", self.objects.place(key), "others write it at the same time")
    }
}

/// Where a version has machine code for such a machine and this very program's engine.
pub(crate) fn compiled_dir(name: &str, version: &str, arch: Arch) -> String {
    format!("{name}/{version}/{COMPILED_DIR}/{arch}-{}", engine_hash())
}

/// Named after what it unpacks to, so that two who compile the same plugin do not mix.
pub(crate) fn packed_key(dir: &str, artifact: &Artifact) -> String {
    format!("{dir}/{}.zst", artifact.digest.trim_start_matches("blake3:"))
}
