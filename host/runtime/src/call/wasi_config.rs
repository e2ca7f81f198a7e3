//! The interface `wasi:config/store`: a plugin's config and secrets. Unlike wasmtime's own implementation, it records the missing keys
//! that a plugin requested, because the manifest has to grant them.

use std::sync::Arc;

use postdate_core::plugin::Role;
use secrecy::ExposeSecret as _;
use wasmtime::component::{ComponentType, Linker, Lower};
use wasmtime::{Result, StoreContextMut};

use crate::secrets::PluginConfig;

/// Bounds of the recorded missing keys.
const MAX_MISSED: usize = 10;
const MAX_KEY_CHARS: usize = 64;

/// The interface's `error`, which this host never returns.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum ConfigError {
    #[component(name = "upstream")]
    _Upstream(String),
    #[component(name = "io")]
    _Io(String),
}

/// Keys and values.
type All = Vec<(String, Arc<str>)>;
type Answer<T> = (std::result::Result<T, ConfigError>,);

/// Adds the interface to a linker. `config` returns its state from the store's data.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>, config: fn(&mut T) -> &mut WasiConfig) -> Result<()> {
    let mut store = linker.instance("wasi:config/store@0.2.0-rc.1")?;
    store.func_wrap("get", move |mut store: StoreContextMut<'_, T>, (key,): (String,)| -> Result<Answer<Option<Arc<str>>>> {
        Ok((Ok(config(store.data_mut()).get(&key)),))
    })?;
    store.func_wrap("get-all", move |mut store: StoreContextMut<'_, T>, (): ()| -> Result<Answer<All>> {
        Ok((Ok(config(store.data_mut()).get_all()),))
    })
}

/// The interface's state during one call.
pub struct WasiConfig {
    config: PluginConfig,
    /// Requested keys without a value, in the order of the requests.
    missed: Vec<String>,
}

impl WasiConfig {
    pub fn new(config: PluginConfig) -> Self {
        Self { config, missed: Vec::new() }
    }

    /// Shares the text with the bundle. The only copy is the one in the guest's memory, which the guest's limit counts.
    fn get(&mut self, key: &str) -> Option<Arc<str>> {
        let secret = || self.config.secrets.get(key).map(|value| Arc::from(value.expose_secret()));
        let value = self.config.settings.get(key).cloned().or_else(secret);
        if value.is_none() {
            let key: String = key.chars().take(MAX_KEY_CHARS).collect();
            if self.missed.len() < MAX_MISSED && !self.missed.contains(&key) {
                self.missed.push(key);
            }
        }
        value
    }

    fn get_all(&self) -> All {
        let settings = self.config.settings.iter().map(|(key, value)| (key.clone(), Arc::clone(value)));
        let secrets = self.config.secrets.iter().map(|(key, value)| (key.clone(), Arc::from(value.expose_secret())));
        settings.chain(secrets).collect()
    }

    /// Returns a remark for the call's log on each key that had no value.
    pub fn notes(&self, role: Role) -> impl Iterator<Item = String> {
        self.missed.iter().map(move |key| {
            format!("the plugin asked for the config {key:?}, which it is not granted; to grant it, add it to {role}.config, {role}.config-files or {role}.secrets")
        })
    }
}

#[cfg(test)]
mod tests;
