//! What `bundle.json` says of a version, in an envelope that may be signed.

use chrono::{DateTime, Utc};
use postdate_core::bundle::{BundleSource, Listing, is_file_name, version_of};
use postdate_runtime::trust::{Envelope, Trust};
use serde::{Deserialize, Serialize};

/// The type of a [`Statement`] in an [`Envelope`].
const STATEMENT_TYPE: &str = "application/vnd.postdate.bundle+json";

/// A version's files, and who brought them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    pub use_case: String,
    pub version: String,
    pub files: Listing,
    pub pushed_at: DateTime<Utc>,
    /// As they called themselves.
    pub pushed_by: String,
}

/// Who does something, and when.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    pub name: &'a str,
    pub now: DateTime<Utc>,
}

impl Statement {
    pub fn new(use_case: &str, source: &BundleSource, by: By<'_>) -> Self {
        let files = source.listing();
        Self { use_case: use_case.to_owned(), version: version_of(&files), files, pushed_at: by.now, pushed_by: by.name.to_owned() }
    }

    /// Not signed yet.
    pub fn to_envelope(&self) -> Envelope {
        // Strings and numbers: there is nothing in it that cannot be written.
        Envelope::new(STATEMENT_TYPE, serde_json::to_vec(self).unwrap_or_default())
    }

    /// What it says, if it is signed by whom is trusted and is of this version of this use case. The error is a sentence's end.
    pub fn open(envelope: &Envelope, trust: &Trust, use_case: &str, version: &str) -> Result<Self, String> {
        let payload = envelope.open(STATEMENT_TYPE, trust).map_err(|error| error.to_string())?;
        let statement: Self =
            serde_json::from_slice(payload).map_err(|error| format!("does not say what a bundle's files are: {error}"))?;
        if statement.use_case != use_case {
            return Err(format!("is of use case {:?}, and not of {use_case:?}", statement.use_case));
        }
        let real = version_of(&statement.files);
        if statement.version != version || real != version {
            return Err(format!("is of version {real}, and not of {version}"));
        }
        if let Some(wrong) = statement.files.keys().find(|name| !is_file_name(name)) {
            return Err(format!("lists {wrong:?}, which is not the name of a bundle's file"));
        }
        Ok(statement)
    }

    /// Of all files, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.values().fold(0, |sum, entry| sum.saturating_add(entry.bytes))
    }
}
