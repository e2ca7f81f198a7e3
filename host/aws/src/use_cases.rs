//! The core's port `UseCases` on AWS: use cases in a directory of the package or a layer, or in a bucket, with precompiled machine
//! code.
//!
//! A request that needs a bucket's `current` reads it again by `ETag` if the last read is older than [`FRESH`]. While the bucket
//! cannot be read, the loaded version stays in use.

mod bundle;
mod cache;
mod error;
mod unpacked;
mod version_loader;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use postdate_core::bundle::is_version;
use postdate_core::host_fault::{HostFault, STORE};
use postdate_core::ports::{Bundle as _, StoredVersions, UseCaseError, UseCaseInfo, UseCases};
use postdate_core::use_case::{UseCase, is_use_case_name};

pub use bundle::TimedBundle;
use cache::VersionCache;
pub use error::VersionError;
pub use version_loader::VersionLoader;

use crate::metrics::{self, Service, Unit};
use version_loader::Looked;

/// Time for which a bucket's `current` is not read again.
pub const FRESH: Duration = Duration::from_secs(10);
/// Most entries that are kept; beyond it, unknown names are dropped. A client can call any number of unknown names.
const MAX_UNKNOWN: usize = 1000;
/// Most bytes of loaded versions, which are machine code and config: half of the memory of a function by default.
const MAX_LOADED_BYTES: u64 = 256 << 20;

/// A handle on the use cases; clones share the loaded versions.
#[derive(Clone)]
pub struct AwsUseCases {
    shared: Arc<Shared>,
}

struct Shared {
    loader: VersionLoader,
    service: Service,
    entries: Mutex<HashMap<String, Entry>>,
    loaded: Mutex<VersionCache<Arc<TimedBundle>>>,
    /// Manifests of versions that are not loaded.
    manifests: Mutex<VersionCache<Arc<UseCase>>>,
    /// The last complete list, and the time when it was made.
    listed: Mutex<Option<(Instant, Vec<UseCaseInfo>)>>,
    /// Lock that is held while a version loads, so that two requests for one version load it once.
    loading: tokio::sync::Mutex<()>,
    fresh: Duration,
}

/// The known state of one use case.
#[derive(Default, Clone)]
struct Entry {
    looked: Option<Instant>,
    etag: Option<String>,
    serving: Option<Arc<TimedBundle>>,
    /// The error of the current version, if it does not load.
    error: Option<VersionError>,
}

impl AwsUseCases {
    pub fn new(loader: VersionLoader, service: Service) -> Self {
        Self::with_fresh(loader, service, FRESH)
    }

