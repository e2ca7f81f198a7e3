//! The use cases of this server: those in a directory, which is polled twice a second, and those that were uploaded.
//!
//! A changed bundle replaces its predecessor atomically. The predecessor serves until then, because loading may include
//! compiling plugins, which takes up to minutes. A store in the data directory keeps every version that ever served, because
//! accepted requests are pinned to a version. Uploads are kept there as well.

mod loads;
mod prepare;
mod rollback;
mod sources;
mod upload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::Utc;
use postdate_core::audit;
use postdate_core::bundle::BundleSource;
use postdate_core::fire;
use postdate_core::host_fault::{HostFault, STORE, VERSION};
use postdate_core::limits::Limits;
use postdate_core::ports::{Bundle, StoredVersions, Update, UpdateState, UseCaseError, UseCaseInfo, UseCases};
use postdate_core::request::Request;
use postdate_core::time::rfc3339;
use postdate_core::use_case::{MANIFEST_FILE, Target, UseCase, is_use_case_name};
use postdate_runtime::trust::{SignedEnvelope, Trust};
use postdate_runtime::{LoadError, LoadedBundle, Need, Runtime, Secrets, read_bundle_dir};
use postdate_store::{By, Directory, Statement, StoreError, Versioned, Versions};
use tokio::sync::watch;
use tokio::task::Id;
use tokio_util::sync::CancellationToken;

use crate::pinned::Pinned;
use loads::{Loading, Loads};
pub use prepare::Prepared;
pub use rollback::RollBackError;
use sources::{Found, Sources};
use upload::UploadQueue;
pub use upload::{Quotas, UploadError};

const POLL: Duration = Duration::from_millis(500);
/// How long a call waits for a use case that has just been written: for two polls, and the load of one without plugins.
const ARRIVAL_WAIT: Duration = Duration::from_millis(1_500);
const ARRIVAL_LOOK: Duration = Duration::from_millis(50);
/// Delay before a load that failed for a transient reason is retried.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// How long an attempt waits for a version that is not loaded. The attempt then gives its slot to another request.
const LOAD_WAIT: Duration = Duration::from_secs(2);

/// A handle on the use cases; clones share them.
#[derive(Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

/// The places of a catalog, and its rules for uploads.
pub struct CatalogOptions {
    /// A directory with one directory for each use case.
    pub directory: PathBuf,
    /// The server's own store.
    pub store: PathBuf,
    pub quotas: Quotas,
    pub trust: Trust,
    /// Names that a signed upload may be for. They are not checked without keys in `trust`.
    pub names: Vec<String>,
}

struct Inner {
    runtime: Runtime,
    secrets: Secrets,
    sources: Sources,
    /// Every version that served, and every uploaded version.
    store: Versions<Directory>,
    quotas: Quotas,
    trust: Trust,
    names: Vec<String>,
    entries: RwLock<BTreeMap<String, Entry>>,
    pinned: Pinned<LoadedBundle>,
    /// True once every use case that was found is loaded or refused.
    settled: watch::Sender<bool>,
    /// Number of uploads so far. A poll that began before the latest upload has stale results.
    uploads: AtomicU64,
    queue: UploadQueue,
}

/// The state of one use case.
#[derive(Default)]
struct Entry {
    serving: Option<Arc<LoadedBundle>>,
    error: Option<String>,
    /// Result of the latest poll.
    seen: Option<Found>,
    /// The upload of the latest finished load, successful or not.
    loaded: Option<Found>,
    /// The load in progress.
    loading: Option<Loading>,
    /// When to retry a load that failed for a transient reason.
    again: Option<Instant>,
}

impl Entry {
    /// Returns whether `found` must be loaded.
    fn wants(&self, found: &Found) -> bool {
        match &self.loading {
            Some(loading) => loading.of != *found,
            None => self.loaded.as_ref() != Some(found) || self.again.is_some_and(|at| at <= Instant::now()),
        }
    }

