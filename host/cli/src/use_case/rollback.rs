//! `postdate use-case rollback NAME [VERSION]`: makes a former version the current one.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use postdate_core::use_case::MANIFEST_FILE;

use super::arguments::{ByArgument, StoreArgument, StoreLocation};
use crate::client::{Client, Connection, HttpCall};
use crate::output::{out, printable};

/// How long a server may take to serve a version of its store. It looks twice a second; machine code is usually in its cache.
const SERVES_WITHIN: Duration = Duration::from_secs(5);
const ASK_EACH: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub struct Rollback {
    /// Name of the use case
    name: String,
    /// Version to go back to [default: the one that served before]
    version: Option<String>,
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    by: ByArgument,
}

pub async fn run(arguments: Rollback, connection: &Connection) -> anyhow::Result<ExitCode> {
    let Rollback { name, version, store, by } = arguments;
    let moved = store.open().await?.roll_back(&name, version.as_deref(), by.now()).await?;
    let from = moved.from.unwrap_or_default();
    out(&if from == moved.to {
        format!("version {from} of {name} is current in the store already\n")
    } else {
        format!("version {} of {name} is current in the store again, instead of {from}\n", moved.to)
    });
    if let StoreLocation::Directory(root) = &store.location {
        out(&serving(root, &name, &moved.to, connection).await);
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns a line about the version that really serves: a server prefers a plain bundle to every store.
async fn serving(root: &Path, name: &str, version: &str, connection: &Connection) -> String {
    let plain = root.join(name);
    if plain.join(MANIFEST_FILE).exists() {
        return format!("{} is a plain bundle, which a server prefers to this version: change or remove it there\n", plain.display());
    }
    // A server keeps its ledger beside its store. Another directory may belong to any server, or to none.
    if !root.join("../ledger.sqlite").exists() {
        return String::new();
    }
    let url = &connection.url;
    match served(name, version, connection).await {
        Some(found) if found == version => format!("{url} serves it\n"),
        Some(found) => format!(
            "{url} serves version {}: its directory of use cases (--use-cases) has {name}, which it prefers to its store, or it is still loading\n",
            printable(&found)
        ),
        None => {
            format!("no server answers at {url}; unless its directory of use cases (--use-cases) has {name}, it will serve this version\n")
        }
    }
}

/// Waits until the server serves the version, for [`SERVES_WITHIN`] at most. Returns the version that it serves; `None` if it does not
/// answer.
async fn served(name: &str, version: &str, connection: &Connection) -> Option<String> {
    let client = Client::new(connection).ok()?;
    let until = Instant::now() + SERVES_WITHIN;
    loop {
        let answer = client.call(HttpCall { path: &["use-cases"], ..HttpCall::default() }).await.ok()?;
        let all = answer.json["useCases"].as_array()?;
        let found = all.iter().find(|use_case| use_case["name"] == name).and_then(|use_case| use_case["version"].as_str());
        if found == Some(version) || Instant::now() >= until {
            return Some(found.unwrap_or("none").to_owned());
        }
        tokio::time::sleep(ASK_EACH).await;
    }
}
