//! `postdate api-key …`: makes, lists and revokes the keys of a server's API, in a file that the server reads.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, ensure};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use postdate_core::access::Scope;
use postdate_core::time::{ceil_to_millis, parse_time, rfc3339};
use postdate_core::use_case::{NAME_RULE, is_use_case_name};
use postdate_local::keys::{self, Key, Sees};
use serde_json::{Value, json};

use crate::new_file;
use crate::output::{columns, err, json_line, out, path_text};
use crate::when;

const NOTES: &str = "\
Examples:
  postdate api-key new shop --use-cases orders --keys-file keys.toml
  postdate api-key new ci --may deploy --expires 90d --keys-file keys.toml
  postdate api-key new admin --may submit,read,change,deploy,operate --keys-file keys.toml
  postdate serve --keys-file keys.toml

The token of a key is printed once. The file has only its SHA-256. A running server takes a changed
file at once, without a restart.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct ApiKeyCommand {
    #[command(subcommand)]
    action: ApiKeyAction,

    /// File with the keys of the server, as in `postdate serve --keys-file`
    #[arg(long, env = "POSTDATE_KEYS_FILE", value_name = "FILE", default_value = "keys.toml", global = true)]
    keys_file: PathBuf,
}

#[derive(Debug, Subcommand)]
enum ApiKeyAction {
    /// Make a key, add it to the file, and print its token
    New(New),
    /// List the keys of the file
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Remove a key from the file
    Revoke {
        /// Name of the key
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct New {
    /// Name of the key, which requests and logs show
    #[arg(value_parser = name)]
    name: String,

    /// Scopes, separated by commas: submit, read, change, deploy, operate
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', default_value = "submit,read,change")]
    may: Vec<Scope>,

    /// Use cases that the key may use and see, separated by commas; all by default
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = use_case)]
    use_cases: Option<Vec<String>>,

    /// Requests that the key sees
    #[arg(long, value_enum, default_value = "own")]
    sees: SeesArgument,

    /// End of the key: a time such as 2027-06-01T00:00:00Z, or a duration from now such as 90d
    #[arg(long, value_name = "TIME", value_parser = expiry)]
    expires: Option<DateTime<Utc>>,

