//! `postdate use-case list [NAME]`: lists use cases of a server or a store, or the versions of one in a store.

use std::fmt::Write as _;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Args;
use postdate_core::time::rfc3339;
use postdate_runtime::trust::Trust;
use postdate_store::{AnyObjects, StoreError, Versions};
use serde::Serialize;
use serde_json::Value;

use super::arguments::{StoreLocation, store};
use crate::client::{Client, Connection, HttpCall};
use crate::output::{columns, indented, json_line, out, printable, size_text, text_of};

#[derive(Debug, Args)]
pub struct List {
    /// Use case whose versions to list, from the store
    name: Option<String>,

    #[arg(
        long = "store",
        env = "POSTDATE_STORE",
        value_name = "STORE",
        value_parser = store,
        help = "Store with the versions: s3://bucket/prefix, or a directory; without it, the server's API lists its use cases"
    )]
    location: Option<StoreLocation>,

    /// Print the API's answer unchanged; of a store, an array
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: List, connection: &Connection) -> anyhow::Result<ExitCode> {
    match (&arguments.location, &arguments.name) {
        (None, None) => {
            let answer = Client::new(connection)?.call(HttpCall { path: &["use-cases"], ..HttpCall::default() }).await?;
            out(&if arguments.json { format!("{}\n", answer.text) } else { served_text(&answer.json) });
        }
        (None, Some(name)) => {
            anyhow::bail!(
                "versions are listed from a store: name the store of {name} with --store, such as s3://bucket/prefix or .postdate/store"
            )
        }
        (Some(location), None) => {
            let all = use_cases(&location.open().await?).await?;
            out(&if arguments.json { json_line(&all)? } else { use_cases_text(&all) });
        }
        (Some(location), Some(name)) => {
            let all = versions(&location.open().await?, name).await?;
            out(&if arguments.json { json_line(&all)? } else { versions_text(&all) });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A use case of a store.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    /// The current version; `None` if there is none.
    version: Option<String>,
    since: Option<String>,
    by: String,
    /// Number of versions.
    versions: usize,
}

async fn use_cases(store: &Versions<AnyObjects>) -> anyhow::Result<Vec<Listed>> {
    let mut all = Vec::new();
    for name in store.names().await? {
        let versions = store.versions(&name).await?.len();
        let (version, since, by) = match store.current_if_any(&name).await {
            Ok(Some(current)) => (Some(current.version), current.since.map(rfc3339), current.by),
            Ok(None) | Err(StoreError::NoSuchUseCase(_)) => (None, None, String::new()),
            Err(error) => return Err(error.into()),
        };
        all.push(Listed { name, version, since, by, versions });
    }
    Ok(all)
}

/// Returns the use cases of a store as a table.
fn use_cases_text(all: &[Listed]) -> String {
    let mut rows = vec![["USE CASE", "CURRENT", "SINCE", "BY", "VERSIONS"].map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|Listed { name, version, since, by, versions }| {
        let version = version.clone().unwrap_or_else(|| "none".to_owned());
        vec![name.clone(), version, since.clone().unwrap_or_default(), printable(by), versions.to_string()]
    }));
    if all.is_empty() { "the store has no use cases\n".to_owned() } else { columns(&rows, "") }
}

/// A version of a use case in a store.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedVersion {
    version: String,
    is_current: bool,
    #[serde(flatten)]
    details: Details,
}

/// The content of a version's statement, or the reason why it cannot be used.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", untagged)]
enum Details {
    Pushed { pushed_at: DateTime<Utc>, pushed_by: String, bytes: u64, signed_by: Vec<String>, compiled_for: Vec<String> },
    Unusable { error: String },
}

