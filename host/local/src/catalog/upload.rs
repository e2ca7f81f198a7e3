//! A bundle that came over HTTP: checked, kept, and then the one that serves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use postdate_cases::cases;
use postdate_core::bundle::BundleSource;
use postdate_core::ports::Bundle as _;
use postdate_runtime::LoadedBundle;
use postdate_runtime::trust::{Envelope, Trust};
use postdate_store::tarball::Upload;
use postdate_store::{By, Look, Moved, Statement, StoreError};

use super::{Catalog, is_transient};

/// All cases of an upload together.
const CASES_TIME: Duration = Duration::from_mins(1);
/// Who is said to have pushed what nobody has signed.
const UPLOADER: &str = "upload";

/// Why an upload does not serve. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("use case {name} is served from {}, and is changed there: copy the new bundle to it, or push to it where it is a store", place.display())]
    Elsewhere { name: String, place: PathBuf },
    /// What was sent is at fault.
    #[error("{0}")]
    Refused(String),
    #[error("bundle.json {0}")]
    Signature(String),
    #[error(transparent)]
    Moved(StoreError),
    /// The server is at fault: out of memory, or of secrets.
    #[error("the bundle could not be loaded: {0}")]
    NotNow(String),
    /// The server is at fault.
    #[error("the bundle could not be kept: {0}")]
    Store(String),
}

impl Catalog {
    /// Takes a bundle for this use case; when this returns, it serves.
    pub async fn upload(&self, name: &str, upload: Upload, now: DateTime<Utc>) -> Result<Moved, UploadError> {
        let inner = &self.inner;
        let place = inner.sources.in_directory(name);
        if let Some(place) = place {
            return Err(UploadError::Elsewhere { name: name.to_owned(), place });
        }
        let store_failed = |error: StoreError| UploadError::Store(error.to_string());
        // Looked at before the long part: of two uploads at once, one is told of the other.
        let before = match inner.store.look(name, None).await.map_err(store_failed)? {
            Look::Current { current, etag } => Some((current, etag)),
            Look::Same | Look::NoSuchUseCase => None,
        };
        let Upload { source, statement } = upload;
        let (statement, pushed_by) = checked_statement(name, &source, statement.as_ref(), &inner.trust, now)?;
        let bundle = self.load_source(name, &source).await.map_err(|error| {
            let fault = if is_transient(&error) { UploadError::NotNow } else { UploadError::Refused };
            fault(format!("{error:#}"))
        })?;
        let bundle = run_cases(bundle, &source).await?;
        self.keep(name, &source, &statement).await.map_err(|error| UploadError::Store(format!("{error:#}")))?;
        let by = By { name: &pushed_by, now };
        let moved = inner.store.move_current(name, bundle.version(), before, by).await.map_err(|error| match error {
            StoreError::Moved { .. } => UploadError::Moved(error),
            other => store_failed(other),
        })?;
        // Now, and not at the next look; unless somebody has moved it on.
        if let Some(found) = inner.sources.in_store(name)
            && found.version().as_deref() == Some(bundle.version())
        {
            self.uploaded(name, found, Arc::new(bundle));
        }
        Ok(moved)
    }
}

/// As `use-case push` does before it sends anything: what its author says of it must be so.
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

/// The statement that came with the bundle, if it is of these files and signed as it must be; else one of our own. And who is
/// said to have made it.
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
