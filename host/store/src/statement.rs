//! The content of `bundle.json`: a version's files, in an envelope that may be signed.

use chrono::{DateTime, Utc};
use postdate_core::bundle::{BundleSource, Listing, is_file_name, version_of};
use postdate_runtime::trust::{SignedEnvelope, SignedEnvelopeError, Trust};
use serde::{Deserialize, Serialize};

/// The type of a [`Statement`] in a [`SignedEnvelope`].
const STATEMENT_TYPE: &str = "application/vnd.postdate.bundle+json";

/// A version's files, and the person or program that pushed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    pub use_case: String,
    pub version: String,
    pub files: Listing,
    pub pushed_at: DateTime<Utc>,
    /// Name that the person or program gave.
    pub pushed_by: String,
    /// Name of the server that it was signed for; `None` if it was pushed to a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// A statement is not accepted. Each text ends a sentence that begins with its location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    #[error(transparent)]
    Envelope(#[from] SignedEnvelopeError),
    #[error("does not say what a bundle's files are: {0}")]
    Malformed(String),
    #[error("is of use case {found:?}, and not of {expected:?}")]
    OtherUseCase { found: String, expected: String },
    #[error("is of version {found}, and not of {expected}")]
    OtherVersion { found: String, expected: String },
    #[error("lists {0:?}, which is not the name of a bundle's file")]
    NotAFileName(String),
}

/// The author of a change, and its time.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    pub name: &'a str,
    pub now: DateTime<Utc>,
}

impl Statement {
    pub fn new(use_case: &str, source: &BundleSource, by: By<'_>) -> Self {
        let files = source.listing();
        Self {
            use_case: use_case.to_owned(),
            version: version_of(&files),
            files,
            pushed_at: by.now,
            pushed_by: by.name.to_owned(),
            audience: None,
        }
    }

    /// Names the server that the version is pushed to, so that no other one takes it.
    #[must_use]
    pub fn for_audience(self, name: &str) -> Self {
        Self { audience: Some(name.to_owned()), ..self }
    }

    /// Returns the statement in an envelope without signatures.
    pub fn to_envelope(&self) -> SignedEnvelope {
        // JSON can always represent strings and numbers.
        SignedEnvelope::new(STATEMENT_TYPE, serde_json::to_vec(self).unwrap_or_default())
    }

    /// Opens a statement. Fails if `trust` does not accept it, or if it is of another version or use case.
    pub fn open(envelope: &SignedEnvelope, trust: &Trust, use_case: &str, version: &str) -> Result<Self, StatementError> {
        let payload = envelope.open(STATEMENT_TYPE, trust)?;
        let statement: Self = serde_json::from_slice(payload).map_err(|error| StatementError::Malformed(error.to_string()))?;
        if statement.use_case != use_case {
            return Err(StatementError::OtherUseCase { found: statement.use_case, expected: use_case.to_owned() });
        }
        let real = version_of(&statement.files);
        if statement.version != version || real != version {
            return Err(StatementError::OtherVersion { found: real, expected: version.to_owned() });
        }
        if let Some(wrong) = statement.files.keys().find(|name| !is_file_name(name)) {
            return Err(StatementError::NotAFileName(wrong.clone()));
        }
        Ok(statement)
    }

    /// Returns the size of all files in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.values().fold(0, |sum, entry| sum.saturating_add(entry.bytes))
    }
}
