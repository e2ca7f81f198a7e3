//! Secrets from a file that only its owner can read.
//!
//! ```toml
//! SHARED_KEY = "for every use case that its manifest grants it"
//!
//! [orders]
//! ORDERS_API_KEY = "for the use case orders alone, takes precedence over one of the same name above"
//! ```
//!
//! Errors quote names and line numbers of the file, never values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use postdate_runtime::{EnvSecrets, Lifetime, SecretName, SecretSource, Secrets};
use secrecy::{ExposeSecret as _, SecretString};
use toml::Value;

use crate::private_file;

/// Returns the secrets of the file, or without one those of the environment, `SECRET_…` and the `allowed` names. A value is fetched again
/// after `fresh`. Fails if the file is not usable now.
pub fn open(file: Option<PathBuf>, allowed: Vec<SecretName>, fresh: Duration) -> anyhow::Result<Secrets> {
    let lifetime = Lifetime { fresh, ..Lifetime::default() };
    let Some(path) = file else { return Ok(Secrets::new(EnvSecrets::allowing(allowed), lifetime)) };
    let secrets = FileSecrets { path };
    if let Err(reason) = read(&secrets.path) {
        anyhow::bail!("the secrets file {} {reason}", secrets.path.display());
    }
    Ok(Secrets::new(secrets, lifetime))
}

/// A secrets file. Each fetch reads it again.
#[derive(Debug)]
struct FileSecrets {
    path: PathBuf,
}

#[async_trait]
impl SecretSource for FileSecrets {
    async fn fetch(&self, use_case: &str, names: &[&str]) -> Result<BTreeMap<String, SecretString>, String> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await.map_err(|_| "cannot be read".to_owned())?;
        let content = read.map_err(|reason| format!("cannot be read: the secrets file {} {reason}", self.path.display()))?;
        let value = |name: &&str| Some(((*name).to_owned(), content.get(use_case, name)?.clone()));
        Ok(names.iter().filter_map(value).collect())
    }

    fn missing(&self, use_case: &str, name: &str) -> String {
        format!("is not set: write {name} = \"...\" into the secrets file {}, at its top or under [{use_case}]", self.path.display())
    }
}

#[derive(Default)]
struct Content {
    shared: BTreeMap<String, SecretString>,
    own: BTreeMap<String, BTreeMap<String, SecretString>>,
}

impl Content {
    fn get(&self, use_case: &str, name: &str) -> Option<&SecretString> {
        self.own.get(use_case).and_then(|own| own.get(name)).or_else(|| self.shared.get(name))
    }
}

/// Reads and checks the file. An error continues the sentence "the secrets file PATH …".
fn read(path: &Path) -> Result<Content, String> {
    let text = SecretString::from(private_file::read(path)?);
    parse(text.expose_secret())
}

fn parse(text: &str) -> Result<Content, String> {
    // The message of toml's error may quote the line with its value, so use only its position.
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| format!("is not TOML at line {}: write NAME = \"value\"", private_file::line_of(&error, text)))?;
    let mut content = Content::default();
    for (key, value) in table {
        if let Value::Table(table) = value {
            let own = table.into_iter().map(|(name, value)| Ok((name.clone(), secret(&format!("{key}.{name}"), value)?)));
            content.own.insert(key.clone(), own.collect::<Result<_, String>>()?);
        } else {
            content.shared.insert(key.clone(), secret(&key, value)?);
        }
    }
    Ok(content)
}

fn secret(key: &str, value: Value) -> Result<SecretString, String> {
    let fault = |what: &str| Err(format!("has {what} for {key}: write it as text, {key} = \"...\""));
    match value {
        Value::String(text) if text.is_empty() => fault("nothing"),
        Value::String(text) => Ok(text.into()),
        Value::Integer(_) | Value::Float(_) => fault("a number"),
        Value::Boolean(_) => fault("true or false"),
        Value::Datetime(_) => fault("a time"),
        Value::Array(_) => fault("a list"),
        Value::Table(_) => fault("a table"),
    }
}

#[cfg(test)]
mod tests;
