//! A loaded bundle and its plugins.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use postdate_core::plugin::Role;
use postdate_core::use_case::{PluginSpec, UseCase};
use wasmtime::component::InstancePre;

use super::error::LoadError;
use crate::bindings::processor::ProcessorPre;
use crate::bindings::validator::ValidatorPre;
use crate::call::guest::GuestState;
use crate::call::logs::Identity;
use crate::call::logs::rate::LogRates;
use crate::engine::runtime::Runtime;
use crate::outgoing::Origin;
use crate::secrets::{PluginConfig, SecretError, Secrets};

/// A use case whose plugins are compiled, checked and linked.
#[derive(Clone)]
pub struct LoadedBundle {
    pub(crate) runtime: Runtime,
    pub(crate) use_case: Arc<UseCase>,
    pub(crate) version: Arc<str>,
    pub(crate) validate: Option<Plugin<ValidatorPre<GuestState>>>,
    pub(crate) process: Option<Plugin<ProcessorPre<GuestState>>>,
}

/// One plugin. In `pre`, its imports are linked and its exports looked up.
#[derive(Clone)]
pub struct Plugin<P> {
    pub pre: P,
    /// Size of the machine code.
    code_bytes: usize,
    pub identity: Arc<Identity>,
    pub memory: u64,
    pub timeout: Duration,
    settings: Arc<BTreeMap<String, Arc<str>>>,
    granted: Arc<[String]>,
    secrets: Secrets,
    pub grants: Arc<[Origin]>,
}

impl std::fmt::Debug for LoadedBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Config and secrets are not shown.
        f.debug_struct("LoadedBundle").field("use_case", &self.use_case.name).field("version", &self.version).finish_non_exhaustive()
    }
}

impl LoadedBundle {
    /// Returns the bytes that the bundle's machine code and config take while it is loaded.
    pub fn loaded_bytes(&self) -> usize {
        let of_validate = self.validate.as_ref().map(Plugin::loaded_bytes);
        of_validate.into_iter().chain(self.process.as_ref().map(Plugin::loaded_bytes)).sum()
    }

    /// Returns the same plugins with other secrets, for a test case. Compiles nothing.
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
    fn loaded_bytes(&self) -> usize {
        self.code_bytes + self.settings.values().map(|value| value.len()).sum::<usize>()
    }

    async fn take_secrets(&mut self, use_case: &UseCase, secrets: &Secrets) -> Result<(), LoadError> {
        check_secrets(secrets, use_case, self.identity.role, &self.granted).await?;
        self.secrets = secrets.clone();
        Ok(())
    }

    /// Returns the current content of the plugin's `wasi:config/store`. Does not wait while the secrets are fresh.
    pub async fn config(&self) -> Result<PluginConfig, SecretError> {
        let settings = Arc::clone(&self.settings);
        if self.granted.is_empty() {
            return Ok(PluginConfig { settings, ..PluginConfig::default() });
        }
        let secrets = self.secrets.get(&self.identity.use_case, &self.granted).await?;
        Ok(PluginConfig { settings, secrets })
    }
}

impl Plugin<InstancePre<GuestState>> {
    pub fn new(
        pre: InstancePre<GuestState>,
        use_case: &UseCase,
        role: Role,
        spec: &PluginSpec,
        settings: BTreeMap<String, Arc<str>>,
        secrets: &Secrets,
        rates: &LogRates,
    ) -> Self {
        let code = pre.component().image_range();
        Self {
            code_bytes: code.end.addr() - code.start.addr(),
            pre,
            identity: Arc::new(Identity { use_case: use_case.name.clone(), role, rate: rates.of(&use_case.name) }),
            memory: spec.memory,
            timeout: spec.timeout(role),
            settings: Arc::new(settings),
            granted: spec.secrets.clone().into(),
            secrets: secrets.clone(),
            // The check of the manifest has accepted each grant.
            grants: spec.allow_http.iter().filter_map(|grant| Origin::parse(grant).ok()).collect(),
        }
    }

    /// Looks up the exports once for all calls, and checks their types.
    pub fn with_exports<P>(
        self,
        use_case: &UseCase,
        exports: fn(InstancePre<GuestState>) -> wasmtime::Result<P>,
    ) -> Result<Plugin<P>, LoadError> {
        let role = self.identity.role;
        let pre = exports(self.pre).map_err(|error| LoadError::Plugin {
            use_case: use_case.name.clone(),
            role,
            file: use_case.plugin(role).map(|spec| spec.plugin.clone()).unwrap_or_default(),
            reason: format!("does not export what its interface says: {error:#}"),
        })?;
        let Self { code_bytes, identity, memory, timeout, settings, granted, secrets, grants, pre: _ } = self;
        Ok(Plugin { pre, code_bytes, identity, memory, timeout, settings, granted, secrets, grants })
    }
}

/// Fails if one of these secrets does not exist or cannot be read. Each call reads its secrets; this check finds a missing one earlier.
pub async fn check_secrets(secrets: &Secrets, use_case: &UseCase, role: Role, names: &[String]) -> Result<(), LoadError> {
    if names.is_empty() {
        return Ok(());
    }
    let fault = |error| LoadError::Secret { use_case: use_case.name.clone(), key: format!("{role}.secrets"), error };
    secrets.get(&use_case.name, names).await.map(drop).map_err(fault)
}
