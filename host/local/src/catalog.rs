//! Use cases from a directory, one bundle in each of its directories; looked at twice a second.
//!
//! A changed bundle replaces the one before whole or not at all. Until then the one before serves: loading may mean to
//! compile plugins, which takes up to minutes. Every version that ever served is kept in the data directory, since accepted
//! requests are pinned to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use postdate_core::bundle::BundleSource;
use postdate_core::ports::{Bundle, UseCaseInfo, UseCases};
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use postdate_runtime::{EnvSecrets, LoadError, LoadedBundle, Runtime, read_bundle_dir};
use tokio::sync::watch;
use tokio::task::Id;
use tokio_util::sync::CancellationToken;

use crate::files;
use crate::pinned::Pinned;

use self::loads::{Loading, Loads};

mod loads;

const POLL: Duration = Duration::from_millis(500);
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// A handle on the use cases; clones share them.
#[derive(Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    directory: PathBuf,
    archive: PathBuf,
    entries: RwLock<BTreeMap<String, Entry>>,
    pinned: Pinned<LoadedBundle>,
    /// Whether everything that was found has been loaded, or refused.
    settled: watch::Sender<bool>,
}

/// What is known of one directory.
#[derive(Default)]
struct Entry {
    serving: Option<Arc<LoadedBundle>>,
    error: Option<String>,
    /// What the directory looked like at the last look, and when it was last loaded.
    seen: Fingerprint,
    loaded: Option<Fingerprint>,
    /// What is on its way to serve.
    loading: Option<Loading>,
    /// When to try once more what failed for no fault of its own.
    again: Option<Instant>,
}

impl Entry {
    /// Whether a directory that looks like this is to be loaded.
    fn wants(&self, fingerprint: &Fingerprint) -> bool {
        match &self.loading {
            Some(loading) => loading.of != *fingerprint,
            None => self.loaded.as_ref() != Some(fingerprint) || self.again.is_some_and(|at| at <= Instant::now()),
        }
    }

    /// What is on its way is out of date.
    fn give_up(&mut self) {
        self.again = None;
        if let Some(loading) = self.loading.take() {
            loading.give_up();
        }
    }
}

/// Name, size and time of change of every file in a directory.
type Fingerprint = Vec<(String, u64, Option<SystemTime>)>;

