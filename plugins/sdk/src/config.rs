//! Reads the values that the use case grants with `config`, `config-files` and `secrets`.

use crate::bindings::imports::wasi::config::store;

/// Returns the value of `key` in the use case's config, or `None` if it is not set. A granted secret has its own name as the key.
///
/// A string or a date arrives as it is written in `use-case.toml`; a table, number or boolean arrives as JSON text.
///
/// # Panics
/// If the host cannot read the config. The message names the key, never a value.
pub fn config(key: &str) -> Option<String> {
    match store::get(key) {
        Ok(value) => value,
        Err(store::Error::Upstream(cause) | store::Error::Io(cause)) => {
            panic!("the host could not read config `{key}`: {cause}")
        }
    }
}

/// Returns the value of `key` like [`config`], for a value that the plugin needs.
///
/// # Panics
/// If the key is missing. The operator has to correct that, not the client, so it is a trap and not a problem.
pub fn required_config(key: &str) -> String {
    config(key).unwrap_or_else(|| panic!("config `{key}` is missing: set it in use-case.toml"))
}
