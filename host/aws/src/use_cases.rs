//! Use cases from a directory of the package or a layer, or from an S3 prefix; compiled ahead of time.
//!
//! A bucket's `current` is looked at again after [`FRESH`], by `ETag`, when a request needs it; what was loaded goes on serving
//! while the bucket cannot be read.

mod bundle;
mod place;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use postdate_core::bundle::is_version;
use postdate_core::host_fault::HostFault;
use postdate_core::plugin::Role;
use postdate_core::ports::{Bundle as _, UseCaseError, UseCaseInfo, UseCases};
use postdate_core::use_case::{MANIFEST_FILE, UseCase, is_use_case_name};
use postdate_runtime::{CompiledBundle, Runtime, Secrets, read_compiled_dir};

pub use bundle::TimedBundle;
pub use place::Place;

use crate::metrics::Service;
use place::Looked;

/// How long a bucket's `current` is not asked for again.
pub const FRESH: Duration = Duration::from_secs(10);
/// Names that are remembered as not there; a client may make up any number of them.
const MAX_UNKNOWN: usize = 1000;
/// Loaded versions that are kept; beyond it, those that no use case has as its current one go.
const MAX_LOADED: usize = 64;

/// The plugins that a host calls; the machine code and the secrets of others are not looked at.
fn roles(service: Service) -> &'static [Role] {
    match service {
        Service::Processor => &[Role::Validate],
        Service::Target => &[Role::Process],
        Service::Janitor => &[],
    }
}

/// A handle on the use cases; clones share what is loaded.
#[derive(Clone)]
pub struct AwsUseCases {
    inner: Arc<Inner>,
}

struct Inner {
    place: Place,
    runtime: Runtime,
    secrets: Secrets,
    service: Service,
    entries: Mutex<HashMap<String, Entry>>,
    loaded: Mutex<HashMap<(String, String), Arc<TimedBundle>>>,
    /// The list, and when it was made.
    listed: Mutex<Option<(Instant, Vec<UseCaseInfo>)>>,
    /// One load at a time: two requests for the same version would fetch it twice.
    loading: tokio::sync::Mutex<()>,
    fresh: Duration,
}

/// What is known of one use case.
#[derive(Default, Clone)]
struct Entry {
    looked: Option<Instant>,
    etag: Option<String>,
    serving: Option<Arc<TimedBundle>>,
    /// Why the current version is not what serves.
    error: Option<String>,
}

impl AwsUseCases {
    pub fn new(place: Place, runtime: Runtime, secrets: Secrets, service: Service) -> Self {
        Self::with_fresh(place, runtime, secrets, service, FRESH)
    }

    fn with_fresh(place: Place, runtime: Runtime, secrets: Secrets, service: Service, fresh: Duration) -> Self {
        let (entries, loaded, listed) = (Mutex::default(), Mutex::default(), Mutex::default());
        let loading = tokio::sync::Mutex::default();
        Self { inner: Arc::new(Inner { place, runtime, secrets, service, entries, loaded, listed, loading, fresh }) }
    }

    /// Loads before the first request: all use cases of a directory, these ones of a bucket. A broken one is logged, and told to
    /// whoever asks for it.
    pub async fn prefetch(&self, names: &[String]) {
        let all = if self.inner.place.is_fixed() { self.inner.place.names().await } else { Ok(names.to_vec()) };
        match all {
            Ok(names) => {
                for name in names {
                    self.refresh(&name).await;
                }
            }
            Err(error) => tracing::error!(error, "cannot look for use cases"),
        }
    }

