//! Where bundles come from: a directory that has one bundle a use case, as `postdate plugin compile` leaves it in a package, or
//! a store of versions, in a directory or a bucket. What a store has compressed is unpacked into a directory of this machine,
//! once a version, as far as the host needs it.

use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use postdate_core::host_fault::HostFault;
use postdate_core::plugin::Role;
use postdate_core::ports::UseCaseError;
use postdate_core::use_case::{MANIFEST_FILE, UseCase, is_use_case_name};
use postdate_runtime::artifacts::{ARTIFACTS_DIR, Arch};
use postdate_runtime::read_compiled_dir;
use postdate_runtime::trust::Trust;
use postdate_store::{AnyObjects, CURRENT_FILE, Directory, Look, StoreError, Versions};

/// A place, whom this host believes, and where it unpacks: `{cache}/{name}/{version}/`.
#[derive(Debug)]
pub struct Place {
    versions: Versions<AnyObjects>,
    /// Where the store is a directory.
    root: Option<PathBuf>,
    pub(super) trust: Trust,
    cache: PathBuf,
}

/// What a look for a use case's current version found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    Version {
        version: String,
        /// By which to ask whether that has changed; none where it cannot.
        etag: Option<String>,
    },
    Same,
    NoSuchUseCase,
}

impl Place {
    pub fn new(objects: AnyObjects, trust: Trust, cache: PathBuf) -> Self {
        let root = match &objects {
            AnyObjects::Directory(directory) => Some(directory.root().to_owned()),
            AnyObjects::S3(_) => None,
        };
        Self { versions: Versions::new(objects), root, trust, cache }
    }

    /// A directory of the package or of a layer.
    pub fn directory(root: PathBuf, trust: Trust, cache: PathBuf) -> Self {
        Self::new(AnyObjects::Directory(Directory::new(root)), trust, cache)
    }

    /// A package does not change while it runs.
    pub fn is_fixed(&self) -> bool {
        self.root.is_some()
    }

    pub async fn names(&self) -> Result<Vec<String>, String> {
        let mut names = Box::pin(self.versions.names()).await.map_err(|error| error.to_string())?;
        if let Some(root) = &self.root {
            // A directory beside the use cases is no fault.
            names.retain(|name| self.only(name).is_some() || root.join(name).join(CURRENT_FILE).is_file());
        }
        Ok(names)
    }

    /// `etag` is that of an earlier look.
    pub async fn look(&self, name: &str, etag: Option<&str>) -> Result<Looked, String> {
        if let Some(place) = self.only(name) {
            let bundle = read_compiled_dir(&place, &self.trust).map_err(|error| error.to_string())?;
            return Ok(Looked::Version { version: bundle.version().to_owned(), etag: None });
        }
        match Box::pin(self.versions.look(name, etag)).await.map_err(|error| error.to_string())? {
            Look::Current { current, etag } => Ok(Looked::Version { version: current.version, etag: Some(etag) }),
            Look::Same => Ok(Looked::Same),
            Look::NoSuchUseCase => Ok(Looked::NoSuchUseCase),
        }
    }

    /// The current version and its manifest, without its plugins.
    pub async fn describe(&self, name: &str) -> Result<(String, UseCase), String> {
        let described = async {
            let (current, _) = self.versions.current(name).await?;
            let use_case = self.versions.use_case(name, &current.version, &self.trust).await?;
            Ok::<_, postdate_store::StoreError>((current.version, use_case))
        };
        Box::pin(described).await.map_err(|error| error.to_string())
    }

    /// The directory of a version, if it needs no fetching; an earlier process may have left it.
    pub fn kept(&self, name: &str, version: &str) -> Option<PathBuf> {
        let kept = || Some(self.cache.join(name).join(version)).filter(|place| place.is_dir());
        self.only(name).or_else(kept)
    }

    /// Whether [`kept`](Self::kept) is all there is of the use case.
    pub fn is_only(&self, name: &str) -> bool {
        self.only(name).is_some()
    }

    /// Unpacks what these roles need of a version on this machine's architecture; it is there whole or not at all.
    pub async fn fetch(&self, name: &str, version: &str, roles: &[Role]) -> Result<PathBuf, UseCaseError> {
        let arch = Arch::HERE.ok_or_else(|| UseCaseError::Unusable("this host's processor is neither x86_64 nor arm64".to_owned()))?;
        let place = self.cache.join(name).join(version);
        let partial = self.cache.join(name).join(format!(".{version}.{}", std::process::id()));
        let unwritable = |error: std::io::Error| {
            UseCaseError::from(HostFault::new("a place for machine code", format!("cannot write {}: {error}", partial.display())))
        };
        remove(&partial).map_err(unwritable)?;
        make_dir(&partial.join(ARTIFACTS_DIR)).map_err(unwritable)?;
        // On the heap: rare, and so large that every call's future would be.
        if let Err(error) = Box::pin(self.versions.unpack_compiled(name, version, arch, roles, &self.trust, &partial)).await {
            let _ = remove(&partial);
            return Err(match error {
                StoreError::NotCompiled { .. } => HostFault::new(format!("machine code of version {version}"), error.to_string()).into(),
                StoreError::Unavailable { .. } => HostFault::new("the store of use cases", error.to_string()).into(),
                other => UseCaseError::Unusable(other.to_string()),
            });
        }
        remove(&place).and_then(|()| std::fs::rename(&partial, &place)).map_err(unwritable)?;
        Ok(place)
    }

    /// The one bundle of a use case in a directory without versions.
    fn only(&self, name: &str) -> Option<PathBuf> {
        let place = self.root.as_ref()?.join(name);
        (is_use_case_name(name) && !place.join(CURRENT_FILE).is_file() && place.join(MANIFEST_FILE).is_file()).then_some(place)
    }
}

/// For this user alone: machine code is run from there.
fn make_dir(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
