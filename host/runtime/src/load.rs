//! From a bundle's files to plugins that are ready to be called. Everything that can be known to be wrong before a
//! call is found here, by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postdate_core::bundle::{BundleError, BundleSource};
use postdate_core::plugin::Role;
use postdate_core::use_case::{PluginSpec, UseCase};
use wasmtime::component::{Component, InstancePre};

use crate::bindings::processor::ProcessorPre;
use crate::bindings::validator::ValidatorPre;
use crate::bundle_dir::MAX_FILE_BYTES;
use crate::compile::{CompileError, Subject, blocking, component};
use crate::inspect::inspect;
use crate::logs::Identity;
use crate::outgoing::Origin;
use crate::runtime::{Inner, Runtime};
use crate::secrets::{Config, SecretError, Secrets};
use crate::signature;
use crate::store::State;

use self::compiled::Compiled;

mod compiled;

/// Why a bundle cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// `reason` is a sentence's end: what the plugin is or does, and what to do about it.
    #[error("the {role} plugin of use case {use_case} ({file}) {reason}")]
    Plugin { use_case: String, role: Role, file: String, reason: String },
    /// There is no machine code of it, for another reason than that it is not valid, which is the variant above.
    #[error("the {role} plugin of use case {use_case} ({file}) {reason}")]
    Compile { use_case: String, role: Role, file: String, reason: CompileError },
    /// The host's surroundings, not the bundle, are to be mended.
    #[error("use case {use_case}: {role}.secrets names {error}")]
    Secret { use_case: String, role: Role, error: SecretError },
}

impl LoadError {
    /// The bundle is not at fault, and the same may work a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Compile { reason, .. } => reason.is_transient(),
            Self::Secret { .. } => true,
            Self::Bundle(_) | Self::Plugin { .. } => false,
        }
    }
}

/// A use case whose plugins are compiled, checked and linked.
#[derive(Clone)]
pub struct LoadedBundle {
    pub(crate) runtime: Runtime,
    pub(crate) use_case: Arc<UseCase>,
    pub(crate) version: Arc<str>,
    pub(crate) validate: Option<Plugin<ValidatorPre<State>>>,
    pub(crate) process: Option<Plugin<ProcessorPre<State>>>,
}

/// One plugin: `pre` has its imports linked and its exports looked up.
#[derive(Clone)]
pub(crate) struct Plugin<P> {
    pub pre: P,
    pub identity: Arc<Identity>,
    pub memory: u64,
    pub timeout: Duration,
    settings: Arc<BTreeMap<String, String>>,
    granted: Arc<[String]>,
    secrets: Secrets,
    pub grants: Arc<[Origin]>,
}

impl std::fmt::Debug for LoadedBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither config nor secrets.
        f.debug_struct("LoadedBundle").field("use_case", &self.use_case.name).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Loads a bundle: compiles its plugins, or finds them in the cache, and checks all that can be checked without a
    /// call.
    pub async fn load(&self, source: &BundleSource, secrets: &Secrets) -> Result<LoadedBundle, LoadError> {
        let use_case = Arc::new(source.use_case()?);
        let wasm = |role| {
            // `use_case()` has checked that the file is there.
            let wasm = use_case.plugin(role).and_then(|spec| source.files.get(&spec.plugin)).cloned().unwrap_or_default();
            Some(Ok(Code::Wasm(wasm)))
        };
        self.load_roles(source, Arc::clone(&use_case), &source.version(), secrets, wasm).await
    }

    /// `code`: what each role's plugin is made of, or the reason why there is none; `None` for a role that is not wanted.
    async fn load_roles(
        &self,
        source: &BundleSource,
        use_case: Arc<UseCase>,
        version: &str,
        secrets: &Secrets,
        code: impl Fn(Role) -> Option<Result<Code, String>>,
    ) -> Result<LoadedBundle, LoadError> {
        let validate = match self.load_plugin(source, &use_case, Role::Validate, secrets, &code).await? {
            Some(plugin) => Some(plugin.with_exports(&use_case, ValidatorPre::new)?),
            None => None,
        };
        let process = match self.load_plugin(source, &use_case, Role::Process, secrets, &code).await? {
            Some(plugin) => Some(plugin.with_exports(&use_case, ProcessorPre::new)?),
            None => None,
        };
        Ok(LoadedBundle { runtime: self.clone(), version: version.into(), use_case, validate, process })
    }

    async fn load_plugin(
        &self,
        source: &BundleSource,
        use_case: &UseCase,
        role: Role,
        secrets: &Secrets,
        code: &impl Fn(Role) -> Option<Result<Code, String>>,
    ) -> Result<Option<Plugin<InstancePre<State>>>, LoadError> {
        let Some(spec) = use_case.plugin(role) else { return Ok(None) };
        let Some(code) = code(role) else { return Ok(None) };
        let fault = |reason| plugin_fault(use_case, role, spec, reason);
        if spec.memory > self.inner.options.max_memory {
            let most = self.inner.options.max_memory >> 20;
            return Err(fault(format!(
                "asks for {} MiB of memory, and this host gives {most} MiB at the most: lower {role}.memory",
                spec.memory >> 20
            )));
        }
        let settings = source.config(use_case, role)?;
        let granted: Arc<[String]> = spec.secrets.clone().into();
        // They are asked for at each call; here it is found out in time that one is missing.
        resolve(secrets, use_case, role, &granted).await?;
        let subject = Subject { use_case: &use_case.name, role };
        let pre = code.map_err(fault)?.link(&self.inner, subject).await.map_err(|refused| refused.into_error(subject, spec))?;
        Ok(Some(Plugin {
            pre,
            identity: Arc::new(Identity { use_case: use_case.name.clone(), role }),
            memory: spec.memory,
            timeout: spec.timeout(role),
            settings: Arc::new(settings),
            granted,
            secrets: secrets.clone(),
            // The manifest's own check has passed each of them.
            grants: spec.allow_http.iter().filter_map(|grant| Origin::parse(grant).ok()).collect(),
        }))
    }
}