    /// Returns whether no load of the use case has ended.
    fn is_new(&self) -> bool {
        self.serving.is_none() && self.error.is_none()
    }

    /// Returns the load in progress. A use case that one poll has seen, and the next poll will load, counts as loading, too.
    fn update(&self) -> Option<Update> {
        let soon = || Update { state: UpdateState::Loading, since: rfc3339(Utc::now()) };
        self.loading.as_ref().map(Loading::update).or_else(|| self.is_new().then(soon))
    }

    /// Cancels the load in progress, if any, and the planned retry.
    fn give_up(&mut self) {
        self.again = None;
        if let Some(loading) = self.loading.take() {
            loading.give_up();
        }
    }

    /// Logs that the version that was loaded is another one than before, and who moved the store to it.
    fn audit(&self, name: &str, version: &str) {
        let former = self.serving.as_ref().map(|bundle| bundle.version());
        if former == Some(version) {
            return;
        }
        match self.loaded.as_ref().and_then(Found::current) {
            Some(current) => {
                let is_back = current.former.iter().any(|former| former.version == version);
                let by = Some(current.by.as_str()).filter(|by| !by.is_empty());
                audit::version(if is_back { "rolled-back" } else { "pushed" }, by, name, version, former);
            }
            None => audit::version("changed", None, name, version, former),
        }
    }

    fn serve(&mut self, bundle: Arc<LoadedBundle>) {
        tracing::info!(use_case = bundle.use_case().name, version = bundle.version(), "use case loaded");
        self.serving = Some(bundle);
        self.error = None;
    }
}

impl Catalog {
    /// Finds the use cases of the options' directory and store, and loads none: see [`Self::watch`]. Fails if the directory is missing
    /// or either cannot be read.
    pub fn open(runtime: Runtime, secrets: Secrets, options: CatalogOptions) -> anyhow::Result<Self> {
        let CatalogOptions { directory, store, quotas, trust, names } = options;
        anyhow::ensure!(
            directory.is_dir(),
            "the directory of use cases {} is not there; name it with --use-cases, with a directory per use case in it",
            directory.display()
        );
        let sources = Sources { directory, store: store.clone() };
        let entry = |found| Entry { seen: Some(found), ..Entry::default() };
        let entries = sources.look()?.into_iter().map(|(name, found)| (name, entry(found))).collect();
        let (settled, _) = watch::channel(false);
        let store = Versions::new(Directory::new(store));
        let (entries, pinned, uploads) = (RwLock::new(entries), Pinned::new(LoadedBundle::loaded_bytes), AtomicU64::default());
        let inner = Inner {
            runtime,
            secrets,
            sources,
            store,
            quotas,
            trust,
            names,
            entries,
            pinned,
            settled,
            uploads,
            queue: UploadQueue::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Waits until every use case that was found is loaded or refused.
    pub async fn settled(&self) {
        // Cannot fail: `self` holds the sender.
        let _ = self.inner.settled.subscribe().wait_for(|settled| *settled).await;
    }

    /// Loads all use cases and follows changes, until `stop`. A broken bundle is logged and listed with its error, and the others
    /// serve. `stop` cancels loads in progress.
    pub async fn watch(self, stop: CancellationToken) {
        let mut loads = Loads::default();
        let mut look = tokio::time::interval(POLL);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some((id, loaded)) = loads.next() => self.loaded(id, loaded),
                _ = look.tick() => self.look(&mut loads),
            }
            if loads.is_empty() {
                self.inner.settled.send_replace(true);
            }
        }
    }

