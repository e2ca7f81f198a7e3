//! What the use case grants by `config`, `config-files` and `secrets`, by name.

use crate::bindings::imports::wasi::config::store;

/// The value of `key` in the use case's config (a granted secret stands under its own name), or none.
///
/// A value that is not a string in `use-case.toml` (a table, a number, a boolean) arrives as JSON text.
///
/// # Panics
/// Where the host cannot read its config at all: the trap names the key, never a value.
pub fn config(key: &str) -> Option<String> {
    match store::get(key) {
        Ok(value) => value,
        Err(store::Error::Upstream(cause) | store::Error::Io(cause)) => {
            panic!("the host could not read config `{key}`: {cause}")
        }
    }
}

/// Like [`config`], for a value that the plugin cannot do without.
///
/// # Panics
/// Where the key is missing. That is the operator's fault and not the client's, so it is a trap and not a problem.
pub fn required_config(key: &str) -> String {
    config(key).unwrap_or_else(|| panic!("config `{key}` is missing: set it in use-case.toml"))
}
