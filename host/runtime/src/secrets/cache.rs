//! Caches secrets for a time, so that most calls of a plugin read no source, and a rotated secret arrives without a restart.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::time::timeout;

use super::{Function, SecretError, SecretSource, SecretValues};

/// Longest wait of a call for a source.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between a failed fetch and the next one, while there is a last good value.
const RETRY: Duration = Duration::from_secs(10);

/// The lifetime of cached values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Age from which the next call reads the source again.
    pub fresh: Duration,
    /// Additional time for which the last good value stays in use while the source cannot be read.
    pub stale: Duration,
}

impl Lifetime {
    /// Range of `fresh` that a host accepts. A shorter time would read the source at nearly every call; a longer one would miss rotations.
    pub const FRESH: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
}

impl Default for Lifetime {
    fn default() -> Self {
        Self { fresh: Duration::from_mins(5), stale: Duration::from_hours(1) }
    }
}

/// The secrets of a host; clones share the cache.
#[derive(Clone)]
pub struct Secrets {
    inner: Arc<Inner>,
}

struct Inner {
    source: Box<dyn SecretSource>,
    lifetime: Lifetime,
    patience: Duration,
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    known: Mutex<HashMap<(String, String), Known>>,
    /// Lock that is held during a fetch, so that concurrent calls share the fetch.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    value: Arc<SecretString>,
    fetched: Instant,
    /// Time of the next fetch.
    next: Instant,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("lifetime", &self.inner.lifetime).finish_non_exhaustive()
    }
}

impl Secrets {
    pub fn new(source: impl SecretSource + 'static, lifetime: Lifetime) -> Self {
        Self::with_clock(source, lifetime, FETCH_TIMEOUT, Instant::now)
    }

    fn with_clock(
        source: impl SecretSource + 'static,
        lifetime: Lifetime,
        patience: Duration,
        now: impl Fn() -> Instant + Send + Sync + 'static,
    ) -> Self {
        let (known, fetching) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { inner: Arc::new(Inner { source: Box::new(source), lifetime, patience, now: Box::new(now), known, fetching }) }
    }

    /// Returns secrets from a function, the same for every use case.
    pub fn of(values: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::new(Function(values), Lifetime::default())
    }

    /// Returns an empty source of secrets.
    pub fn none() -> Self {
        Self::of(|_| None)
    }

    /// Returns the values of all these names. Does not wait while they are fresh.
    ///
    /// # Errors
    /// Fails if one of them does not exist, or if the source cannot be read and there is no last good value.
    pub async fn get(&self, use_case: &str, names: &[String]) -> Result<SecretValues, SecretError> {
        if let Some(values) = self.fresh(use_case, names) {
            return Ok(values);
        }
        let fetched = timeout(self.inner.patience, async {
            let _one = self.inner.fetching.lock().await;
            if let Some(values) = self.fresh(use_case, names) {
                return Ok(Ok(values));
            }
            // Fetches all names, because a user name and its password may have changed together.
            let asked: Vec<&str> = names.iter().map(String::as_str).collect();
            let values = self.inner.source.fetch(use_case, &asked).await?;
            Ok(self.remember(use_case, names, values))
        });
        let no_answer = |_| Err(format!("cannot be read: no answer within {:?}", self.inner.patience));
        fetched.await.unwrap_or_else(no_answer).unwrap_or_else(|reason| self.go_on(use_case, names, reason))
    }

    /// Returns the values if all of them are fresh.
    fn fresh(&self, use_case: &str, names: &[String]) -> Option<SecretValues> {
        let (now, known) = ((self.inner.now)(), self.known());
        let value = |name: &String| {
            let known = known.get(&key(use_case, name)).filter(|known| now < known.next)?;
            Some((name.clone(), Arc::clone(&known.value)))
        };
        names.iter().map(value).collect()
    }

    fn remember(&self, use_case: &str, names: &[String], mut fetched: BTreeMap<String, SecretString>) -> Result<SecretValues, SecretError> {
        let now = (self.inner.now)();
        let mut values = SecretValues::new();
        let mut known = self.known();
        for name in names {
            let Some(value) = fetched.remove(name) else {
                // The last good value of a removed secret is dropped: it only bridges failures of the source.
                known.remove(&key(use_case, name));
                return Err(SecretError::Missing { name: name.clone(), reason: self.inner.source.missing(use_case, name) });
            };
            let value = Arc::new(value);
            values.insert(name.clone(), Arc::clone(&value));
            known.insert(key(use_case, name), Known { value, fetched: now, next: now + self.inner.lifetime.fresh });
        }
        Ok(values)
    }

    /// Returns the last good values, unless they are too old.
    fn go_on(&self, use_case: &str, names: &[String], reason: String) -> Result<SecretValues, SecretError> {
        let (now, Lifetime { fresh, stale }) = ((self.inner.now)(), self.inner.lifetime);
        let mut known = self.known();
        let usable = |name: &String| known.get(&key(use_case, name)).is_some_and(|known| now < known.fetched + fresh + stale);
        if !names.iter().all(usable) {
            return Err(SecretError::Unavailable { names: names.to_vec(), reason });
        }
        tracing::warn!(use_case, secrets = names.join(", "), error = reason, "secrets not refreshed; their last good values stay in use");
        let mut values = SecretValues::new();
        for name in names {
            if let Some(known) = known.get_mut(&key(use_case, name)) {
                known.next = now + RETRY.min(fresh);
                values.insert(name.clone(), Arc::clone(&known.value));
            }
        }
        Ok(values)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(String, String), Known>> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(use_case: &str, name: &str) -> (String, String) {
    (use_case.to_owned(), name.to_owned())
}

#[cfg(test)]
mod tests;