    fn look(&self, loads: &mut Loads) {
        let uploads = self.inner.uploads.load(Ordering::SeqCst);
        let all = match self.inner.sources.look() {
            Ok(all) => all,
            Err(error) => {
                return tracing::warn!(error = format!("{error:#}"), "cannot look at the use cases; what is loaded goes on serving");
            }
        };
        let mut entries = self.entries_mut();
        if self.inner.uploads.load(Ordering::SeqCst) != uploads {
            return;
        }
        entries.retain(|name, entry| {
            let there = all.contains_key(name);
            if !there {
                tracing::info!(use_case = name, "use case removed");
                entry.give_up();
            }
            there
        });
        for (name, found) in all {
            let entry = entries.entry(name.clone()).or_default();
            // A plain directory may still be being written: wait until two polls find the same.
            let settled = found.is_whole() || entry.seen.as_ref() == Some(&found);
            if settled && entry.wants(&found) {
                if entry.again.is_none() {
                    tracing::info!(use_case = name, "loading use case; plugins that are new are compiled first");
                }
                entry.give_up();
                let (catalog, of) = (self.clone(), found.clone());
                entry.loading = Some(loads.start(found.clone(), async move { catalog.load(&name, &of).await }));
            }
            entry.seen = Some(found);
        }
    }

    /// Waits for a use case that was written to the directory after the latest poll, so that commands that write one and post to it work
    /// one after the other. Does not wait for a load that has begun: it may take minutes.
    async fn wait_for_arrival(&self, name: &str) {
        let seen = self.entries().get(name).map(|entry| entry.is_new() && entry.loading.is_none());
        if !seen.unwrap_or_else(|| is_use_case_name(name) && self.inner.sources.in_directory(name).is_some()) {
            return;
        }
        let end = Instant::now() + ARRIVAL_WAIT;
        while self.entries().get(name).is_none_or(Entry::is_new) && Instant::now() < end {
            tokio::time::sleep(ARRIVAL_LOOK).await;
        }
    }

    /// Makes a loaded bundle current, or records its error.
    fn loaded(&self, id: Id, loaded: anyhow::Result<Arc<LoadedBundle>>) {
        let mut entries = self.entries_mut();
        // A load may finish before its cancellation takes effect. No entry has its id then.
        let is_it = |entry: &Entry| entry.loading.as_ref().is_some_and(|loading| loading.id() == id);
        let Some((name, entry)) = entries.iter_mut().find(|(_, entry)| is_it(entry)) else { return };
        let of = entry.loading.take().map(|loading| loading.of);
        // At the start every use case is loaded, and a load may be repeated: neither is a change.
        let is_change = *self.inner.settled.borrow() && entry.loaded != of;
        entry.loaded = of;
        match loaded {
            Ok(bundle) => {
                if is_change {
                    entry.audit(name, bundle.version());
                }
                entry.serve(bundle);
            }
            Err(error) => {
                entry.again = is_transient(&error).then(|| Instant::now() + TRY_AGAIN);
                let error = format!("{error:#}");
                let serving = entry.serving.as_ref().map_or("none", |bundle| bundle.version());
                // Log the same error once, not at each retry.
                if entry.error.as_ref() != Some(&error) {
                    tracing::error!(use_case = name, error, serving, "use case not loaded");
                }
                entry.error = Some(error);
            }
        }
    }

    /// Makes an uploaded bundle current at once, without waiting for the next poll.
    fn uploaded(&self, name: &str, found: Found, bundle: Arc<LoadedBundle>) {
        let mut entries = self.entries_mut();
        self.inner.uploads.fetch_add(1, Ordering::SeqCst);
        let entry = entries.entry(name.to_owned()).or_default();
        entry.give_up();
        entry.seen = Some(found.clone());
        entry.loaded = Some(found);
        entry.serve(bundle);
    }

    async fn load(&self, name: &str, found: &Found) -> anyhow::Result<Arc<LoadedBundle>> {
        let (source, statement) = self.read(name, found).await?;
        let bundle = self.load_source(name, &source, Need::Start).await?;
        self.keep(name, &source, &statement).await?;
        Ok(Arc::new(bundle))
    }