    fn with_fresh(loader: VersionLoader, service: Service, fresh: Duration) -> Self {
        let shared = Shared {
            loader,
            service,
            entries: Mutex::default(),
            loaded: Mutex::new(VersionCache::new(MAX_LOADED_BYTES)),
            manifests: Mutex::new(VersionCache::new(MAX_LOADED_BYTES)),
            listed: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            fresh,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Loads use cases before the first request: all of a directory, or `names` of a bucket. Logs the errors; a request for the use
    /// case tries the load again.
    pub async fn prefetch(&self, names: &[String]) {
        let all = if self.shared.loader.is_fixed() { self.shared.loader.names().await } else { Ok(names.to_vec()) };
        match all {
            Ok(names) => {
                for name in names {
                    self.refresh(&name).await;
                }
            }
            Err(error) => tracing::error!(%error, "cannot list the use cases to load"),
        }
    }

    /// Loads a version, or returns it if it is loaded.
    pub async fn load(&self, name: &str, version: &str) -> Result<Arc<TimedBundle>, VersionError> {
        if !is_use_case_name(name) || !is_version(version) {
            return Err(VersionError::gone(name, version));
        }
        if let Some(bundle) = self.loaded(name, version) {
            return Ok(bundle);
        }
        let _one = self.shared.loading.lock().await;
        self.load_alone(name, version).await
    }

    /// Returns the entry of a use case. Looks for its current version first if the last look is not fresh.
    async fn refresh(&self, name: &str) -> Entry {
        if let Some(entry) = self.fresh(name) {
            return entry;
        }
        let _one = self.shared.loading.lock().await;
        if let Some(entry) = self.fresh(name) {
            return entry;
        }
        let mut entry = self.entries().get(name).cloned().unwrap_or_default();
        entry.looked = Some(Instant::now());
        match self.shared.loader.look(name, entry.etag.as_deref()).await {
            Ok(Looked::Same) => {}
            Ok(Looked::NoSuchUseCase) => entry = Entry { looked: entry.looked, ..Entry::default() },
            Ok(Looked::Version { version, etag }) => match self.load_alone(name, &version).await {
                Ok(bundle) => {
                    tracing::debug!(use_case = name, version, "use case loaded");
                    // Only the tag of a version that loads is kept, so that the next look loads another one again.
                    entry = Entry { etag, serving: Some(bundle), error: None, ..entry };
                }
                Err(error) => self.fail(&mut entry, name, error),
            },
            Err(error) => self.fail(&mut entry, name, error),
        }
        self.remember(name, entry.clone());
        entry
    }

    fn fresh(&self, name: &str) -> Option<Entry> {
        let entries = self.entries();
        let entry = entries.get(name)?;
        let is_fresh = entry.looked.is_some_and(|looked| looked.elapsed() < self.shared.fresh);
        (is_fresh || (self.shared.loader.is_fixed() && entry.serving.is_some())).then(|| entry.clone())
    }

    fn remember(&self, name: &str, entry: Entry) {
        let mut entries = self.entries();
        if entries.len() >= MAX_UNKNOWN {
            entries.retain(|_, entry| entry.is_known());
        }
        entries.insert(name.to_owned(), entry);
    }

    /// Does the work of [`load`](Self::load). The caller holds `loading`.
    async fn load_alone(&self, name: &str, version: &str) -> Result<Arc<TimedBundle>, VersionError> {
        if let Some(bundle) = self.loaded(name, version) {
            return Ok(bundle);
        }
        let bundle = self.shared.loader.load(name, version).await?;
        let bytes = bundle.loaded_bytes() as u64;
        let bundle = Arc::new(TimedBundle::new(bundle, self.shared.service));
        let removed = lock(&self.shared.loaded).insert(name, version, Arc::clone(&bundle), bytes);
        let mut entries = self.entries();
        for (name, version) in removed {
            tracing::info!(use_case = name, version, "version unloaded, since the loaded ones take too much memory");
            // The next request for the use case looks for its current version again.
            if entries.get(&name).and_then(Entry::version) == Some(version.as_str()) {
                entries.remove(&name);
            }
        }
        Ok(bundle)
    }

    /// Returns the manifest of a version. Reads only the manifest if the version is not loaded.
    async fn read_manifest(&self, name: &str, version: &str) -> Result<Arc<UseCase>, VersionError> {
        if !is_use_case_name(name) || !is_version(version) {
            return Err(VersionError::gone(name, version));
        }
        if let Some(bundle) = self.loaded(name, version) {
            return Ok(Arc::new(bundle.use_case().clone()));
        }
        if let Some(manifest) = lock(&self.shared.manifests).get(name, version) {
            return Ok(manifest);
        }
        let manifest = Arc::new(self.shared.loader.manifest(name, version).await?);
        lock(&self.shared.manifests).insert(name, version, Arc::clone(&manifest), 0);
        Ok(manifest)
    }

    fn loaded(&self, name: &str, version: &str) -> Option<Arc<TimedBundle>> {
        lock(&self.shared.loaded).get(name, version)
    }

    /// Records and logs that the current version does not load.
    fn fail(&self, entry: &mut Entry, name: &str, error: VersionError) {
        self.count_failure(name, &error);
        let serving = entry.version().unwrap_or("none");
        tracing::error!(use_case = name, %error, serving, "the current version of the use case does not load");
        entry.error = Some(error);
    }

    /// Counts a request or a look that found no machine code for this host, which the alarm `NotCompiled` watches.
    fn count_failure(&self, name: &str, error: &VersionError) {
        if matches!(error, VersionError::NotPrecompiled(_)) {
            metrics::emit(self.shared.service, Some(name), &[("NotCompiled", 1.0, Unit::Count)]);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        lock(&self.shared.entries)
    }

    /// Returns one entry of the list. For a use case in a bucket that is not loaded, reads only its manifest.
    async fn info(&self, name: String) -> UseCaseInfo {
        let known = self.entries().get(&name).cloned().filter(Entry::is_known);
        let entry = match known {
            Some(entry) => entry,
            None if self.shared.loader.is_fixed() => self.refresh(&name).await,
            None => {
                return match self.shared.loader.describe(&name).await {
                    Ok((version, use_case)) => info_of(name, Some(&version), Some(&use_case), None),
                    Err(error) => info_of(name, None, None, Some(&error)),
                };
            }
        };
        let serving = entry.serving.as_ref();
        info_of(name, serving.map(|bundle| bundle.version()), serving.map(|bundle| bundle.use_case()), entry.error.as_ref())
    }
}

impl Entry {
    fn version(&self) -> Option<&str> {
        self.serving.as_ref().map(|bundle| bundle.version())
    }

    fn is_known(&self) -> bool {
        self.serving.is_some() || self.error.is_some()
    }
}

impl UseCases for AwsUseCases {
    type Bundle = TimedBundle;

    async fn current(&self, name: &str) -> Option<Arc<TimedBundle>> {
        // Names become parts of paths and keys.
        if !is_use_case_name(name) {
            return None;
        }
        let serving = self.refresh(name).await.serving?;
        // Counts as a use, for the bound of what is loaded.
        self.loaded(name, serving.version());
        Some(serving)
    }

    async fn version(&self, name: &str, version: &str) -> Result<Arc<TimedBundle>, UseCaseError> {
        self.load(name, version).await.map_err(|error| {
            self.count_failure(name, &error);
            error.into_port(name, version)
        })
    }

    async fn manifest(&self, name: &str, version: &str) -> Result<Arc<UseCase>, UseCaseError> {
        self.read_manifest(name, version).await.map_err(|error| error.into_port(name, version))
    }

    async fn current_manifest(&self, name: &str) -> Option<(String, Arc<UseCase>)> {
        if !is_use_case_name(name) {
            return None;
        }
        let of = |bundle: &Arc<TimedBundle>| (bundle.version().to_owned(), Arc::new(bundle.use_case().clone()));
        if let Some(entry) = self.fresh(name) {
            return entry.serving.as_ref().map(of);
        }
        let read = async {
            let Some(version) = self.shared.loader.current_version(name).await? else { return Ok(None) };
            let manifest = self.read_manifest(name, &version).await?;
            Ok::<_, VersionError>(Some((version, manifest)))
        };
        match read.await {
            Ok(current) => current,
            Err(error) => {
                tracing::error!(use_case = name, %error, "the manifest of the current version cannot be read");
                self.entries().get(name).and_then(|entry| entry.serving.as_ref().map(of))
            }
        }
    }

    async fn list(&self) -> Vec<UseCaseInfo> {
        let listed = lock(&self.shared.listed).clone();
        if let Some((_, infos)) = listed.filter(|(when, _)| when.elapsed() < self.shared.fresh) {
            return infos;
        }
        let found = self.shared.loader.names().await;
        let complete = found.is_ok();
        let mut names = found.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot list the use cases; the list has only those that were used before");
            self.entries().iter().filter(|(_, entry)| entry.is_known()).map(|(name, _)| name.clone()).collect()
        });
        names.sort();
        let mut infos = Vec::with_capacity(names.len());
        for name in names {
            infos.push(self.info(name).await);
        }
        if complete {
            *lock(&self.shared.listed) = Some((Instant::now(), infos.clone()));
        }
        infos
    }

    async fn versions(&self, name: &str) -> Result<Option<StoredVersions>, UseCaseError> {
        if !is_use_case_name(name) {
            return Ok(None);
        }
        self.shared.loader.versions(name).await.map_err(|error| {
            let detail = format!("the versions of use case {name} cannot be listed: {error}");
            match error {
                VersionError::Unreachable(_) => HostFault::new(STORE, detail).into(),
                _ => UseCaseError::Unusable(detail),
            }
        })
    }
}

fn info_of(name: String, version: Option<&str>, use_case: Option<&UseCase>, error: Option<&VersionError>) -> UseCaseInfo {
    UseCaseInfo {
        name,
        description: use_case.map(|use_case| use_case.description.clone()).unwrap_or_default(),
        version: version.map(str::to_owned),
        targets: use_case.map(|use_case| use_case.targets.aliases()).unwrap_or_default(),
        error: error.map(ToString::to_string),
        update: None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