    /// The entry of a use case, after a look if it is time for one.
    async fn refresh(&self, name: &str) -> Entry {
        if let Some(entry) = self.fresh(name) {
            return entry;
        }
        let _one = self.inner.loading.lock().await;
        if let Some(entry) = self.fresh(name) {
            return entry;
        }
        let mut entry = self.entries().get(name).cloned().unwrap_or_default();
        entry.looked = Some(Instant::now());
        match self.inner.place.look(name, entry.etag.as_deref()).await {
            Ok(Looked::Same) => {}
            Ok(Looked::NoSuchUseCase) => entry = Entry { looked: entry.looked, ..Entry::default() },
            Ok(Looked::Version { version, etag }) => match self.load(name, &version).await {
                Ok(bundle) => {
                    tracing::debug!(use_case = name, version, "use case loaded");
                    // Only now: what did not load is tried again at the next look.
                    entry = Entry { etag, serving: Some(bundle), error: None, ..entry };
                }
                Err(error) => entry.fail(name, error.to_string()),
            },
            Err(error) => entry.fail(name, error),
        }
        self.remember(name, entry.clone());
        entry
    }

    fn fresh(&self, name: &str) -> Option<Entry> {
        let entries = self.entries();
        let entry = entries.get(name)?;
        let is_fresh = entry.looked.is_some_and(|looked| looked.elapsed() < self.inner.fresh);
        (is_fresh || (self.inner.place.is_fixed() && entry.serving.is_some())).then(|| entry.clone())
    }

    fn remember(&self, name: &str, entry: Entry) {
        let mut entries = self.entries();
        if entries.len() >= MAX_UNKNOWN {
            entries.retain(|_, entry| entry.serving.is_some() || entry.error.is_some());
        }
        entries.insert(name.to_owned(), entry);
    }

    /// Loads a version, or finds it loaded. Held under `loading`.
    async fn load(&self, name: &str, version: &str) -> Result<Arc<TimedBundle>, UseCaseError> {
        let key = (name.to_owned(), version.to_owned());
        if let Some(bundle) = self.loaded().get(&key) {
            return Ok(Arc::clone(bundle));
        }
        let (place, roles) = (&self.inner.place, roles(self.inner.service));
        let bundle = match place.kept(name, version) {
            None => self.load_dir(name, version, &place.fetch(name, version, roles).await?).await?,
            Some(dir) => match self.load_dir(name, version, &dir).await {
                // What an earlier process left behind may be damaged, or for another host.
                Err(UseCaseError::Unusable(error)) if !place.is_only(name) => {
                    tracing::warn!(use_case = name, version, error, "fetching it once more");
                    self.load_dir(name, version, &place.fetch(name, version, roles).await?).await?
                }
                other => other?,
            },
        };
        let bundle = Arc::new(TimedBundle::new(bundle, self.inner.service));
        let mut loaded = self.loaded();
        if loaded.len() >= MAX_LOADED {
            // Those in use by nobody: requests of old versions, long done.
            loaded.retain(|_, bundle| Arc::strong_count(bundle) > 1);
        }
        loaded.insert(key, Arc::clone(&bundle));
        Ok(bundle)
    }

    async fn load_dir(&self, name: &str, version: &str, dir: &Path) -> Result<postdate_runtime::LoadedBundle, UseCaseError> {
        // On this thread: it is a manifest, a list and what they name of text, which is read before another thread would start.
        let compiled = read_compiled_dir(dir, &self.inner.place.trust).map_err(|error| UseCaseError::Unusable(error.to_string()))?;
        let compiled = only(compiled, self.inner.service);
        let manifest_name = &compiled.use_case().name;
        if manifest_name != name {
            return Err(UseCaseError::Unusable(format!(
                "it is stored as {name:?}, and its {MANIFEST_FILE} says {manifest_name:?}: make them equal"
            )));
        }
        if compiled.version() != version {
            return Err(UseCaseError::Unusable(format!(
                "what is stored as version {version} of use case {name} is version {}",
                compiled.version()
            )));
        }
        self.inner.runtime.load_compiled(&compiled, &self.inner.secrets).await.map_err(|error| match error {
            error if error.is_transient() => HostFault::new("the secrets of the use case", error.to_string()).into(),
            error => UseCaseError::Unusable(error.to_string()),
        })
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loaded(&self) -> MutexGuard<'_, HashMap<(String, String), Arc<TimedBundle>>> {
        self.inner.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn fail(&mut self, name: &str, error: String) {
        let serving = self.serving.as_ref().map_or("none", |bundle| bundle.version());
        tracing::error!(use_case = name, error, serving, "the current version of the use case cannot be had");
        self.error = Some(error);
    }
}

fn only(bundle: CompiledBundle, service: Service) -> CompiledBundle {
    match service {
        Service::Processor => bundle.only(Role::Validate),
        Service::Target => bundle.only(Role::Process),
        // Neither: it reads manifests.
        Service::Janitor => bundle.only(Role::Validate).only(Role::Process),
    }
}

impl UseCases for AwsUseCases {
    type Bundle = TimedBundle;

