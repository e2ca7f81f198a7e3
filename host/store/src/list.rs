//! Lists the versions of a use case with what their statements say.

use std::cmp::Reverse;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use postdate_core::bundle::{CASES_DIR, is_case_file};
use postdate_core::ports::{VersionDetails, VersionInfo};
use postdate_runtime::trust::Trust;

use crate::current::Current;
use crate::error::StoreError;
use crate::objects::Objects;
use crate::versions::Versions;

/// Statements that are read at the same time. A bucket answers one in 20 ms.
const AT_ONCE: usize = 16;

/// The versions of a use case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The newest first; those whose statement cannot be read last.
    pub versions: Vec<VersionInfo>,
    /// `None` for the copies that a server keeps of plain directories.
    pub current: Option<Current>,
}

impl<S: Objects> Versions<S> {
    /// Returns the versions of a use case, without those whose push is not complete. Fails if the store has none.
    pub async fn list(&self, name: &str) -> Result<Versioned, StoreError> {
        let current = self.current_if_any(name).await?;
        let described = self.versions(name).await?.into_iter().map(|version| self.describe(name, version, current.as_ref()));
        let found: Vec<Option<VersionInfo>> = stream::iter(described).buffered(AT_ONCE).try_collect().await?;
        let mut versions: Vec<VersionInfo> = found.into_iter().flatten().collect();
        versions.sort_by_key(|version| Reverse(version.pushed_at()));
        Ok(Versioned { versions, current })
    }

    async fn describe(&self, name: &str, version: String, current: Option<&Current>) -> Result<Option<VersionInfo>, StoreError> {
        let details = match self.statement(name, &version, &Trust::default()).await {
            Ok((statement, envelope)) => VersionDetails::Pushed {
                pushed_at: statement.pushed_at,
                bytes: statement.bytes(),
                cases: statement.files.keys().filter_map(|file| case_name(file)).collect(),
                pushed_by: statement.pushed_by,
                signed_by: envelope.signers(),
                compiled_for: self.precompiled_for(name, &version).await?,
            },
            // A push is in progress, or was interrupted.
            Err(StoreError::NoSuchVersion { .. }) => return Ok(None),
            Err(error @ StoreError::Unavailable { .. }) => return Err(error),
            Err(error) => VersionDetails::Unusable { error: error.to_string() },
        };
        let is_current = current.is_some_and(|current| current.version == version);
        let former = current.and_then(|current| current.former.iter().find(|former| former.version == version));
        let served_until = former.filter(|_| !is_current).map(|former| former.until);
        Ok(Some(VersionInfo { version, is_current, served_until, details }))
    }
}

/// Returns the name of a test case: that of its file, without directory and ending. `None` for another file.
fn case_name(file: &str) -> Option<String> {
    let name = file.strip_prefix(CASES_DIR)?.strip_prefix('/')?;
    is_case_file(name).then(|| name.trim_end_matches(".toml").to_owned())
}
