//! Where the values of a use case's secrets come from.

/// Resolves secrets by the names that manifests list.
pub trait Secrets: Send + Sync {
    /// The value, or `None` where there is no such secret.
    fn get(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String> + Send + Sync> Secrets for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// Secrets from the host's environment variables, of the same names.
#[derive(Debug, Clone, Copy, Default)]
pub struct EnvSecrets;

impl Secrets for EnvSecrets {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
