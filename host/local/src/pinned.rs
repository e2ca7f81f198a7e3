//! Versions that requests are pinned to and that are not current any more. Loading one may mean to compile it again, for
//! minutes: those who want the same one wait for one load, and share what comes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long a failure is everybody's answer: what cannot be compiled is not to be tried again for each request.
const FAILURE_HOLDS: Duration = Duration::from_secs(30);

pub struct Pinned<B>(Mutex<BTreeMap<NameAndVersion, Arc<Shared<B>>>>);

type NameAndVersion = (String, String);
/// Held by who loads.
type Shared<B> = tokio::sync::Mutex<State<B>>;

enum State<B> {
    Unknown,
    Loaded(Arc<B>),
    Failed { at: Instant, error: String },
}

impl<B> Default for Pinned<B> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<B> Pinned<B> {
    /// The version, loaded by `load` unless it has been. Where whoever loads is dropped, the next one in line loads.
    pub async fn get(&self, name: &str, version: &str, load: impl Future<Output = Result<B, String>>) -> Result<Arc<B>, String> {
        let state = self.state(name, version);
        let mut state = state.lock().await;
        match &*state {
            State::Loaded(bundle) => return Ok(Arc::clone(bundle)),
            State::Failed { at, error } if at.elapsed() < FAILURE_HOLDS => return Err(error.clone()),
            State::Unknown | State::Failed { .. } => {}
        }
        let loaded = load.await.map(Arc::new);
        *state = match &loaded {
            Ok(bundle) => State::Loaded(Arc::clone(bundle)),
            Err(error) => State::Failed { at: Instant::now(), error: error.clone() },
        };
        loaded
    }

    fn state(&self, name: &str, version: &str) -> Arc<Shared<B>> {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || Arc::new(Shared::new(State::Unknown));
        Arc::clone(states.entry((name.to_owned(), version.to_owned())).or_insert_with(unknown))
    }
}

#[cfg(test)]
mod tests;
