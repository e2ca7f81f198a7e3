//! Cache of loaded versions that requests are pinned to and that are no longer current. Loading one may include compiling it for
//! minutes, so callers of the same version share one load and its outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use postdate_core::ports::UseCaseError;
use postdate_core::use_case::NameAndVersion;

/// How long a failure is cached. A version that does not compile is not compiled again for each request.
const FAILURE_HOLDS: Duration = Duration::from_secs(30);
/// How long an unused version stays in the cache.
const IDLE: Duration = Duration::from_hours(1);
/// Limit of the cached versions' machine code and config, in bytes. Beyond it, the version that was used least recently goes. A version
/// counts at least [`LEAST_BYTES`], so that there are at most 256 of them.
const MAX_BYTES: u32 = 1 << 30;
const LEAST_BYTES: u32 = 4 << 20;

type Loaded<B> = Result<Arc<B>, UseCaseError>;

/// A handle on the cache; clones share it.
pub struct Pinned<B>(Cache<NameAndVersion, Loaded<B>>);

impl<B> Clone for Pinned<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Send + Sync + 'static> Pinned<B> {
    /// `bytes` returns the size of a loaded version.
    pub fn new(bytes: fn(&B) -> usize) -> Self {
        let weight = move |_: &NameAndVersion, loaded: &Loaded<B>| {
            let bytes = loaded.as_ref().map_or(0, |version| bytes(version));
            u32::try_from(bytes).unwrap_or(MAX_BYTES).clamp(LEAST_BYTES, MAX_BYTES)
        };
        let cache = Cache::builder().weigher(weight).max_capacity(MAX_BYTES.into()).eviction_policy(EvictionPolicy::lru());
        Self(cache.time_to_idle(IDLE).expire_after(Failures).build())
    }

    /// Returns the cached version or failure, or runs `load`. If the caller that runs `load` is dropped, the next caller runs its own.
    pub async fn get(&self, name: &str, version: &str, load: impl Future<Output = Result<B, UseCaseError>>) -> Loaded<B> {
        let load = async { load.await.map(Arc::new) };
        self.0.get_with((name.to_owned(), version.to_owned()), load).await
    }

    /// Returns the cached version or failure, if any.
    pub async fn known(&self, name: &str, version: &str) -> Option<Loaded<B>> {
        self.0.get(&(name.to_owned(), version.to_owned())).await
    }
}

/// Expires failures after [`FAILURE_HOLDS`].
struct Failures;

impl<B> Expiry<NameAndVersion, Loaded<B>> for Failures {
    fn expire_after_create(&self, _key: &NameAndVersion, loaded: &Loaded<B>, _now: Instant) -> Option<Duration> {
        loaded.is_err().then_some(FAILURE_HOLDS)
    }
}

#[cfg(test)]
mod tests;
