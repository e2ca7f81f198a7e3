//! Turns a bundle's files into plugins that are ready to be called. Reports every fault that can be found before a call.

use std::sync::Arc;

use bytes::Bytes;
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Role;
use postdate_core::use_case::UseCase;
use wasmtime::component::{Component, InstancePre};

use crate::bindings::processor::ProcessorPre;
use crate::bindings::validator::ValidatorPre;
use crate::call::guest::GuestState;
use crate::code::compile::{Need, Subject, blocking};
use crate::engine::runtime::{Inner, Runtime};
use crate::secrets::Secrets;

pub mod bundle_dir;
mod error;
mod export_type;
mod link;
mod plugin;
mod precompiled;
pub mod precompiled_dir;

pub use error::{LoadError, PrecompiledError, Refused};
pub use link::examine;
pub use plugin::{LoadedBundle, Plugin};

/// The component that a load has compiled or read last, so that one that is both plugins is compiled once, also without a cache.
type LastCompiled = Option<(Bytes, Component)>;

/// The source of a plugin's machine code.
enum Code {
    Wasm(Bytes, Need),
    Precompiled(precompiled::ListedCode),
}

impl Runtime {
    /// Loads a bundle: see [`Self::load_for`].
    pub async fn load(&self, source: &BundleSource, secrets: &Secrets) -> Result<LoadedBundle, LoadError> {
        self.load_for(source, secrets, Need::Start).await
    }

    /// Loads a bundle: compiles its plugins, or finds them in the cache, and makes every check that needs no call. `need` decides which
    /// compile is next where several wait.
    pub async fn load_for(&self, source: &BundleSource, secrets: &Secrets, need: Need) -> Result<LoadedBundle, LoadError> {
        let use_case = Arc::new(source.use_case()?);
        let wasm = |role| {
            // `use_case()` has checked that the file is there.
            let wasm = use_case.plugin(role).and_then(|spec| source.files.get(&spec.plugin)).cloned().unwrap_or_default();
            Some(Ok(Code::Wasm(wasm, need)))
        };
        self.load_roles(source, Arc::clone(&use_case), &source.version(), secrets, wasm).await
    }

    /// Loads a bundle that was precompiled for this machine's architecture. Compiles nothing. Fails if the machine code does not fit
    /// this host: another wasmtime, other settings, or bytes that the compiler did not write.
    pub async fn load_precompiled(
        &self,
        bundle: &precompiled_dir::PrecompiledBundle,
        secrets: &Secrets,
    ) -> Result<LoadedBundle, LoadError> {
        let use_case = Arc::clone(&bundle.use_case);
        let code = |role| bundle.roles.contains(&role).then(|| precompiled::ListedCode::find(bundle, role).map(Code::Precompiled));
        self.load_roles(&bundle.source, use_case, bundle.version(), secrets, code).await
    }

    /// Loads the plugins of both roles. `code` returns the code of a role's plugin, or `None` for a role that is not loaded.
    async fn load_roles(
        &self,
        source: &BundleSource,
        use_case: Arc<UseCase>,
        version: &str,
        secrets: &Secrets,
        code: impl Fn(Role) -> Option<Result<Code, Refused>>,
    ) -> Result<LoadedBundle, LoadError> {
        // Before anything is compiled, which may take minutes.
        for role in [Role::Validate, Role::Process] {
            if let Some(spec) = use_case.plugin(role)
                && code(role).is_some()
            {
                plugin::check_secrets(secrets, &use_case, role, &spec.secrets).await?;
            }
        }
        // A host that loads no processor delivers to no target either, and may not have the secrets of targets.
        if code(Role::Process).is_some() {
            check_targets(&use_case, secrets).await?;
        }
        let mut last = None;
        let validate = match self.load_plugin(source, &use_case, Role::Validate, secrets, &code, &mut last).await? {
            Some(plugin) => Some(plugin.with_exports(&use_case, ValidatorPre::new)?),
            None => None,
        };
        let process = match self.load_plugin(source, &use_case, Role::Process, secrets, &code, &mut last).await? {
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
        code: &impl Fn(Role) -> Option<Result<Code, Refused>>,
        last: &mut LastCompiled,
    ) -> Result<Option<Plugin<InstancePre<GuestState>>>, LoadError> {
        let Some(spec) = use_case.plugin(role) else { return Ok(None) };
        let Some(code) = code(role) else { return Ok(None) };
        let subject = Subject { use_case: &use_case.name, role };
        let fault = |refused: Refused| refused.into_error(subject, spec);
        let most = self.inner.options.max_memory;
        if spec.memory > most {
            return Err(fault(Refused::Plugin(format!(
                "asks for {} MiB of memory, and this host gives {} MiB at the most: lower {role}.memory, or give the host more with --memory",
                spec.memory.div_ceil(1 << 20),
                most >> 20
            ))));
        }
        let settings = source.config(use_case, role)?;
        let pre = match code {
            Ok(code) => code.link(&self.inner, subject, last).await,
            Err(refused) => Err(refused),
        };
        Ok(Some(Plugin::new(pre.map_err(fault)?, use_case, role, spec, settings, secrets, &self.inner.log_rates)))
    }
}

/// Fails if a target cannot get its secrets. Each delivery reads them; this check finds a missing or unusable one earlier.
async fn check_targets(use_case: &UseCase, secrets: &Secrets) -> Result<(), LoadError> {
    for (alias, target) in use_case.targets.iter() {
        let fault = |error| LoadError::Secret { use_case: use_case.name.clone(), key: format!("targets.{alias}"), error };
        secrets.check_credentials(&use_case.name, target).await.map_err(fault)?;
    }
    Ok(())
}

impl Code {
    /// Compiles the plugin or reads its machine code, and links it. Blocking work runs on other threads.
    async fn link(self, inner: &Arc<Inner>, subject: Subject<'_>, last: &mut LastCompiled) -> Result<InstancePre<GuestState>, Refused> {
        let (shared, role) = (Arc::clone(inner), subject.role);
        match self {
            Self::Wasm(wasm, need) => {
                examine(&wasm, role).await?;
                let component = match last.take() {
                    Some((of, component)) if of == wasm => component,
                    _ => inner.compiler.component(subject, &wasm, need).await?,
                };
                *last = Some((wasm, component.clone()));
                blocking(move || link::link(&shared, role, &component)).await?.map_err(Refused::Plugin)
            }
            // Starting a thread takes longer than linking such a small file.
            Self::Precompiled(code) if code.is_small() => code.link(inner, role),
            Self::Precompiled(code) => blocking(move || code.link(&shared, role)).await?,
        }
    }
}

#[cfg(test)]
mod tests;