impl LoadedBundle {
    /// The same plugins with other secrets, as for one test case. Compiles nothing.
    pub async fn with_secrets(&self, secrets: &Secrets) -> Result<Self, LoadError> {
        let mut bundle = self.clone();
        if let Some(plugin) = &mut bundle.validate {
            plugin.take_secrets(&self.use_case, secrets).await?;
        }
        if let Some(plugin) = &mut bundle.process {
            plugin.take_secrets(&self.use_case, secrets).await?;
        }
        Ok(bundle)
    }
}

impl<P> Plugin<P> {
    async fn take_secrets(&mut self, use_case: &UseCase, secrets: &Secrets) -> Result<(), LoadError> {
        resolve(secrets, use_case, self.identity.role, &self.granted).await?;
        self.secrets = secrets.clone();
        Ok(())
    }

    /// What the plugin's `wasi:config/store` holds now. Waits for nobody while its secrets are fresh, or where it has none.
    pub async fn config(&self) -> Result<Config, SecretError> {
        let settings = Arc::clone(&self.settings);
        if self.granted.is_empty() {
            return Ok(Config { settings, ..Config::default() });
        }
        let secrets = self.secrets.get(&self.identity.use_case, &self.granted).await?;
        Ok(Config { settings, secrets })
    }
}

impl Plugin<InstancePre<State>> {
    /// Looks the exports up, once for all calls, and checks their types.
    fn with_exports<P>(self, use_case: &UseCase, exports: fn(InstancePre<State>) -> wasmtime::Result<P>) -> Result<Plugin<P>, LoadError> {
        let role = self.identity.role;
        let pre = exports(self.pre).map_err(|error| LoadError::Plugin {
            use_case: use_case.name.clone(),
            role,
            file: use_case.plugin(role).map(|spec| spec.plugin.clone()).unwrap_or_default(),
            reason: format!("does not export what its interface says: {error:#}"),
        })?;
        let Self { identity, memory, timeout, settings, granted, secrets, grants, pre: _ } = self;
        Ok(Plugin { pre, identity, memory, timeout, settings, granted, secrets, grants })
    }
}

/// What a plugin is made of.
enum Code {
    Wasm(Bytes),
    Compiled(Compiled),
}

/// Why a plugin is not loaded.
pub(crate) enum Refused {
    /// A sentence's end.
    Plugin(String),
    Compile(CompileError),
}

impl From<CompileError> for Refused {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Invalid(_) | CompileError::NoCompiler => Self::Plugin(error.to_string()),
            error => Self::Compile(error),
        }
    }
}

impl Refused {
    pub fn into_error(self, Subject { use_case, role }: Subject<'_>, spec: &PluginSpec) -> LoadError {
        let (use_case, file) = (use_case.to_owned(), spec.plugin.clone());
        match self {
            Self::Plugin(reason) => LoadError::Plugin { use_case, role, file, reason },
            Self::Compile(reason) => LoadError::Compile { use_case, role, file, reason },
        }
    }
}

impl Code {
    /// Takes as long as it takes to compile, or to read a file; what blocks is on other threads.
    async fn link(self, inner: &Arc<Inner>, subject: Subject<'_>) -> Result<InstancePre<State>, Refused> {
        let (shared, role) = (Arc::clone(inner), subject.role);
        let linked = match self {
            Self::Wasm(wasm) => {
                examine(&wasm, role).await?;
                let component = component(inner, subject, &wasm).await?;
                blocking(move || link(&shared, role, &component)).await?
            }
            // It would take longer to start a thread.
            Self::Compiled(compiled) if compiled.is_small() => compiled.link(inner, role),
            Self::Compiled(compiled) => blocking(move || compiled.link(&shared, role)).await?,
        };
        linked.map_err(Refused::Plugin)
    }
}

/// Refuses what need not be compiled to see that it is none of our plugins.
pub(crate) async fn examine(wasm: &Bytes, role: Role) -> Result<(), Refused> {
    if wasm.len() as u64 > MAX_FILE_BYTES {
        return Err(Refused::Plugin(format!("is {} bytes, more than the {MAX_FILE_BYTES} that are taken", wasm.len())));
    }
    let wasm = wasm.clone();
    let problems = blocking(move || inspect(&wasm).problems(Some(role))).await?;
    if problems.is_empty() { Ok(()) } else { Err(Refused::Plugin(problems.join("; and it "))) }
}

/// Every import has been judged by name, so what fails here is its type.
fn link(inner: &Inner, role: Role, component: &Component) -> Result<InstancePre<State>, String> {
    signature::check(&inner.engine, component, role)?;
    inner.linker.instantiate_pre(component).map_err(|error| format!("imports something of another type than the host has: {error:#}"))
}

async fn resolve(secrets: &Secrets, use_case: &UseCase, role: Role, names: &[String]) -> Result<(), LoadError> {
    if names.is_empty() {
        return Ok(());
    }
    let fault = |error| LoadError::Secret { use_case: use_case.name.clone(), role, error };
    secrets.get(&use_case.name, names).await.map(drop).map_err(fault)
}

fn plugin_fault(use_case: &UseCase, role: Role, spec: &PluginSpec, reason: String) -> LoadError {
    LoadError::Plugin { use_case: use_case.name.clone(), role, file: spec.plugin.clone(), reason }
}

#[cfg(test)]
mod tests;