    /// Reads the files of a use case, with their statement. Fails if they are not signed as this server requires.
    async fn read(&self, name: &str, found: &Found) -> anyhow::Result<(BundleSource, SignedEnvelope)> {
        match found {
            Found::Bundle { place, .. } => {
                anyhow::ensure!(
                    !self.inner.trust.is_required(),
                    "{place} is a plain directory, and this server loads only what is signed by a key that it trusts: sign it with \
                     `postdate use-case push {place} --to OTHER_DIR --key FILE`, and serve that with --use-cases OTHER_DIR",
                    place = place.display()
                );
                let source = read_bundle_dir(place)?;
                let by = By { name: "directory", now: Utc::now() };
                let statement = Statement::new(&source.use_case()?.name, &source, by).to_envelope();
                Ok((source, statement))
            }
            Found::Current { root, .. } => {
                let store = Versions::new(Directory::new(root));
                let (current, _) = store.current(name).await?;
                let (_, statement) = store.statement(name, &current.version, &self.inner.trust).await?;
                Ok((store.source(name, &current.version, &self.inner.trust).await?, statement))
            }
        }
    }

    /// Loads a version that is not current. Concurrent callers share one load.
    async fn load_pinned(&self, name: &str, version: &str) -> Result<Arc<LoadedBundle>, UseCaseError> {
        let load = async {
            let loaded = async {
                let source = self.inner.store.source(name, version, &self.inner.trust).await?;
                self.load_source(name, &source, Need::Due).await
            };
            loaded.await.map_err(|error: anyhow::Error| {
                let detail = format!("version {version} of use case {name} cannot be had: {error:#}");
                let is_transient = is_transient(&error);
                if is_transient { HostFault::new(waits_for_load(name, version), detail).into() } else { UseCaseError::Unusable(detail) }
            })
        };
        self.inner.pinned.get(name, version, Box::pin(load)).await
    }

    /// Returns the lease of a claim: see [`fire::lease`].
    pub fn lease(&self, request: &Request) -> Duration {
        fire::lease(self.entries().get(&request.use_case).and_then(|entry| entry.serving.as_deref()), request)
    }

    /// Returns whether there is a use case of this name, loaded or not.
    pub fn has(&self, name: &str) -> bool {
        self.entries().contains_key(name)
    }

    /// Returns the store with the versions of a use case: a directory of the operator, or the server's own.
    fn store_of(&self, name: &str) -> Versions<Directory> {
        match self.entries().get(name).and_then(|entry| entry.seen.as_ref()) {
            Some(Found::Current { root, .. }) => Versions::new(Directory::new(root)),
            Some(Found::Bundle { .. }) | None => self.inner.store.clone(),
        }
    }

    pub fn runtime(&self) -> &Runtime {
        &self.inner.runtime
    }

    /// Returns whether a plugin runs requests for this target, and the target's limits, as the current version says. If that is unknown, a
    /// plugin runs them, without limits.
    pub fn lane(&self, use_case: &str, target: &str) -> (bool, Limits) {
        let entries = self.entries();
        let Some(serving) = entries.get(use_case).and_then(|entry| entry.serving.as_ref()) else { return (true, Limits::default()) };
        let targets = &serving.use_case().targets;
        let runs_plugin = targets.get(target).is_none_or(|(_, target)| matches!(target, Target::Plugin { .. }));
        (runs_plugin, targets.limits(target))
    }

    async fn load_source(&self, name: &str, source: &BundleSource, need: Need) -> anyhow::Result<LoadedBundle> {
        let manifest_name = source.use_case()?.name;
        anyhow::ensure!(
            manifest_name == name,
            "the use case is to be called {name:?}, and its {MANIFEST_FILE} says {manifest_name:?}: make them equal"
        );
        Ok(self.inner.runtime.load_for(source, &self.inner.secrets, need).await?)
    }

    /// Stores a version for the requests that will be pinned to it, durably, before the first of them is accepted.
    async fn keep(&self, name: &str, source: &BundleSource, statement: &SignedEnvelope) -> anyhow::Result<()> {
        Ok(self.inner.store.publish_as(name, source, statement, &self.inner.trust).await?)
    }

