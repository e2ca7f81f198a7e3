//! Uploads: a bundle that came over HTTP is checked, stored and made current.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use postdate_cases::cases;
use postdate_core::bundle::BundleSource;
use postdate_core::ports::Bundle as _;
use postdate_core::time::rfc3339;
use postdate_runtime::trust::{SignedEnvelope, Trust};
use postdate_runtime::{LoadError, LoadedBundle, Need, SecretError};
use postdate_store::tarball::Unpacked;
use postdate_store::{By, Current, Directory, Look, Moved, Statement, StoreError};

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::{Catalog, Inner, is_transient};

/// Most uploads that are received, wait or are checked at the same time. Each may take the size of an archive on disk,
/// and the one whose turn it is as much in memory.
const MOST_UPLOADS: usize = 4;
/// Time limit for all cases of an upload together.
const CASES_TIME: Duration = Duration::from_mins(1);
/// How far the clock of a machine that signs may be ahead.
const MOST_AHEAD: TimeDelta = TimeDelta::minutes(5);
/// Recorded as the pusher of a bundle that came without a statement.
const UPLOADER: &str = "upload";

/// Limits of what uploads may add to a server. Use cases of the operator's directory count, and are never refused.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    /// Most use cases. A new version of a known one is always within it.
    pub use_cases: usize,
    /// Most bytes of the store's files.
    pub store_bytes: u64,
    /// Most bytes of machine code and config of the versions that serve.
    pub loaded_bytes: u64,
}

/// Reasons to refuse an upload. The current version has not changed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("use case {name} is served from {}, and is changed there: copy the new bundle to it, or push to it where it is a store", place.display())]
    Elsewhere { name: String, place: PathBuf },
    /// The bundle is at fault.
    #[error("{0}")]
    Refused(String),
    /// The store would have more bytes than its quota.
    #[error(
        "the store of use cases has {used} bytes, and with the bundle's {more} it would have more than its quota of {quota}: delete old versions \
         with `postdate use-case prune`, or raise --store-quota"
    )]
    Full { used: u64, more: u64, quota: u64 },
    #[error(
        "the server has {most} use cases, which is the most that uploads may make: push a new version of one of them, or ask the operator to \
         remove one or to raise --max-use-cases"
    )]
    TooMany { most: usize },
    /// The versions that serve would have more machine code and config than the quota.
    #[error(
        "the versions that serve have {used} bytes of machine code and config, and with the bundle's {more} they would have more than the \
         quota of {quota}: make the plugins smaller, or ask the operator to remove a use case or to raise --cache-quota"
    )]
    CodeFull { used: u64, more: u64, quota: u64 },
    #[error("bundle.json {0}")]
    Signature(String),
    #[error(transparent)]
    Moved(StoreError),
    /// The server has no such secret, or gives it to no use case. The operator has to act.
    #[error("the bundle cannot be loaded here: {0}")]
    Secret(String),
    /// The server is at fault, for example without memory.
    #[error("the bundle could not be loaded: {0}")]
    NotNow(String),
    /// The server's store failed.
    #[error("the bundle could not be kept: {0}")]
    Store(String),
}

/// The uploads of a server. They are checked one after the other, so that they leave the processors to what serves.
pub struct UploadQueue {
    places: Arc<Semaphore>,
    pub(super) turn: Arc<Mutex<()>>,
}

/// An upload whose turn it is.
pub struct Begun {
    /// The value of `current` before the wait, so that of two concurrent uploads the later one fails with [`UploadError::Moved`].
    before: Option<(Current, String)>,
    _turn: OwnedMutexGuard<()>,
}

impl Default for UploadQueue {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MOST_UPLOADS)), turn: Arc::default() }
    }
}

