//! Loads versions from a directory with one bundle for each use case, which `postdate plugin compile` writes into a package, or from
//! a store of versions, in a directory or a bucket. A store's version is unpacked once into a local directory, with the machine code
//! that the host needs.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use postdate_core::plugin::Role;
use postdate_core::ports::StoredVersions;
use postdate_core::use_case::{MANIFEST_FILE, UseCase, is_use_case_name};
use postdate_runtime::artifacts::{ARTIFACTS_DIR, Arch};
use postdate_runtime::trust::Trust;
use postdate_runtime::{LoadedBundle, Runtime, Secrets, read_precompiled_dir};
use postdate_store::{AnyObjects, CURRENT_FILE, Look, StoreError, Versioned, Versions};

use super::error::VersionError;
use super::unpacked;
use crate::metrics::Service;

/// Most bytes of unpacked versions, before another one is fetched. Lambda's /tmp has 512 MB by default.
const MAX_UNPACKED_BYTES: u64 = 256 << 20;

/// A store, the keys that this host trusts, and the directory into which it unpacks: `{cache}/{name}/{version}/`.
pub struct VersionLoader {
    versions: Versions<AnyObjects>,
    /// Root of a store that is a directory; `None` for a bucket.
    root: Option<PathBuf>,
    trust: Trust,
    cache: PathBuf,
    runtime: Runtime,
    secrets: Secrets,
    /// The plugins that this host calls. The host loads neither machine code nor secrets of other plugins.
    roles: &'static [Role],
}

/// The result of a look for a use case's current version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    Version {
        version: String,
        /// The tag for the next look, which tells whether the version has changed; `None` if it cannot change.
        etag: Option<String>,
    },
    Same,
    NoSuchUseCase,
}

impl VersionLoader {
    pub fn new(objects: AnyObjects, trust: Trust, cache: PathBuf, runtime: Runtime, secrets: Secrets, service: Service) -> Self {
        let root = match &objects {
            AnyObjects::Directory(directory) => Some(directory.root().to_owned()),
            AnyObjects::S3(_) => None,
        };
        let roles: &[Role] = match service {
            Service::Processor => &[Role::Validate],
            Service::Target => &[Role::Process],
            Service::Janitor => &[],
        };
        Self { versions: Versions::new(objects), root, trust, cache, runtime, secrets, roles }
    }

    /// Returns whether the store is a directory, which does not change while the host runs.
    pub fn is_fixed(&self) -> bool {
        self.root.is_some()
    }

    /// Returns the names of the use cases, sorted.
    pub async fn names(&self) -> Result<Vec<String>, VersionError> {
        let mut names = Box::pin(self.versions.names()).await?;
        if let Some(root) = &self.root {
            // The directory may contain other directories than use cases.
            names.retain(|name| self.flat(name).is_some() || root.join(name).join(CURRENT_FILE).is_file());
        }
        Ok(names)
    }

    /// Looks for the current version of a use case. `etag` is the tag of an earlier look.
    pub async fn look(&self, name: &str, etag: Option<&str>) -> Result<Looked, VersionError> {
        if let Some(dir) = self.flat(name) {
            let bundle = read_precompiled_dir(&dir, &self.trust)?;
            return Ok(Looked::Version { version: bundle.version().to_owned(), etag: None });
        }
        Ok(match Box::pin(self.versions.look(name, etag)).await? {
            Look::Current { current, etag } => Looked::Version { version: current.version, etag: Some(etag) },
            Look::Same => Looked::Same,
            Look::NoSuchUseCase => Looked::NoSuchUseCase,
        })
    }

    /// Returns the current version; `None` if there is no such use case.
    pub async fn current_version(&self, name: &str) -> Result<Option<String>, VersionError> {
        match self.look(name, None).await? {
            Looked::Version { version, .. } => Ok(Some(version)),
            Looked::Same | Looked::NoSuchUseCase => Ok(None),
        }
    }

    /// Returns the versions of a use case; `None` if there is no such use case, and no version for a bundle that is part of the deployment.
    pub async fn versions(&self, name: &str) -> Result<Option<StoredVersions>, VersionError> {
        if self.flat(name).is_some() {
            let fixed = "it is part of the functions' package or layer, and changes with the next deployment";
            return Ok(Some(StoredVersions { fixed: Some(fixed.to_owned()), ..StoredVersions::default() }));
        }
        let Versioned { versions, current } = match Box::pin(self.versions.list(name)).await {
            Err(StoreError::NoSuchUseCase(_)) => return Ok(None),
            listed => listed?,
        };
        let current = current.map(|current| (current.since, current.by));
        let fixed = "the functions may only read the store: use `postdate use-case rollback --store`";
        Ok(Some(StoredVersions { versions, current, fixed: Some(fixed.to_owned()) }))
    }

