//! Compiles ahead of a start: fills the cache of machine code with all versions, and serves none.

use std::collections::HashSet;
use std::thread::available_parallelism;

use postdate_core::bundle::BundleSource;
use postdate_runtime::Need;
use postdate_store::StoreError;
use tokio::task::JoinSet;

use super::{Catalog, Found};

/// A version whose machine code is in the cache, or why it is not.
#[derive(Debug)]
pub struct Prepared {
    pub use_case: String,
    pub version: String,
    pub outcome: anyhow::Result<()>,
}

/// A version to compile.
enum Wanted {
    /// The version that serves.
    Current(Found),
    /// A version of the server's own store, which requests may be pinned to.
    Kept(String),
}

impl Catalog {
    /// Compiles every version of the store, and then all that serve, so that these are the last ones that a full cache drops. Notifies
    /// `on_end` of each, once unless it fails.
    pub async fn prepare(&self, mut on_end: impl FnMut(Prepared)) -> anyhow::Result<()> {
        let mut reported = HashSet::new();
        let mut on_end = |prepared: Prepared| {
            let is_new = reported.insert((prepared.use_case.clone(), prepared.version.clone()));
            if is_new || prepared.outcome.is_err() {
                on_end(prepared);
            }
        };
        let mut wanted = Vec::new();
        for name in self.inner.store.names().await? {
            wanted.extend(self.inner.store.versions(&name).await?.into_iter().map(|version| (name.clone(), Wanted::Kept(version))));
        }
        wanted.extend(self.inner.sources.look()?.into_iter().map(|(name, found)| (name, Wanted::Current(found))));
        let mut running: JoinSet<Option<Prepared>> = JoinSet::new();
        for (name, wanted) in wanted {
            if running.len() >= available_parallelism().map_or(1, usize::from)
                && let Some(ended) = running.join_next().await
            {
                ended?.into_iter().for_each(&mut on_end);
            }
            let catalog = self.clone();
            running.spawn(async move { catalog.prepare_one(name, wanted).await });
        }
        while let Some(ended) = running.join_next().await {
            ended?.into_iter().for_each(&mut on_end);
        }
        Ok(())
    }

    /// Returns `None` for a version whose push is not complete.
    async fn prepare_one(&self, use_case: String, wanted: Wanted) -> Option<Prepared> {
        let (version, source) = match wanted {
            Wanted::Kept(version) => match self.inner.store.source(&use_case, &version, &self.inner.trust).await {
                Err(StoreError::NoSuchVersion { .. }) => return None,
                source => (version, source.map_err(anyhow::Error::from)),
            },
            Wanted::Current(found) => {
                let source = self.read(&use_case, &found).await.map(|(source, _)| source);
                (source.as_ref().map(BundleSource::version).unwrap_or_default(), source)
            }
        };
        let outcome = match source {
            Ok(source) => self.load_source(&use_case, &source, Need::Start).await.map(drop),
            Err(error) => Err(error),
        };
        Some(Prepared { use_case, version, outcome })
    }
}
