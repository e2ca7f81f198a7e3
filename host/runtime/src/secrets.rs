//! The values of the secrets that use cases are granted. A [`SecretSource`] reads them; [`Secrets`] caches them. No `Debug` here shows
//! a value.

mod cache;
mod env;
mod mask;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

pub use cache::{Lifetime, Secrets};
pub use env::{EnvSecrets, SecretName};
pub(crate) use mask::Mask;

/// Values by name; cheap to clone.
pub type SecretValues = BTreeMap<String, Arc<SecretString>>;

/// A service or file that keeps secrets.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// Returns the values of these names, all for one use case, without names that do not exist.
    ///
    /// # Errors
    /// Fails if the source cannot be read. The text ends a sentence that begins with the names, such as "cannot be read: …", and contains
    /// no value.
    async fn fetch(&self, use_case: &str, names: &[&str]) -> Result<BTreeMap<String, SecretString>, String>;

    /// Returns why the source has no secret of this name, and the remedy, such as "is not set: set it in the environment of the host".
    fn missing(&self, use_case: &str, name: &str) -> String;
}

/// A plugin cannot get a secret. The text names the secret and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The source does not have the secret, or does not give it to use cases. `reason` has the remedy.
    #[error("{name}, which {reason}")]
    Missing { name: String, reason: String },
    /// The source could not be read.
    #[error("{}, which {reason}", names.join(", "))]
    Unavailable { names: Vec<String>, reason: String },
}

/// A source that is a function from a name to its value, for tests and for values in memory.
struct Function<F>(F);

#[async_trait]
impl<F: Fn(&str) -> Option<String> + Send + Sync> SecretSource for Function<F> {
    async fn fetch(&self, _use_case: &str, names: &[&str]) -> Result<BTreeMap<String, SecretString>, String> {
        Ok(names.iter().filter_map(|name| Some(((*name).to_owned(), (self.0)(name)?.into()))).collect())
    }

    fn missing(&self, _use_case: &str, _name: &str) -> String {
        "is not set: give it a value".to_owned()
    }
}

/// The keys of a plugin's `wasi:config/store`: the settings of the bundle, and the secrets that the host adds at each call.
#[derive(Clone, Default)]
pub(crate) struct PluginConfig {
    pub settings: Arc<BTreeMap<String, String>>,
    pub secrets: SecretValues,
}

impl fmt::Debug for PluginConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (settings, secrets) = (self.settings.keys(), self.secrets.keys());
        f.debug_struct("PluginConfig").field("settings", &settings).field("secrets", &secrets).finish()
    }
}
