//! The headers and signing keys of a target of the kind `http`, made of its manifest and its secrets.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use postdate_core::use_case::Target;
use postdate_core::use_case::header_value::{self, Part};
use postdate_webhooks::Key;
use secrecy::{ExposeSecret as _, SecretString};

use super::{SecretError, SecretValues, Secrets};

/// Headers and keys of a delivery. No `Debug` shows a value.
#[derive(Debug, Default)]
pub struct Credentials {
    /// Headers, each marked as sensitive.
    pub headers: HeaderMap,
    /// Keys of the signature; empty for a target without one.
    pub keys: Vec<Key>,
    secrets: Vec<Arc<SecretString>>,
}

impl Secrets {
    /// Returns the headers and keys of a target. Does not wait while its secrets are fresh.
    ///
    /// # Errors
    /// Fails if a secret is missing, cannot be read, or cannot be used as the manifest says.
    pub async fn credentials(&self, use_case: &str, target: &Target) -> Result<Credentials, SecretError> {
        Credentials::of(target, &self.of_target(use_case, target).await?)
    }

    /// Fails if [`Self::credentials`] would fail. Tools that call no target give its secrets empty values, which are not checked.
    pub(crate) async fn check_credentials(&self, use_case: &str, target: &Target) -> Result<(), SecretError> {
        let values = self.of_target(use_case, target).await?;
        if values.values().any(|value| value.expose_secret().is_empty()) {
            return Ok(());
        }
        Credentials::of(target, &values).map(drop)
    }

    async fn of_target(&self, use_case: &str, target: &Target) -> Result<SecretValues, SecretError> {
        let names = target.secrets();
        if names.is_empty() { Ok(SecretValues::new()) } else { self.get(use_case, &names).await }
    }
}

impl Credentials {
    fn of(target: &Target, values: &SecretValues) -> Result<Self, SecretError> {
        let Target::Http { headers, sign, .. } = target else { return Ok(Self::default()) };
        // `values` has every name of the target.
        let value = |name: &str| values.get(name).map_or("", |value| value.expose_secret());
        let mut credentials = Self { secrets: values.values().cloned().collect(), ..Self::default() };
        for (name, text) in headers {
            let unusable = |secret: &str, reason: String| SecretError::Unusable { name: secret.to_owned(), reason };
            let mut whole = String::new();
            let mut secret = "";
            for part in header_value::parse(text).unwrap_or_default() {
                match part {
                    Part::Text(text) => whole.push_str(text),
                    Part::Secret(named) => {
                        // White space around a value is no part of a header (RFC 9110, section 5.5), and files often end with a line feed.
                        let value = value(named).trim();
                        if value.is_empty() {
                            return Err(unusable(named, "is empty".to_owned()));
                        }
                        secret = named;
                        whole.push_str(value);
                    }
                }
            }
            let broken = || unusable(secret, format!("has a character that the header {name} cannot have: use visible ASCII and spaces"));
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| broken())?;
            let mut value = HeaderValue::from_str(&whole).map_err(|_| broken())?;
            value.set_sensitive(true);
            credentials.headers.insert(header, value);
        }
        for name in sign {
            let key = Key::parse(value(name));
            let unusable = |error| SecretError::Unusable { name: name.clone(), reason: format!("cannot sign: {error}") };
            credentials.keys.push(key.map_err(unusable)?);
        }
        Ok(credentials)
    }

    /// Returns the texts that a failure must not show: the secrets, and the values of the headers.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.values().filter_map(|value| value.to_str().ok());
        headers.chain(self.secrets.iter().map(|secret| secret.expose_secret().trim()))
    }
}

#[cfg(test)]
mod tests;