    /// Print JSON: the key with its token
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SeesArgument {
    /// The requests that it made itself
    Own,
    /// The requests of every key
    All,
}

fn name(text: &str) -> Result<String, String> {
    keys::check_name(text).map(|()| text.to_owned())
}

fn use_case(text: &str) -> Result<String, String> {
    if is_use_case_name(text) { Ok(text.to_owned()) } else { Err(format!("{text:?} is not the name of a use case: {NAME_RULE}")) }
}

fn expiry(text: &str) -> Result<DateTime<Utc>, String> {
    let now = Utc::now();
    let at = match when::duration(text) {
        Ok(from_now) => now.checked_add_signed(chrono::TimeDelta::from_std(from_now).map_err(|error| error.to_string())?),
        Err(_) => Some(parse_time(text).map_err(|error| error.to_string())?),
    };
    at.map(ceil_to_millis).filter(|at| *at > now).ok_or_else(|| "the time must be in the future".to_owned())
}

pub fn run(command: ApiKeyCommand) -> anyhow::Result<ExitCode> {
    let file = &command.keys_file;
    match command.action {
        ApiKeyAction::New(new) => {
            let token = keys::new_token().context("the operating system gives no random bytes")?;
            let key = Key {
                name: new.name,
                sha256: keys::digest(&token),
                may: new.may.into_iter().collect(),
                use_cases: new.use_cases.map(|names| names.into_iter().collect::<BTreeSet<_>>()),
                sees: match new.sees {
                    SeesArgument::Own => Sees::Own,
                    SeesArgument::All => Sees::All,
                },
                expires: new.expires,
            };
            change(file, |text, keys| {
                ensure!(keys.iter().all(|other| other.name != key.name), "{} has a key {:?} already", file.display(), key.name);
                let gap = if text.is_empty() || text.ends_with("\n\n") { "" } else { "\n" };
                let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                Ok(format!("{text}{end}{gap}{}", key.to_toml()))
            })?;
            err(&format!("added the key {:?} to {}; its token, which is not shown again:\n", key.name, file.display()));
            out(&if new.json {
                let mut document = document(&key, Utc::now());
                document["token"] = json!(token);
                document["keysFile"] = json!(path_text(file));
                json_line(&document)?
            } else {
                format!("{token}\n")
            });
        }
        ApiKeyAction::List { json } => {
            let keys = read(file)?;
            let now = Utc::now();
            out(&if json { json_line(&keys.iter().map(|key| document(key, now)).collect::<Vec<_>>())? } else { table(&keys, now) });
        }
        ApiKeyAction::Revoke { name, json } => {
            change(file, |text, keys| {
                ensure!(keys.iter().any(|key| key.name == name), "{} has no key {name:?}", file.display());
                without(text, &name)
                    .ok_or_else(|| anyhow!("cannot find the lines of the key {name:?}: delete them from {}", file.display()))
            })?;
            err(&format!("removed the key {name:?} from {}\n", file.display()));
            if json {
                out(&json_line(&json!({ "name": name, "keysFile": path_text(file) }))?);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<Vec<Key>> {
    keys::read(file).map_err(|reason| anyhow!("the keys file {} {reason}", file.display()))
}

/// Returns a key without the digest of its token. `useCases` is `null` for all use cases.
fn document(key: &Key, now: DateTime<Utc>) -> Value {
    json!({
        "name": key.name,
        "may": key.may.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "useCases": key.use_cases,
        "sees": key.sees.as_str(),
        "expires": key.expires.map(rfc3339),
        "hasExpired": key.has_expired(now),
    })
}

fn table(keys: &[Key], now: DateTime<Utc>) -> String {
    let row = |key: &Key| {
        vec![
            key.name.clone(),
            key.may.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(","),
            key.use_cases.as_ref().map_or_else(|| "all use cases".to_owned(), |names| names.iter().cloned().collect::<Vec<_>>().join(",")),
            format!("sees {}", key.sees.as_str()),
            match key.expires {
                Some(expires) if key.has_expired(now) => format!("expired at {}", rfc3339(expires)),
                Some(expires) => format!("until {}", rfc3339(expires)),
                None => "does not expire".to_owned(),
            },
        ]
    };
    columns(&keys.iter().map(row).collect::<Vec<_>>(), "")
}

/// Replaces the file's text by what `edit` makes of it, in one step, so that a server never reads half a file. Creates the file, for its
/// owner only. Fails, and changes nothing, if the file or the new text is not valid.
fn change(file: &Path, edit: impl FnOnce(&str, &[Key]) -> anyhow::Result<String>) -> anyhow::Result<()> {
    let shown = file.display();
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // The lock is that of the directory, since the file itself is replaced.
    let lock = File::open(directory).with_context(|| format!("cannot open the directory of {shown}"))?;
    lock.lock().with_context(|| format!("cannot lock the directory of {shown}"))?;
    let (text, keys) = match std::fs::read_to_string(file) {
        Ok(text) => (text, read(file)?),
        Err(error) if error.kind() == ErrorKind::NotFound => (String::new(), Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read the keys file {shown}")),
    };
    let new = edit(&text, &keys)?;
    keys::parse(&new).map_err(|reason| anyhow!("the keys file {shown} would not be valid: it {reason}"))?;
    let temporary = file.with_extension("new");
    // A former call may have been cut off.
    let removed = std::fs::remove_file(&temporary).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) });
    let written = removed.and_then(|()| new_file::write_private(&temporary, &new)).and_then(|()| std::fs::rename(&temporary, file));
    written.and_then(|()| lock.sync_all()).with_context(|| format!("cannot write the keys file {shown}"))
}

/// Returns the text without the table of this key; all other lines stay as they are. Returns `None` if it finds not exactly one such table.
fn without(text: &str, name: &str) -> Option<String> {
    let mut blocks: Vec<String> = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("[[") {
            blocks.push(String::new());
        }
        blocks.last_mut()?.push_str(line);
    }
    let is_it = |block: &String| keys::parse(block).is_ok_and(|keys| keys.iter().any(|key| key.name == name));
    let before = blocks.len();
    blocks.retain(|block| !is_it(block));
    (blocks.len() + 1 == before).then(|| blocks.concat())
}

#[cfg(test)]
mod tests;
