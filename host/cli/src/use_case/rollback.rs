//! `postdate use-case rollback NAME [VERSION]`: makes a former version the current one, in a store or by a server's API.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use postdate_core::use_case::MANIFEST_FILE;
use postdate_store::StoreLocation;
use reqwest::Method;
use serde_json::{Value, json};

use super::arguments::{ByArgument, open, store};
use crate::client::{Answer, Client, Connection, HttpCall};
use crate::output::{json_line, out, printable, progress, text_of};

/// How long a server may take to serve a version of its store. It looks twice a second; machine code is usually in its cache.
const SERVES_WITHIN: Duration = Duration::from_secs(5);
/// How long a server may take to load a version whose machine code is no longer in its cache.
const COMPILED_WITHIN: Duration = Duration::from_mins(10);
const ASK_EACH: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub struct Rollback {
    /// Name of the use case
    name: String,
    /// Version to go back to [default: the one that served before]
    version: Option<String>,
    #[arg(
        long = "store",
        env = "POSTDATE_STORE",
        value_name = "STORE",
        value_parser = store,
        help = "Store with the versions: s3://bucket/prefix, or a directory; without it, the server's API goes back"
    )]
    location: Option<StoreLocation>,
    #[command(flatten)]
    by: ByArgument,

    /// Print the API's answer unchanged; of a store, an object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Rollback, connection: &Connection) -> anyhow::Result<ExitCode> {
    let Rollback { name, version, location, by, json } = arguments;
    let Some(location) = location else {
        let answer = of_server(&name, version.as_deref(), connection).await?;
        out(&if json { answer.text + "\n" } else { text(&name, &answer.json) });
        return Ok(ExitCode::SUCCESS);
    };
    let moved = open(&location).await?.roll_back(&name, version.as_deref(), by.now()).await?;
    let from = moved.from.as_deref().unwrap_or_default();
    let done = if from == moved.to {
        format!("version {from} of {name} is current in the store already\n")
    } else {
        format!("version {} of {name} is current in the store again, instead of {from}\n", moved.to)
    };
    progress(json, &done);
    if let StoreLocation::Directory(root) = &location {
        progress(json, &serving(root, &name, &moved.to, connection).await);
    }
    if json {
        out(&json_line(&json!({ "useCase": name, "version": moved.to, "former": moved.from }))?);
    }
    Ok(ExitCode::SUCCESS)
}

/// Rolls back by the API. The server records the key's name as the author.
async fn of_server(name: &str, version: Option<&str>, connection: &Connection) -> anyhow::Result<Answer> {
    let body = version.map(|version| json!({ "version": version }).to_string());
    let path = &["use-cases", name, "rollback"];
    let call = HttpCall { method: Method::POST, path, body, timeout: Some(COMPILED_WITHIN), ..HttpCall::default() };
    Client::new(connection)?.call(call).await
}

/// Returns the server's answer for the terminal.
fn text(name: &str, answer: &Value) -> String {
    let (to, from) = (text_of(answer, "version"), text_of(answer, "former"));
    if from == to {
        format!("version {to} of {name} is current already\n")
    } else {
        format!("version {to} of {name} serves again, instead of {from}\n")
    }
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
