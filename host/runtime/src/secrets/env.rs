//! Secrets from the environment of the host's process.

use std::collections::BTreeMap;
use std::env::VarError;
use std::str::FromStr;

use async_trait::async_trait;
use secrecy::SecretString;

use super::SecretSource;

/// Prefix of the variables that every use case may have.
const OPEN: &str = "SECRET_";
/// Prefixes of the host's own variables, such as its AWS credentials and its API key. No operator means to give these away.
const RESERVED: [&str; 4] = ["AWS_", "LAMBDA_", "POSTDATE_", "_"];

/// Name of a variable that the operator allows as a secret. Never one of the host's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName(String);

impl FromStr for SecretName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, upper) = (text.trim(), text.trim().to_ascii_uppercase());
        match RESERVED.iter().find(|start| upper.starts_with(**start)) {
            Some(start) => Err(format!("{name:?} is no secret of a plugin: variables that begin with {start} are the host's own")),
            None if name.is_empty() || name.contains('=') => Err(format!("{name:?} is not the name of a variable")),
            None => Ok(Self(name.to_owned())),
        }
    }
}

/// Secrets from the host's environment variables of the same names, for every use case: those that begin with `SECRET_`, and those that
/// the operator allows. A bundle names its secrets itself, so no other variable is one.
#[derive(Debug, Clone, Default)]
pub struct EnvSecrets {
    allowed: Vec<SecretName>,
}

impl EnvSecrets {
    /// Makes a source that gives these variables, too.
    pub fn allowing(allowed: Vec<SecretName>) -> Self {
        Self { allowed }
    }

    fn gives(&self, name: &str) -> bool {
        name.starts_with(OPEN) || self.allowed.iter().any(|allowed| allowed.0 == name)
    }
}

#[async_trait]
impl SecretSource for EnvSecrets {
    async fn fetch(&self, _use_case: &str, names: &[&str]) -> Result<BTreeMap<String, SecretString>, String> {
        let mut values = BTreeMap::new();
        for name in names.iter().filter(|name| self.gives(name)) {
            match std::env::var(name) {
                Ok(value) => {
                    values.insert((*name).to_owned(), value.into());
                }
                Err(VarError::NotPresent) => {}
                Err(VarError::NotUnicode(_)) => return Err("is not UTF-8 in the environment of the host".to_owned()),
            }
        }
        Ok(values)
    }

    fn missing(&self, _use_case: &str, name: &str) -> String {
        if self.gives(name) {
            return "is not set: set it in the environment of the host".to_owned();
        }
        format!("this host gives to no use case: name the secret {OPEN}…, or allow it with --allow-secret {name} (POSTDATE_ALLOW_SECRET)")
    }
}

#[cfg(test)]
mod tests;