/// Returns the versions of a use case, the newest first.
async fn versions(store: &Versions<AnyObjects>, name: &str) -> anyhow::Result<Vec<ListedVersion>> {
    let current = store.current_if_any(name).await?.map(|current| current.version);
    let mut listed = Vec::new();
    for version in store.versions(name).await? {
        let details = match store.statement(name, &version, &Trust::default()).await {
            Ok((statement, envelope)) => Details::Pushed {
                pushed_at: statement.pushed_at,
                bytes: statement.bytes(),
                pushed_by: statement.pushed_by,
                signed_by: envelope.signers(),
                compiled_for: store.precompiled_for(name, &version).await?,
            },
            // A push is in progress, or was interrupted.
            Err(StoreError::NoSuchVersion { .. }) => continue,
            Err(error) => Details::Unusable { error: error.to_string() },
        };
        listed.push(ListedVersion { is_current: Some(&version) == current.as_ref(), version, details });
    }
    listed.sort_by_key(|version| {
        std::cmp::Reverse(match version.details {
            Details::Pushed { pushed_at, .. } => Some(pushed_at),
            Details::Unusable { .. } => None,
        })
    });
    Ok(listed)
}

/// Returns the versions of a use case as a table.
fn versions_text(listed: &[ListedVersion]) -> String {
    let mut rows = vec![["", "VERSION", "PUSHED", "BY", "SIZE", "SIGNED BY", "COMPILED FOR"].map(str::to_owned).to_vec()];
    for ListedVersion { version, is_current, details } in listed {
        let mut row = vec![if *is_current { "*" } else { "" }.to_owned(), version.clone()];
        match details {
            Details::Pushed { pushed_at, pushed_by, bytes, signed_by, compiled_for } => row.extend([
                rfc3339(*pushed_at),
                printable(pushed_by),
                size_text(*bytes),
                printable(&signed_by.join(" ")),
                printable(&compiled_for.join(" ")),
            ]),
            Details::Unusable { error } => row.push(printable(error)),
        }
        rows.push(row);
    }
    let legend = if listed.iter().any(|version| version.is_current) {
        "* serves\n"
    } else {
        "none is current in this store: a server keeps copies of the plain bundles in its directory of use cases\n"
    };
    columns(&rows, "") + legend
}

/// Returns the answer of `GET /use-cases` as a table, and below it each version that does not serve.
fn served_text(document: &Value) -> String {
    let all = document["useCases"].as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        return "the server has no use cases: put a bundle into its directory of use cases, or push one with `postdate use-case push`\n"
            .to_owned();
    }
    let mut rows = vec![["NAME", "VERSION", "TARGETS", "DESCRIPTION"].map(str::to_owned).to_vec()];
    let mut notes = String::new();
    for use_case in all {
        let targets: Vec<&str> = use_case["targets"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let version = if use_case["version"].is_null() { "none".to_owned() } else { text_of(use_case, "version") };
        rows.push(vec![text_of(use_case, "name"), version, printable(&targets.join(", ")), text_of(use_case, "description")]);
        if !use_case["error"].is_null() {
            let _ = write!(
                notes,
                "\n{}: the newest version does not serve:\n{}",
                text_of(use_case, "name"),
                indented(&text_of(use_case, "error"), "  ")
            );
        }
        if let Some(since) = use_case["update"]["since"].as_str() {
            let (name, state) = (text_of(use_case, "name"), text_of(&use_case["update"], "state"));
            let _ = writeln!(notes, "\n{name}: the newest version is {state} since {}; new plugins are compiled first", printable(since));
        }
    }
    for use_case in all {
        let paused = pauses_text(&text_of(use_case, "name"), &use_case["paused"]);
        if !paused.is_empty() {
            let _ = write!(notes, "\n{paused}");
        }
    }
    columns(&rows, "") + &notes
}

/// Returns the pauses of a use case, as the API shows them, one a line.
pub fn pauses_text(name: &str, pauses: &Value) -> String {
    let name = printable(name);
    pauses.as_array().into_iter().flatten().fold(String::new(), |mut text, pause| {
        let part = |label: &str, member: &str| match text_of(pause, member) {
            value if value.is_empty() => value,
            value => format!(" {label} {value}"),
        };
        let target = if pause["target"].is_null() { String::new() } else { format!("target {} is ", text_of(pause, "target")) };
        let _ = writeln!(text, "{name}: {target}paused{}{}{}", part("since", "since"), part("until", "until"), part("by", "by"));
        text
    })
}

#[cfg(test)]
mod tests;
