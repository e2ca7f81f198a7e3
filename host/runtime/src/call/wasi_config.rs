//! `wasi:config/store`: a plugin's config and secrets. wasmtime's own would do, but for one thing: it does not tell which key a
//! plugin asked for in vain, and that is what its author has to grant.

use postdate_core::plugin::Role;
use wasmtime::component::{ComponentType, Linker, Lower};
use wasmtime::{Result, StoreContextMut};

use crate::store::State;

/// Keys asked for in vain that are remembered, and how much of each.
const MAX_MISSED: usize = 10;
const MAX_KEY_CHARS: usize = 64;

/// The interface's `error`, which this host has no use for.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StoreError {
    #[component(name = "upstream")]
    _Upstream(String),
    #[component(name = "io")]
    _Io(String),
}

type Answer<T> = (std::result::Result<T, StoreError>,);

pub fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    let mut store = linker.instance("wasi:config/store@0.2.0-rc.1")?;
    store.func_wrap("get", |mut store: StoreContextMut<'_, State>, (key,): (String,)| -> Result<Answer<Option<String>>> {
        Ok((Ok(store.data_mut().config_value(&key)),))
    })?;
    store.func_wrap("get-all", |store: StoreContextMut<'_, State>, (): ()| -> Result<Answer<Vec<(String, String)>>> {
        Ok((Ok(store.data().config_entries()),))
    })
}

/// The keys of one call that there was no value for, in the order in which they were asked for.
#[derive(Debug, Default)]
pub struct Missed(Vec<String>);

impl Missed {
    pub fn add(&mut self, key: &str) {
        let key: String = key.chars().take(MAX_KEY_CHARS).collect();
        if self.0.len() < MAX_MISSED && !self.0.contains(&key) {
            self.0.push(key);
        }
    }

    /// A remark for the call's log on each.
    pub fn notes(&self, role: Role) -> impl Iterator<Item = String> {
        self.0.iter().map(move |key| {
            format!("the plugin asked for the config {key:?}, which it is not granted; to grant it, add it to {role}.config, {role}.config-files or {role}.secrets")
        })
    }
}

#[cfg(test)]
mod tests;
