//! Secrets from the environment of the host's process.

use std::collections::BTreeMap;
use std::env::VarError;

use async_trait::async_trait;
use secrecy::SecretString;

use super::SecretSource;

/// Prefixes of the host's own variables, such as its AWS credentials and its API key. A bundle names its secrets itself, so these
/// variables must be excluded.
const RESERVED: [&str; 4] = ["AWS_", "LAMBDA_", "POSTDATE_", "_"];

/// Secrets from the host's environment variables of the same names, for every use case. Refuses the host's own variables.
#[derive(Debug, Clone, Copy, Default)]
pub struct EnvSecrets;

#[async_trait]
impl SecretSource for EnvSecrets {
    async fn fetch(&self, _use_case: &str, names: &[&str]) -> Result<BTreeMap<String, SecretString>, String> {
        let mut values = BTreeMap::new();
        for name in names {
            let upper = name.to_ascii_uppercase();
            if let Some(start) = RESERVED.iter().find(|start| upper.starts_with(**start)) {
                return Err(format!("is no secret of a plugin: variables that begin with {start} are the host's own: choose another name"));
            }
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

    fn remedy(&self, _use_case: &str, _name: &str) -> String {
        "set it in the environment of the host".to_owned()
    }
}

#[cfg(test)]
mod tests;