impl Catalog {
    /// Finds the bundles in `directory`; [`Self::watch`] loads them.
    pub fn open(runtime: Runtime, directory: PathBuf, archive: PathBuf) -> anyhow::Result<Self> {
        anyhow::ensure!(
            directory.is_dir(),
            "the directory of use cases {} is not there; name it with --use-cases, with a directory per use case in it",
            directory.display()
        );
        std::fs::create_dir_all(&archive).with_context(|| format!("cannot make {}", archive.display()))?;
        let entry = |seen| Entry { seen, ..Entry::default() };
        let entries = bundles_in(&directory)?.into_iter().map(|(name, seen)| (name, entry(seen))).collect();
        let (settled, _) = watch::channel(false);
        let inner = Inner { runtime, directory, archive, entries: RwLock::new(entries), pinned: Pinned::default(), settled };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Waits until all that is there has been loaded, or refused.
    pub async fn settled(&self) {
        // An error would say that there is no sender any more, and `self` holds it.
        let _ = self.inner.settled.subscribe().wait_for(|settled| *settled).await;
    }

    /// Loads what is there and follows changes, until `stop`; a broken bundle is logged and listed, and the others serve. What
    /// is being compiled at the end is given up.
    pub async fn watch(self, stop: CancellationToken) {
        let mut loads = Loads::default();
        let mut look = tokio::time::interval(POLL);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some((id, loaded)) = loads.next() => self.loaded(id, loaded),
                _ = look.tick() => match bundles_in(&self.inner.directory) {
                    Ok(bundles) => self.refresh(bundles, &mut loads),
                    Err(error) => tracing::warn!(error = format!("{error:#}"), "cannot look at the use cases; what is loaded goes on serving"),
                },
            }
            if loads.is_empty() {
                self.inner.settled.send_replace(true);
            }
        }
    }

    fn refresh(&self, bundles: BTreeMap<String, Fingerprint>, loads: &mut Loads) {
        let mut entries = self.entries_mut();
        entries.retain(|name, entry| {
            let there = bundles.contains_key(name);
            if !there {
                tracing::info!(use_case = name, "use case removed");
                entry.give_up();
            }
            there
        });
        for (name, fingerprint) in bundles {
            let entry = entries.entry(name.clone()).or_default();
            // A directory that still changes is being written: wait until two looks see the same.
            let settled = entry.seen == fingerprint;
            if settled && entry.wants(&fingerprint) {
                tracing::info!(use_case = name, "loading use case; plugins that are new are compiled first");
                entry.give_up();
                let catalog = self.clone();
                entry.loading = Some(loads.start(fingerprint.clone(), async move { catalog.load_bundle(&name).await }));
            }
            entry.seen = fingerprint;
        }
    }

    /// Makes what was loaded current, or records why not.
    fn loaded(&self, id: Id, loaded: anyhow::Result<Arc<LoadedBundle>>) {
        let mut entries = self.entries_mut();
        // One that was given up may have ended all the same.
        let is_it = |entry: &Entry| entry.loading.as_ref().is_some_and(|loading| loading.id() == id);
        let Some((name, entry)) = entries.iter_mut().find(|(_, entry)| is_it(entry)) else { return };
        entry.loaded = entry.loading.take().map(|loading| loading.of);
        match loaded {
            Ok(bundle) => {
                tracing::info!(use_case = name, version = bundle.version(), "use case loaded");
                entry.serving = Some(bundle);
                entry.error = None;
            }
            Err(error) => {
                let transient = error.downcast_ref().is_some_and(LoadError::is_transient);
                entry.again = transient.then(|| Instant::now() + TRY_AGAIN);
                let error = format!("{error:#}");
                let serving = entry.serving.as_ref().map_or("none", |bundle| bundle.version());
                tracing::error!(use_case = name, error, serving, "use case not loaded");
                entry.error = Some(error);
            }
        }
    }

    async fn load_bundle(&self, name: &str) -> anyhow::Result<Arc<LoadedBundle>> {
        let source = read_bundle_dir(&self.inner.directory.join(name))?;
        let bundle = self.inner.runtime.load(&source, &EnvSecrets).await?;
        let manifest_name = &bundle.use_case().name;
        anyhow::ensure!(
            manifest_name == name,
            "the directory is called {name:?}, and {MANIFEST_FILE} says {manifest_name:?}: make them equal"
        );
        self.archive(name, bundle.version(), &source)?;
        Ok(Arc::new(bundle))
    }

    /// Keeps a version for the requests that will be pinned to it; durable before the first of them is accepted.
    fn archive(&self, name: &str, version: &str, source: &BundleSource) -> anyhow::Result<()> {
        let place = self.inner.archive.join(name).join(version);
        if place.is_dir() {
            return Ok(());
        }
        files::write_directory(&place, source.files.iter().map(|(file, content)| (file.as_str(), content.as_ref())))
            .with_context(|| format!("cannot keep version {version} in {}", place.display()))
    }

    fn entries_mut(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Entry>> {
        self.inner.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Entry>> {
        self.inner.entries.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UseCases for Catalog {
    type Bundle = LoadedBundle;

    async fn current(&self, name: &str) -> Option<Arc<LoadedBundle>> {
        self.entries().get(name)?.serving.clone()
    }

    async fn version(&self, name: &str, version: &str) -> Result<Arc<LoadedBundle>, String> {
        if let Some(current) = self.current(name).await
            && current.version() == version
        {
            return Ok(current);
        }
        let load = async {
            let missing = |error: anyhow::Error| format!("version {version} of use case {name} cannot be had: {error:#}");
            let source = read_bundle_dir(&self.inner.archive.join(name).join(version)).map_err(|error| missing(error.into()))?;
            self.inner.runtime.load(&source, &EnvSecrets).await.map_err(|error| missing(error.into()))
        };
        self.inner.pinned.get(name, version, load).await
    }

    async fn manifest(&self, name: &str, version: &str) -> Result<Arc<UseCase>, String> {
        if let Some(current) = self.current(name).await
            && current.version() == version
        {
            return Ok(Arc::new(current.use_case().clone()));
        }
        let path = self.inner.archive.join(name).join(version).join(MANIFEST_FILE);
        let missing =
            |error: &dyn std::fmt::Display| format!("the manifest of version {version} of use case {name} cannot be had: {error}");
        let text = std::fs::read_to_string(path).map_err(|error| missing(&error))?;
        UseCase::parse(&text).map(Arc::new).map_err(|error| missing(&error))
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
                update: entry.loading.as_ref().map(Loading::update),
            }
        };
        self.entries().iter().map(describe).collect()
    }
}

/// The directories that hold a manifest, with what they look like now.
fn bundles_in(directory: &Path) -> anyhow::Result<BTreeMap<String, Fingerprint>> {
    let mut bundles = BTreeMap::new();
    for entry in std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !name.starts_with('.') && path.join(MANIFEST_FILE).is_file() {
            bundles.insert(name.to_owned(), fingerprint(&path)?);
        }
    }
    Ok(bundles)
}

fn fingerprint(directory: &Path) -> anyhow::Result<Fingerprint> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let entry = entry?;
        // A file that goes away between the two calls is a change for the next look.
        let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
        if metadata.is_file() {
            files.push((entry.file_name().to_string_lossy().into_owned(), metadata.len(), metadata.modified().ok()));
        }
    }
    files.sort();
    Ok(files)
}