impl From<StoreError> for UploadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl Catalog {
    /// Returns a place in the queue of uploads, which the caller holds until its upload has ended; `None` if the queue is full.
    pub fn queue_upload(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inner.queue.places).try_acquire_owned().ok()
    }

    /// Waits for the turn of an upload. Its archive is read afterwards, so that one at a time is in memory.
    pub async fn begin_upload(&self, name: &str) -> Result<Begun, UploadError> {
        let inner = &self.inner;
        let place = inner.sources.in_directory(name);
        if let Some(place) = place {
            return Err(UploadError::Elsewhere { name: name.to_owned(), place });
        }
        let before = match inner.store.look(name, None).await? {
            Look::Current { current, etag } => Some((current, etag)),
            Look::Same | Look::NoSuchUseCase => None,
        };
        Ok(Begun { before, _turn: Arc::clone(&inner.queue.turn).lock_owned().await })
    }

    /// Checks, stores and loads a bundle for this use case. On success the bundle is current when this function returns.
    pub async fn upload(&self, name: &str, begun: Begun, upload: Unpacked, now: DateTime<Utc>) -> Result<Moved, UploadError> {
        let inner = &self.inner;
        let Begun { before, _turn } = begun;
        let Unpacked { source, statement } = upload;
        let use_case = source.use_case().map_err(|error| UploadError::Refused(error.to_string()))?;
        use_case.check_new().map_err(|error| UploadError::Refused(error.to_string()))?;
        let (envelope, statement) = checked_statement(name, &source, statement.as_ref(), &inner.trust, now)?;
        if inner.trust.is_required() {
            self.check_audience(&statement)?;
            self.check_age(&statement, before.as_ref().map(|(current, _)| current), now).await?.map_or(Ok(()), Err)?;
        }
        self.check_count(name)?;
        self.check_space(name, &source).await?;
        let bundle = self.load_source(name, &source, Need::Upload).await.map_err(|error| load_fault(&error))?;
        self.check_loaded(name, &bundle)?;
        let bundle = run_cases(bundle, &source).await?;
        self.keep(name, &source, &envelope).await.map_err(|error| UploadError::Store(format!("{error:#}")))?;
        let by = By { name: &statement.pushed_by, now };
        let moved = inner.store.move_current(name, bundle.version(), before, by).await.map_err(|error| match error {
            StoreError::Moved { .. } => UploadError::Moved(error),
            other => other.into(),
        })?;
        // A deletion that began before this upload may have removed files meanwhile.
        self.keep(name, &source, &envelope).await.map_err(|error| UploadError::Store(format!("{error:#}")))?;
        // Serve without waiting for the next poll, unless another push has moved `current` meanwhile.
        if let Some(found) = inner.sources.in_store(name)
            && found.version().as_deref() == Some(bundle.version())
        {
            self.uploaded(name, found, Arc::new(bundle));
        }
        Ok(moved)
    }
}

impl Catalog {
    /// Fails if the bundle would be one use case too many.
    fn check_count(&self, name: &str) -> Result<(), UploadError> {
        let (most, entries) = (self.inner.quotas.use_cases, self.entries());
        if entries.len() < most || entries.contains_key(name) { Ok(()) } else { Err(UploadError::TooMany { most }) }
    }

    /// Fails if the store would be beyond its quota. A version that it has takes no more room.
    async fn check_space(&self, name: &str, source: &BundleSource) -> Result<(), UploadError> {
        let Inner { store, quotas: Quotas { store_bytes: quota, .. }, .. } = &*self.inner;
        if store.statement(name, &source.version(), &Trust::default()).await.is_ok() {
            return Ok(());
        }
        let objects = store.objects().clone();
        let used = tokio::task::spawn_blocking(move || objects.space()).await.map_err(std::io::Error::other).flatten();
        let used = used.map_err(|error| UploadError::Store(error.to_string()))?;
        let more = source.files.values().fold(0, |sum: u64, content| sum.saturating_add(Directory::space_of(content.len() as u64)));
        let (is_full, quota) = (used.saturating_add(more) > *quota, *quota);
        if is_full { Err(UploadError::Full { used, more, quota }) } else { Ok(()) }
    }

    /// Fails if what serves would be beyond its quota, with the bundle in the place of its predecessor. Machine code that serves keeps its
    /// space on the disk, also when the cache has dropped it.
    pub(super) fn check_loaded(&self, name: &str, bundle: &LoadedBundle) -> Result<(), UploadError> {
        let entries = self.entries();
        let others = entries.iter().filter(|(other, _)| *other != name).filter_map(|(_, entry)| entry.serving.as_ref());
        let used = others.fold(0, |sum: u64, other| sum.saturating_add(other.loaded_bytes() as u64));
        let (more, quota) = (bundle.loaded_bytes() as u64, self.inner.quotas.loaded_bytes);
        if used.saturating_add(more) > quota { Err(UploadError::CodeFull { used, more, quota }) } else { Ok(()) }
    }

    /// Fails if a signed statement is for another server.
    fn check_audience(&self, statement: &Statement) -> Result<(), UploadError> {
        let names = &self.inner.names;
        if statement.audience.as_ref().is_some_and(|audience| names.contains(audience)) {
            return Ok(());
        }
        let found = statement.audience.as_ref().map_or_else(|| "no server".to_owned(), |audience| format!("{audience:?}"));
        Err(UploadError::Signature(format!(
            "is signed for {found}, and this server is {}: push with --audience, or start the server with --store-name",
            names.join(" or ")
        )))
    }

