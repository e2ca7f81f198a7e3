//! The current version of a use case, and its former versions.

use chrono::{DateTime, Utc};
use postdate_core::bundle::is_version;
use serde::{Deserialize, Serialize};

/// Most former versions that are kept.
const MAX_FORMER: usize = 50;

/// The content of `current`. The file is JSON, or only the version if a person wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    pub version: String,
    /// Time when the version became current; `None` if a person wrote the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Name of the person or program that made the version current.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// Former versions, latest first.
    #[serde(default)]
    pub former: Vec<Former>,
}

/// A former version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    pub version: String,
    pub until: DateTime<Utc>,
}

impl Current {
    /// Parses the content of `current`. Fails with the end of a sentence.
    pub fn parse(content: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(content).map_err(|_| "is not UTF-8")?.trim();
        if is_version(text) {
            return Ok(Self { version: text.to_owned(), since: None, by: String::new(), former: Vec::new() });
        }
        let current: Self = serde_json::from_str(text)
            .map_err(|error| format!("should hold a version, 16 hexadecimal digits, or what `use-case push` writes ({error})"))?;
        let versions = std::iter::once(&current.version).chain(current.former.iter().map(|former| &former.version));
        if let Some(wrong) = versions.into_iter().find(|version| !is_version(version)) {
            return Err(format!("names the version {wrong:?}, and a version is 16 hexadecimal digits"));
        }
        Ok(current)
    }

    /// Returns the content that makes another version current. `before` is the content until then.
    pub(crate) fn moved(before: Option<Self>, version: &str, by: &str, now: DateTime<Utc>) -> Self {
        let former = match before {
            None => Vec::new(),
            Some(before) => {
                let mut former = before.former;
                former.insert(0, Former { version: before.version, until: now });
                former.truncate(MAX_FORMER);
                former
            }
        };
        Self { version: version.to_owned(), since: Some(now), by: by.to_owned(), former }
    }
}

#[cfg(test)]
mod tests;