    fn entries_mut(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Entry>> {
        self.inner.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Entry>> {
        self.inner.entries.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waits_for_load(name: &str, version: &str) -> String {
    format!("{VERSION}{version} of use case {name} to be loaded")
}

/// Returns whether the host, not the bundle, may have caused the error.
fn is_transient(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(LoadError::is_transient) || matches!(error.downcast_ref(), Some(StoreError::Unavailable { .. }))
}

impl UseCases for Catalog {
    type Bundle = LoadedBundle;

    async fn current(&self, name: &str) -> Option<Arc<LoadedBundle>> {
        let serving = || self.entries().get(name).and_then(|entry| entry.serving.clone());
        if let Some(bundle) = serving() {
            return Some(bundle);
        }
        self.wait_for_arrival(name).await;
        serving()
    }

    async fn version(&self, name: &str, version: &str) -> Result<Arc<LoadedBundle>, UseCaseError> {
        if let Some(current) = self.current(name).await
            && current.version() == version
        {
            return Ok(current);
        }
        if let Some(known) = self.inner.pinned.known(name, version).await {
            return known;
        }
        // The load runs in its own task and continues after this caller times out: compiling takes up to minutes.
        let (catalog, key) = (self.clone(), (name.to_owned(), version.to_owned()));
        let load = tokio::spawn(async move { catalog.load_pinned(&key.0, &key.1).await });
        match tokio::time::timeout(LOAD_WAIT, load).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(error)) => Err(UseCaseError::Unusable(format!("loading version {version} of use case {name} failed: {error}"))),
            Err(_) => Err(HostFault::new(waits_for_load(name, version), "the version is being loaded, and its plugins compiled").into()),
        }
    }

    async fn manifest(&self, name: &str, version: &str) -> Result<Arc<UseCase>, UseCaseError> {
        if let Some(current) = self.current(name).await
            && current.version() == version
        {
            return Ok(Arc::new(current.use_case().clone()));
        }
        let manifest = self.inner.store.use_case(name, version, &self.inner.trust).await;
        manifest.map(Arc::new).map_err(|error| {
            let detail = format!("the manifest of version {version} of use case {name} cannot be had: {error}");
            let is_transient = matches!(error, StoreError::Unavailable { .. });
            if is_transient { HostFault::new(STORE, detail).into() } else { UseCaseError::Unusable(detail) }
        })
    }

    async fn list(&self) -> Vec<UseCaseInfo> {
        let describe = |(name, entry): (&String, &Entry)| {
            let use_case = entry.serving.as_ref().map(|bundle| bundle.use_case());
            UseCaseInfo {
                name: name.clone(),
                description: use_case.map(|use_case| use_case.description.clone()).unwrap_or_default(),
                version: entry.serving.as_ref().map(|bundle| bundle.version().to_owned()),
                targets: use_case.map(|use_case| use_case.targets.aliases()).unwrap_or_default(),
                error: entry.error.clone(),
                update: entry.update(),
            }
        };
        self.entries().iter().map(describe).collect()
    }

    async fn versions(&self, name: &str) -> Result<Option<StoredVersions>, UseCaseError> {
        if !self.has(name) {
            return Ok(None);
        }
        let listed = self.store_of(name).list(name).await;
        let Versioned { versions, current } = match listed {
            Ok(listed) => listed,
            // The first version is being loaded, or is broken.
            Err(StoreError::NoSuchUseCase(_)) => Versioned { versions: Vec::new(), current: None },
            Err(error @ StoreError::Unavailable { .. }) => return Err(HostFault::new(STORE, error.to_string()).into()),
            Err(error) => return Err(UseCaseError::Unusable(error.to_string())),
        };
        let current = current.map(|current| (current.since, current.by));
        Ok(Some(StoredVersions { versions, current, fixed: self.fixed(name) }))
    }
}