    /// Returns an error if the statement was signed before one of a version that serves or served, so that nobody but a signer brings
    /// an old version back. The very version that serves may be sent again.
    async fn check_age(
        &self,
        statement: &Statement,
        current: Option<&Current>,
        now: DateTime<Utc>,
    ) -> Result<Option<UploadError>, StoreError> {
        if statement.pushed_at > now + MOST_AHEAD {
            let reason =
                format!("is dated {}, which is in the future: set the clock of the machine that signs", rfc3339(statement.pushed_at));
            return Ok(Some(UploadError::Signature(reason)));
        }
        let Some(current) = current else { return Ok(None) };
        let former = current.former.iter().map(|former| &former.version);
        for version in std::iter::once(&current.version).chain(former) {
            let known = match self.inner.store.statement(&statement.use_case, version, &Trust::default()).await {
                Ok((known, _)) => known,
                Err(StoreError::NoSuchVersion { .. } | StoreError::Damaged { .. }) => continue,
                Err(error) => return Err(error),
            };
            // The current version comes first, so a repeat of it passes also after a roll back.
            if known == *statement && known.version == current.version {
                return Ok(None);
            }
            if statement.pushed_at <= known.pushed_at {
                return Ok(Some(UploadError::Signature(format!(
                    "is of {}, and version {version} is of {}: sign it again with `use-case push`, or go back with `use-case rollback`",
                    rfc3339(statement.pushed_at),
                    rfc3339(known.pushed_at),
                ))));
            }
        }
        Ok(None)
    }
}

/// Returns the reason why a version cannot be loaded here.
pub(super) fn load_fault(error: &anyhow::Error) -> UploadError {
    let fault = match error.downcast_ref() {
        Some(LoadError::Secret { error: SecretError::Missing { .. } | SecretError::Unusable { .. }, .. }) => UploadError::Secret,
        _ if is_transient(error) => UploadError::NotNow,
        _ => UploadError::Refused,
    };
    fault(format!("{error:#}"))
}

/// Runs the bundle's test cases, as `use-case push` does before it sends a bundle. Fails with `Refused` if one fails.
async fn run_cases(bundle: LoadedBundle, source: &BundleSource) -> Result<LoadedBundle, UploadError> {
    let cases = cases::of_bundle(source).map_err(|error| UploadError::Refused(format!("{error:#}")))?;
    let use_case = Arc::new(bundle.use_case().clone());
    let loaded = Ok(bundle);
    let ran = tokio::time::timeout(CASES_TIME, postdate_cases::run_all(&loaded, &use_case, &cases)).await;
    let ran = ran.map_err(|_| UploadError::Refused(format!("its {} cases did not end within {CASES_TIME:?}", cases.len())))?;
    let failed: Vec<String> = ran
        .iter()
        .filter(|case| !case.complaints.is_empty())
        .map(|case| format!("{}: {}", case.name, case.complaints.join("; ")))
        .collect();
    if !failed.is_empty() {
        return Err(UploadError::Refused(format!("{} of its {} cases failed: {}", failed.len(), ran.len(), failed.join("; "))));
    }
    loaded.map_err(|error| UploadError::Refused(error.to_string()))
}

/// Returns the statement of the bundle, signed and plain. Without a sent statement, makes an unsigned one. Fails with
/// `Signature` if the statement is of other files or lacks a required signature.
fn checked_statement(
    name: &str,
    source: &BundleSource,
    sent: Option<&Bytes>,
    trust: &Trust,
    now: DateTime<Utc>,
) -> Result<(SignedEnvelope, Statement), UploadError> {
    let Some(sent) = sent else {
        let own = Statement::new(name, source, By { name: UPLOADER, now }).to_envelope();
        let statement = Statement::open(&own, trust, name, &source.version());
        return Ok((own, statement.map_err(|error| UploadError::Signature(error.to_string()))?));
    };
    let envelope = SignedEnvelope::parse(sent).map_err(|error| UploadError::Signature(error.to_string()))?;
    let statement =
        Statement::open(&envelope, trust, name, &source.version()).map_err(|error| UploadError::Signature(error.to_string()))?;
    if statement.files != source.listing() {
        return Err(UploadError::Signature("is of other files than those of the archive".to_owned()));
    }
    Ok((envelope, statement))
}
