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
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use postdate_runtime::{EnvSecrets, Lifetime, SecretName, SecretSource, Secrets};
use secrecy::{ExposeSecret as _, SecretString};
use toml::Value;

const MAX_FILE_BYTES: u64 = 1 << 20;
/// Permission bits of the group and of others.
const OTHERS: u32 = 0o077;
/// The superuser. Service managers provide secrets in files that belong to it.
const ROOT: u32 = 0;

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
    let unreadable = |error: std::io::Error| format!("cannot be read ({error})");
    let file = File::open(path).map_err(unreadable)?;
    // Taken from the open file, so that the checked file is the one that is read.
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(format!("may be read or written by others (mode {:03o}): chmod 600 it", metadata.mode() & 0o777));
    }
    if ![ROOT, rustix::process::geteuid().as_raw()].contains(&metadata.uid()) {
        return Err("belongs to another user: chown it to the one that the server runs as".to_owned());
    }
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(|_| "is not UTF-8 text".to_owned())?;
    let text = SecretString::from(text);
    if text.expose_secret().len() as u64 > MAX_FILE_BYTES {
        return Err(format!("has more than {MAX_FILE_BYTES} bytes"));
    }
    parse(text.expose_secret())
}

fn parse(text: &str) -> Result<Content, String> {
    // The message of toml's error may quote the line with its value, so use only its position.
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        format!("is not TOML at line {line}: write NAME = \"value\"")
    })?;
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
