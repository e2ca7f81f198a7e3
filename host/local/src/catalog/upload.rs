//! Uploads: a bundle that came over HTTP is checked, stored and made current.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use postdate_cases::cases;
use postdate_core::bundle::BundleSource;
use postdate_core::ports::Bundle as _;
use postdate_runtime::trust::{Envelope, Trust};
use postdate_runtime::{LoadError, LoadedBundle, SecretError};
use postdate_store::tarball::Upload;
use postdate_store::{By, Look, Moved, Statement, StoreError};

use super::{Catalog, is_transient};

/// Time limit for all cases of an upload together.
const CASES_TIME: Duration = Duration::from_mins(1);
/// Recorded as the pusher of a bundle that came without a statement.
const UPLOADER: &str = "upload";

/// Reasons to refuse an upload. The current version has not changed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("use case {name} is served from {}, and is changed there: copy the new bundle to it, or push to it where it is a store", place.display())]
    Elsewhere { name: String, place: PathBuf },
    /// The bundle is at fault.
    #[error("{0}")]
    Refused(String),
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

impl Catalog {
    /// Checks, stores and loads a bundle for this use case. On success the bundle is current when this function returns.
    pub async fn upload(&self, name: &str, upload: Upload, now: DateTime<Utc>) -> Result<Moved, UploadError> {
        let inner = &self.inner;
        let place = inner.sources.in_directory(name);
        if let Some(place) = place {
            return Err(UploadError::Elsewhere { name: name.to_owned(), place });
        }
        let store_failed = |error: StoreError| UploadError::Store(error.to_string());
        // Read before the slow checks, so that of two concurrent uploads the later one fails with `Moved`.
        let before = match inner.store.look(name, None).await.map_err(store_failed)? {
            Look::Current { current, etag } => Some((current, etag)),
            Look::Same | Look::NoSuchUseCase => None,
        };
        let Upload { source, statement } = upload;
        let use_case = source.use_case().map_err(|error| UploadError::Refused(error.to_string()))?;
        use_case.check_new().map_err(|error| UploadError::Refused(error.to_string()))?;
        let (statement, pushed_by) = checked_statement(name, &source, statement.as_ref(), &inner.trust, now)?;
        let bundle = self.load_source(name, &source).await.map_err(|error| {
            let fault = match error.downcast_ref() {
                Some(LoadError::Secret { error: SecretError::Missing { .. }, .. }) => UploadError::Secret,
                _ if is_transient(&error) => UploadError::NotNow,
                _ => UploadError::Refused,
            };
            fault(format!("{error:#}"))
        })?;
        let bundle = run_cases(bundle, &source).await?;
        self.keep(name, &source, &statement).await.map_err(|error| UploadError::Store(format!("{error:#}")))?;
        let by = By { name: &pushed_by, now };
        let moved = inner.store.move_current(name, bundle.version(), before, by).await.map_err(|error| match error {
            StoreError::Moved { .. } => UploadError::Moved(error),
            other => store_failed(other),
        })?;
        // Serve without waiting for the next poll, unless another push has moved `current` meanwhile.
        if let Some(found) = inner.sources.in_store(name)
            && found.version().as_deref() == Some(bundle.version())
        {
            self.uploaded(name, found, Arc::new(bundle));
        }
        Ok(moved)
    }
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

/// Returns the statement of the bundle and the pusher that it names. Without a sent statement, makes an unsigned one. Fails with
/// `Signature` if the statement is of other files or lacks a required signature.
fn checked_statement(
    name: &str,
    source: &BundleSource,
    sent: Option<&Bytes>,
    trust: &Trust,
    now: DateTime<Utc>,
) -> Result<(Envelope, String), UploadError> {
    let Some(sent) = sent else {
        let own = Statement::new(name, source, By { name: UPLOADER, now }).to_envelope();
        Statement::open(&own, trust, name, &source.version()).map_err(|error| UploadError::Signature(error.to_string()))?;
        return Ok((own, UPLOADER.to_owned()));
    };
    let envelope = Envelope::parse(sent).map_err(|error| UploadError::Signature(error.to_string()))?;
    let statement =
        Statement::open(&envelope, trust, name, &source.version()).map_err(|error| UploadError::Signature(error.to_string()))?;
    if statement.files != source.listing() {
        return Err(UploadError::Signature("is of other files than those of the archive".to_owned()));
    }
    Ok((envelope, statement.pushed_by))
}
