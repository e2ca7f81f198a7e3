//! Fake of the port `UseCases`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::FakeBundle;
use crate::host_fault::HostFault;
use crate::ports::{Bundle, StoredVersions, Update, UpdateState, UseCaseError, UseCaseInfo, UseCases, VersionDetails, VersionInfo};
use crate::use_case::UseCase;

/// Use cases that a test puts and removes. Keeps every version until `forget`.
#[derive(Default)]
pub struct FakeUseCases(Mutex<Held>);

#[derive(Default)]
struct Held {
    current: BTreeMap<String, Arc<FakeBundle>>,
    versions: BTreeMap<(String, String), Arc<FakeBundle>>,
    errors: BTreeMap<String, String>,
    loading: BTreeMap<String, Update>,
    fault: Option<HostFault>,
    broken: bool,
}

impl FakeUseCases {
    pub fn of(bundle: FakeBundle) -> Self {
        let use_cases = Self::default();
        use_cases.put(bundle);
        use_cases
    }

    /// Stores a version and makes it current, like an upload.
    pub fn put(&self, bundle: FakeBundle) {
        let bundle = Arc::new(bundle);
        let name = bundle.use_case().name.clone();
        let mut held = self.lock();
        held.versions.insert((name.clone(), bundle.version().to_owned()), Arc::clone(&bundle));
        held.current.insert(name, bundle);
    }

    /// Removes the current version. The use case accepts no requests then; its versions can still be loaded.
    pub fn remove(&self, name: &str) {
        self.lock().current.remove(name);
    }

    /// Removes all versions of the use case.
    pub fn forget(&self, name: &str) {
        self.remove(name);
        self.lock().versions.retain(|(of, _), _| of != name);
    }

    /// Makes every version but the current one unavailable with this fault; `None` ends that.
    pub fn fail_with(&self, fault: impl Into<Option<HostFault>>) {
        self.lock().fault = fault.into();
    }

    /// Makes the plugins of every version unloadable. Their manifests can be read.
    pub fn break_plugins(&self) {
        let mut held = self.lock();
        held.broken = true;
        held.current.clear();
    }

    /// Records an upload that failed with `error`.
    pub fn put_broken(&self, name: &str, error: &str) {
        self.lock().errors.insert(name.to_owned(), error.to_owned());
    }

    /// Records an upload that is still loading.
    pub fn put_loading(&self, name: &str, since: &str) {
        self.lock().loading.insert(name.to_owned(), Update { state: UpdateState::Loading, since: since.to_owned() });
    }

    fn kept(&self, name: &str, version: &str) -> Result<Arc<FakeBundle>, UseCaseError> {
        let (held, key) = (self.lock(), (name.to_owned(), version.to_owned()));
        if let Some(fault) = &held.fault {
            return Err(fault.clone().into());
        }
        let gone = || UseCaseError::Unusable(format!("version {version} of use case {name} is gone"));
        held.versions.get(&key).cloned().ok_or_else(gone)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UseCases for FakeUseCases {
    type Bundle = FakeBundle;

    async fn current(&self, name: &str) -> Option<Arc<FakeBundle>> {
        self.lock().current.get(name).cloned()
    }

    async fn version(&self, name: &str, version: &str) -> Result<Arc<FakeBundle>, UseCaseError> {
        if self.lock().broken {
            return Err(UseCaseError::Unusable(format!("version {version} of use case {name} does not load")));
        }
        self.kept(name, version)
    }

    async fn manifest(&self, name: &str, version: &str) -> Result<Arc<UseCase>, UseCaseError> {
        Ok(Arc::new(self.kept(name, version)?.use_case().clone()))
    }

    async fn list(&self) -> Vec<UseCaseInfo> {
        let held = self.lock();
        let mut names: Vec<&String> = held.current.keys().chain(held.errors.keys()).chain(held.loading.keys()).collect();
        names.sort();
        names.dedup();
        let describe = |name: &String| {
            let info = info(name, held.current.get(name), held.errors.get(name));
            UseCaseInfo { update: held.loading.get(name).cloned(), ..info }
        };
        names.into_iter().map(describe).collect()
    }

    /// Every version is unusable: a fake has no statements.
    async fn versions(&self, name: &str) -> Result<Option<StoredVersions>, UseCaseError> {
        let held = self.lock();
        if let Some(fault) = &held.fault {
            return Err(fault.clone().into());
        }
        let current = held.current.get(name);
        let of_name = held.versions.keys().filter(|(of, _)| of == name).map(|(_, version)| VersionInfo {
            version: version.clone(),
            is_current: current.is_some_and(|current| current.version() == version),
            served_until: None,
            details: VersionDetails::Unusable { error: format!("/store/{name}/{version} has no statement") },
        });
        let versions: Vec<_> = of_name.collect();
        Ok((!versions.is_empty()).then(|| StoredVersions { versions, current: None, fixed: Some("a fake goes back nowhere".to_owned()) }))
    }
}

fn info(name: &str, current: Option<&Arc<FakeBundle>>, error: Option<&String>) -> UseCaseInfo {
    UseCaseInfo {
        name: name.to_owned(),
        description: current.map(|bundle| bundle.use_case().description.clone()).unwrap_or_default(),
        version: current.map(|bundle| bundle.version().to_owned()),
        targets: current.map(|bundle| bundle.use_case().targets.aliases()).unwrap_or_default(),
        error: error.cloned(),
        update: None,
    }
}
