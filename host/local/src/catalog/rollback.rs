//! Roll backs by the API: a former version of the server's own store is loaded and made current.

use std::sync::Arc;

use postdate_core::bundle::is_version;
use postdate_core::ports::Bundle as _;
use postdate_runtime::Need;
use postdate_store::{By, Moved, StoreError};

use super::upload::{UploadError, load_fault};
use super::{Catalog, Inner};

/// Reasons to refuse a roll back. The current version has not changed.
#[derive(Debug, thiserror::Error)]
pub enum RollBackError {
    #[error("there is no use case {0:?}")]
    NoSuchUseCase(String),
    #[error("there is no version {version:?} of use case {name} in the server's store")]
    NoSuchVersion { name: String, version: String },
    #[error("use case {0} has served no version before this one")]
    NoFormerVersion(String),
    /// [`Catalog::fixed`] has the reason.
    #[error("use case {name} cannot be rolled back by the API: {reason}")]
    Unsigned { name: String, reason: String },
    /// As for an upload of the version.
    #[error(transparent)]
    Upload(#[from] UploadError),
}

/// The reason on a server that loads only signed versions.
const UNSIGNED: &str = "the server loads only what a trusted key has signed, and a call without a signature brings no old version back: use \
     `postdate use-case rollback --store`";

impl Catalog {
    /// Returns why the API cannot roll a use case back; `None` if it can.
    pub fn fixed(&self, name: &str) -> Option<String> {
        if self.inner.sources.in_directory(name).is_some() {
            return Some("it is served from the server's directory of use cases, and is changed there".to_owned());
        }
        self.inner.trust.is_required().then(|| UNSIGNED.to_owned())
    }

    /// Loads a former version, and makes it current: `version`, or the last former one if it is `None`. On success the version serves when
    /// this function returns. Uploads wait meanwhile.
    pub async fn roll_back(&self, name: &str, version: Option<&str>, by: By<'_>) -> Result<Moved, RollBackError> {
        let inner = &self.inner;
        let Inner { store, sources, trust, .. } = &**inner;
        if !self.has(name) {
            return Err(RollBackError::NoSuchUseCase(name.to_owned()));
        }
        if let Some(place) = sources.in_directory(name) {
            return Err(UploadError::Elsewhere { name: name.to_owned(), place }.into());
        }
        if let Some(reason) = self.fixed(name) {
            return Err(RollBackError::Unsigned { name: name.to_owned(), reason });
        }
        let _turn = Arc::clone(&inner.queue.turn).lock_owned().await;
        let version = if let Some(version) = version {
            version.to_owned()
        } else {
            let (current, _) = store.current(name).await.map_err(|error| fault(name, "", error))?;
            let former = current.former.into_iter().next().ok_or_else(|| RollBackError::NoFormerVersion(name.to_owned()))?;
            former.version
        };
        if !is_version(&version) {
            return Err(RollBackError::NoSuchVersion { name: name.to_owned(), version });
        }
        let source = store.source(name, &version, trust).await.map_err(|error| fault(name, &version, error))?;
        let bundle = self.load_source(name, &source, Need::Upload).await.map_err(|error| load_fault(&error))?;
        self.check_loaded(name, &bundle)?;
        let moved = store.roll_back(name, Some(&version), by).await.map_err(|error| fault(name, &version, error))?;
        // Serve without waiting for the next poll, unless a push has moved `current` meanwhile.
        if let Some(found) = sources.in_store(name)
            && found.version().as_deref() == Some(bundle.version())
        {
            self.uploaded(name, found, Arc::new(bundle));
        }
        Ok(moved)
    }
}

fn fault(name: &str, version: &str, error: StoreError) -> RollBackError {
    match error {
        StoreError::NoSuchUseCase(name) => RollBackError::NoSuchUseCase(name),
        StoreError::NoFormerVersion(name) => RollBackError::NoFormerVersion(name),
        StoreError::NoSuchVersion { .. } => RollBackError::NoSuchVersion { name: name.to_owned(), version: version.to_owned() },
        StoreError::Moved { .. } => UploadError::Moved(error).into(),
        other => UploadError::from(other).into(),
    }
}