    /// Returns the manifest of a version. Reads no plugin.
    pub async fn manifest(&self, name: &str, version: &str) -> Result<UseCase, VersionError> {
        if let Some(dir) = self.flat(name) {
            let bundle = read_precompiled_dir(&dir, &self.trust)?;
            if bundle.version() != version {
                return Err(VersionError::Gone(format!("the bundle of use case {name} is version {}, not {version}", bundle.version())));
            }
            return Ok(bundle.use_case().clone());
        }
        Ok(Box::pin(self.versions.use_case(name, version, &self.trust)).await?)
    }

    /// Returns the current version and its manifest. Reads no plugin.
    pub async fn describe(&self, name: &str) -> Result<(String, UseCase), VersionError> {
        let described = async {
            let (current, _) = self.versions.current(name).await?;
            let use_case = self.versions.use_case(name, &current.version, &self.trust).await?;
            Ok::<_, StoreError>((current.version, use_case))
        };
        Ok(Box::pin(described).await?)
    }

    /// Loads a version. Fetches it first if the store's version is not unpacked, or if the unpacked copy does not load.
    pub async fn load(&self, name: &str, version: &str) -> Result<LoadedBundle, VersionError> {
        if let Some(dir) = self.flat(name) {
            return self.load_dir(name, version, &dir).await;
        }
        let dir = self.cache.join(name).join(version);
        if dir.is_dir() {
            unpacked::used(&dir);
            match self.load_dir(name, version, &dir).await {
                Ok(bundle) => return Ok(bundle),
                // An earlier process may have left a damaged copy, or a copy for another host.
                Err(error) => tracing::warn!(use_case = name, version, %error, "the unpacked version does not load; fetching it again"),
            }
        }
        self.fetch(name, version, &dir).await?;
        self.load_dir(name, version, &dir).await
    }

    async fn load_dir(&self, name: &str, version: &str, dir: &Path) -> Result<LoadedBundle, VersionError> {
        // Reading a few small files blocks this thread for less time than it takes to start another one.
        let bundle = read_precompiled_dir(dir, &self.trust)?;
        let found = &bundle.use_case().name;
        if found != name {
            let text = format!("it is stored as {name:?}, but its {MANIFEST_FILE} says {found:?}: make them equal");
            return Err(VersionError::Broken(text));
        }
        if bundle.version() != version {
            let text = format!("the bundle stored as version {version} of use case {name} is version {}", bundle.version());
            return Err(if self.flat(name).is_some() { VersionError::Gone(text) } else { VersionError::Broken(text) });
        }
        let bundle = match self.roles {
            [role] => bundle.only(*role),
            _ => bundle.only(Role::Validate).only(Role::Process),
        };
        Ok(self.runtime.load_precompiled(&bundle, &self.secrets).await?)
    }

    /// Unpacks a version for this machine into `dir`. On error, `dir` has no part of it.
    async fn fetch(&self, name: &str, version: &str, dir: &Path) -> Result<(), VersionError> {
        let unknown = || VersionError::NotPrecompiled("this host's processor is neither x86_64 nor arm64".to_owned());
        let arch = Arch::HERE.ok_or_else(unknown)?;
        let partial = self.cache.join(name).join(format!(".{version}.{}", std::process::id()));
        let unwritable = |error: std::io::Error| VersionError::Unreachable(format!("cannot write {}: {error}", partial.display()));
        unpacked::make_room(&self.cache, MAX_UNPACKED_BYTES).map_err(unwritable)?;
        make_private_dir(&partial.join(ARTIFACTS_DIR)).map_err(unwritable)?;
        // Boxed, because its large future would otherwise be a part of every call's future.
        let fetched = Box::pin(self.versions.unpack_precompiled(name, version, arch, self.roles, &self.trust, &partial)).await;
        if let Err(error) = fetched {
            let _ = unpacked::remove(&partial);
            return Err(self.gone_or(name, version, error.into()).await);
        }
        unpacked::remove(dir).and_then(|()| std::fs::rename(&partial, dir)).map_err(unwritable)
    }

    /// Turns [`VersionError::NotPrecompiled`] into [`VersionError::Gone`] if the store has no such version.
    async fn gone_or(&self, name: &str, version: &str, error: VersionError) -> VersionError {
        let VersionError::NotPrecompiled(text) = error else { return error };
        match Box::pin(self.versions.statement(name, version, &self.trust)).await {
            Err(StoreError::NoSuchVersion { .. }) => VersionError::Gone(text),
            _ => VersionError::NotPrecompiled(text),
        }
    }

    /// Returns the directory of a use case that is one bundle, not a store of versions.
    fn flat(&self, name: &str) -> Option<PathBuf> {
        let dir = self.root.as_ref()?.join(name);
        (is_use_case_name(name) && !dir.join(CURRENT_FILE).is_file() && dir.join(MANIFEST_FILE).is_file()).then_some(dir)
    }
}

/// Creates a directory that only this user can access, because the host runs machine code from it.
fn make_private_dir(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
