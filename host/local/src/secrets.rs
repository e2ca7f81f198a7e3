//! Secrets from a file that its owner alone can read.
//!
//! ```toml
//! SHARED_KEY = "for every use case that its manifest grants it"
//!
//! [orders]
//! ORDERS_API_KEY = "for the use case orders alone, before one of the same name above"
//! ```
//!
//! Nothing of the file but names and line numbers is ever quoted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use postdate_runtime::{Lifetime, SecretSource, Secrets};
use secrecy::{ExposeSecret as _, SecretString};
use toml::Value;

const MAX_FILE_BYTES: u64 = 1 << 20;
/// Permission bits of the group and of others.
const OTHERS: u32 = 0o077;
/// The superuser, whose files a service manager hands out.
const ROOT: u32 = 0;

/// The secrets of a server: from the file, or else from its environment.
///
/// # Errors
/// Where the file cannot serve as it is now.
pub fn open(file: Option<PathBuf>, fresh: Duration) -> anyhow::Result<Secrets> {
    let lifetime = Lifetime { fresh, ..Lifetime::default() };
    let Some(path) = file else { return Ok(Secrets::new(postdate_runtime::EnvSecrets, lifetime)) };
    let secrets = FileSecrets { path };
    if let Err(reason) = read(&secrets.path) {
        anyhow::bail!("the secrets file {} {reason}", secrets.path.display());
    }
    Ok(Secrets::new(secrets, lifetime))
}

/// A file, read again each time.
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

    fn remedy(&self, use_case: &str, name: &str) -> String {
        format!("write {name} = \"...\" into the secrets file {}, at its top or under [{use_case}]", self.path.display())
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

/// An error is the end of a sentence that begins with the file.
fn read(path: &Path) -> Result<Content, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read ({error})");
    let file = File::open(path).map_err(unreadable)?;
    // Of what was opened, so that nobody can change it in between.
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
    // Its own message may quote the line, and the value with it.
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
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const PLANTED: &str = "planted-value";

    fn written(text: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[track_caller]
    fn check_refused(text: &str, mode: u32, expected: &str) {
        let (_dir, path) = written(text.as_bytes(), mode);
        let error = open(Some(path), Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains("secrets.toml ") && error.contains(expected), "{error}");
        assert!(!error.contains("planted"), "{error}");
    }

    #[tokio::test]
    async fn a_use_cases_own_secret_goes_before_a_shared_one_and_others_do_not_get_it() {
        let text = "SHARED = 'all'\nKEY = 'all'\n[orders]\nKEY = 'own'\nOWN = 'own'\n";
        let (_dir, path) = written(text.as_bytes(), 0o600);
        let source = FileSecrets { path };
        let of = async |use_case: &str| {
            let values = source.fetch(use_case, &["SHARED", "KEY", "OWN", "NONE"]).await.unwrap();
            values.into_iter().map(|(name, value)| format!("{name}={}", value.expose_secret())).collect::<Vec<_>>()
        };
        assert_eq!(of("orders").await, ["KEY=own", "OWN=own", "SHARED=all"]);
        assert_eq!(of("webhook").await, ["KEY=all", "SHARED=all"]);
        assert!(source.remedy("orders", "NONE").contains("under [orders]"));
    }

    #[test]
    fn what_cannot_serve_is_named_by_its_key_and_never_quoted() {
        check_refused("KEY = 'planted-value'", 0o640, "may be read or written by others (mode 640): chmod 600");
        check_refused("KEY = 'planted-value'", 0o604, "(mode 604)");
        check_refused("A = 'x'\nKEY = planted-value\n", 0o600, "is not TOML at line 2");
        check_refused("KEY = 'planted-value'\nKEY = 'planted-value'\n", 0o600, "is not TOML at line 2");
        check_refused("KEY = 'planted-value", 0o600, "is not TOML at line 1");
        check_refused("KEY = ['planted-value']", 0o600, "has a list for KEY");
        check_refused("KEY = 20270101", 0o600, "has a number for KEY");
        check_refused("KEY = ''", 0o400, "has nothing for KEY");
        check_refused("[orders]\nKEY = { a = 'planted-value' }", 0o600, "has a table for orders.KEY");
        let big = format!("KEY = '{}'", PLANTED.repeat(100_000));
        check_refused(&big, 0o600, "has more than 1048576 bytes");
        let (dir, path) = written(b"KEY = '\xff'", 0o600);
        assert!(open(Some(path), Duration::from_secs(1)).unwrap_err().to_string().contains("is not UTF-8"));
        assert!(open(Some(dir.path().into()), Duration::from_secs(1)).unwrap_err().to_string().contains("is not a file"));
        let gone = open(Some(dir.path().join("gone")), Duration::from_secs(1)).unwrap_err().to_string();
        assert!(gone.contains("gone cannot be read"), "{gone}");
    }

    #[tokio::test]
    async fn a_file_that_has_become_unfit_is_a_failed_refresh_and_not_a_missing_secret() {
        let (_dir, path) = written(b"KEY = 'planted-value'", 0o600);
        let source = FileSecrets { path: path.clone() };
        assert!(source.fetch("orders", &["KEY"]).await.is_ok());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = source.fetch("orders", &["KEY"]).await.unwrap_err();
        assert!(error.starts_with("cannot be read: the secrets file") && error.contains("chmod 600"), "{error}");
    }
}