    async fn current(&self, name: &str) -> Option<Arc<TimedBundle>> {
        // Names become paths and keys.
        if !is_use_case_name(name) {
            return None;
        }
        self.refresh(name).await.serving
    }

    async fn version(&self, name: &str, version: &str) -> Result<Arc<TimedBundle>, UseCaseError> {
        if !is_use_case_name(name) || !is_version(version) {
            return Err(UseCaseError::Unusable(format!("there is no version {version:?} of a use case {name:?}")));
        }
        let key = (name.to_owned(), version.to_owned());
        if let Some(bundle) = self.loaded().get(&key) {
            return Ok(Arc::clone(bundle));
        }
        let _one = self.inner.loading.lock().await;
        self.load(name, version).await.map_err(|error| {
            let detail = format!("version {version} of use case {name} cannot be had: {error}");
            match error {
                UseCaseError::Unusable(_) => UseCaseError::Unusable(detail),
                UseCaseError::Host(fault) => HostFault { detail, ..fault }.into(),
            }
        })
    }

    async fn list(&self) -> Vec<UseCaseInfo> {
        let listed = self.inner.listed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, infos)) = listed.filter(|(when, _)| when.elapsed() < self.inner.fresh) {
            return infos;
        }
        let found = self.inner.place.names().await;
        let complete = found.is_ok();
        let mut names = found.unwrap_or_else(|error| {
            tracing::error!(error, "cannot list the use cases; what was asked for is listed");
            let entries = self.entries();
            let known = entries.iter().filter(|(_, entry)| entry.serving.is_some() || entry.error.is_some());
            known.map(|(name, _)| name.clone()).collect()
        });
        names.sort();
        let mut infos = Vec::with_capacity(names.len());
        for name in names {
            infos.push(self.info(name).await);
        }
        if complete {
            *self.inner.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), infos.clone()));
        }
        infos
    }
}

impl AwsUseCases {
    /// A line of the list. Of a bucket's use case that nobody has asked for, only the manifest is read.
    async fn info(&self, name: String) -> UseCaseInfo {
        let known = self.entries().get(&name).cloned().filter(|entry| entry.serving.is_some() || entry.error.is_some());
        let entry = match known {
            Some(entry) => entry,
            None if self.inner.place.is_fixed() => self.refresh(&name).await,
            None => {
                return match self.inner.place.describe(&name).await {
                    Ok((version, use_case)) => info_of(name, Some(&version), Some(&use_case), None),
                    Err(error) => info_of(name, None, None, Some(error)),
                };
            }
        };
        let serving = entry.serving.as_ref();
        info_of(name, serving.map(|bundle| bundle.version()), serving.map(|bundle| bundle.use_case()), entry.error)
    }
}

fn info_of(name: String, version: Option<&str>, use_case: Option<&UseCase>, error: Option<String>) -> UseCaseInfo {
    UseCaseInfo {
        name,
        description: use_case.map(|use_case| use_case.description.clone()).unwrap_or_default(),
        version: version.map(str::to_owned),
        targets: use_case.map(|use_case| use_case.targets.aliases()).unwrap_or_default(),
        error,
        update: None,
    }
}
