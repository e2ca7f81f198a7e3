//! Use cases from a directory, one bundle in each of its directories; looked at twice a second.
//!
//! A changed bundle replaces the one before whole or not at all. Every version that ever served is kept in the data
//! directory, since accepted requests are pinned to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use postdate_core::bundle::BundleSource;
use postdate_core::ports::{Bundle, UseCaseInfo, UseCases};
use postdate_core::use_case::MANIFEST_FILE;
use postdate_runtime::{EnvSecrets, LoadedBundle, Runtime, read_bundle_dir};
use tokio_util::sync::CancellationToken;

use crate::files;

const POLL: Duration = Duration::from_millis(500);

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
    /// Versions that are not current any more and were asked for, by name and version.
    pinned: Mutex<BTreeMap<(String, String), Arc<LoadedBundle>>>,
}

/// What is known of one directory.
#[derive(Default)]
struct Entry {
    serving: Option<Arc<LoadedBundle>>,
    error: Option<String>,
    /// What the directory looked like at the last look, and when it was last loaded.
    seen: Fingerprint,
    loaded: Option<Fingerprint>,
}

/// Name, size and time of change of every file in a directory.
type Fingerprint = Vec<(String, u64, Option<SystemTime>)>;

impl Catalog {
    /// Loads every bundle in `directory`; a broken one is logged and listed, and the others serve.
    pub async fn open(runtime: Runtime, directory: PathBuf, archive: PathBuf) -> anyhow::Result<Self> {
        anyhow::ensure!(
            directory.is_dir(),
            "the directory of use cases {} is not there; name it with --use-cases, with a directory per use case in it",
            directory.display()
        );
        std::fs::create_dir_all(&archive).with_context(|| format!("cannot make {}", archive.display()))?;
        let inner = Inner { runtime, directory, archive, entries: RwLock::default(), pinned: Mutex::default() };
        let catalog = Self { inner: Arc::new(inner) };
        for (name, fingerprint) in bundles_in(&catalog.inner.directory)? {
            catalog.load(&name, fingerprint).await;
        }
        Ok(catalog)
    }

    /// Follows changes until `stop`.
    pub async fn watch(self, stop: CancellationToken) {
        while tokio::time::timeout(POLL, stop.cancelled()).await.is_err() {
            match bundles_in(&self.inner.directory) {
                Ok(bundles) => self.refresh(bundles).await,
                Err(error) => tracing::warn!(error = format!("{error:#}"), "cannot look at the use cases; what is loaded goes on serving"),
            }
        }
    }

    async fn refresh(&self, bundles: BTreeMap<String, Fingerprint>) {
        let mut to_load = Vec::new();
        {
            let mut entries = self.entries_mut();
            entries.retain(|name, _| {
                let there = bundles.contains_key(name);
                if !there {
                    tracing::info!(use_case = name, "use case removed");
                }
                there
            });
            for (name, fingerprint) in bundles {
                let entry = entries.entry(name.clone()).or_default();
                // A directory that still changes is being written: wait until two looks see the same.
                let settled = entry.seen == fingerprint;
                if settled && entry.loaded.as_ref() != Some(&fingerprint) {
                    to_load.push((name, fingerprint.clone()));
                }
                entry.seen = fingerprint;
            }
        }
        for (name, fingerprint) in to_load {
            self.load(&name, fingerprint).await;
        }
    }

    /// Loads one directory and makes it current, or records why not.
    async fn load(&self, name: &str, fingerprint: Fingerprint) {
        tracing::info!(use_case = name, "loading use case; plugins that are new are compiled first");
        let loaded = self.load_bundle(name).await;
        let mut entries = self.entries_mut();
        let entry = entries.entry(name.to_owned()).or_default();
        entry.seen.clone_from(&fingerprint);
        entry.loaded = Some(fingerprint);
        match loaded {
            Ok(bundle) => {
                tracing::info!(use_case = name, version = bundle.version(), "use case loaded");
                entry.serving = Some(bundle);
                entry.error = None;
            }
            Err(error) => {
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
        let key = (name.to_owned(), version.to_owned());
        let pinned = || self.inner.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bundle) = pinned().get(&key) {
            return Ok(Arc::clone(bundle));
        }
        let missing = |error: anyhow::Error| format!("version {version} of use case {name} cannot be had: {error:#}");
        let source = read_bundle_dir(&self.inner.archive.join(name).join(version)).map_err(|error| missing(error.into()))?;
        let bundle = self.inner.runtime.load(&source, &EnvSecrets).await.map_err(|error| missing(error.into()))?;
        Ok(Arc::clone(pinned().entry(key).or_insert(Arc::new(bundle))))
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
