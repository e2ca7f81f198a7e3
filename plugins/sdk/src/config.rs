//! Values of `config`, `config-files` and `secrets` in the manifest.

use crate::bindings::imports::wasi::config::store;

/// Returns the value of `key` in the use case's config, or `None`. The key of a granted secret is the secret's name.
///
/// A value that is not a string in `use-case.toml` (a table, a number, a boolean) is JSON text.
///
/// # Panics
/// If the host cannot read its config. The message contains the key and no value.
pub fn config(key: &str) -> Option<String> {
    match store::get(key) {
        Ok(value) => value,
        Err(store::Error::Upstream(cause) | store::Error::Io(cause)) => {
            panic!("the host could not read config `{key}`: {cause}")
        }
    }
}

/// Returns the value of `key`, as [`config`] does.
///
/// # Panics
/// If the key is missing. A missing key is an error of the operator, not of the client, and so a trap and not a problem.
pub fn required_config(key: &str) -> String {
    config(key).unwrap_or_else(|| panic!("config `{key}` is missing: set it in use-case.toml"))
}
