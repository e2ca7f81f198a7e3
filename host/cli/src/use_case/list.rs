//! `postdate use-case list [NAME]`: lists use cases of a server or a store, or the versions of one in a store.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use postdate_core::time::rfc3339;
use postdate_runtime::trust::Trust;
use postdate_store::{AnyObjects, StoreError, Versions};
use serde_json::Value;

use super::arguments::{StoreLocation, store};
use crate::client::{Client, Connection, HttpCall};
use crate::output::{columns, indented, out, printable, size_text, text_of};

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

    /// Print the API's answer unchanged
    #[arg(long, conflicts_with = "location")]
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
        (Some(location), None) => out(&use_cases(&location.open().await?).await?),
        (Some(location), Some(name)) => out(&versions(&location.open().await?, name).await?),
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the use cases of a store as a table.
async fn use_cases(store: &Versions<AnyObjects>) -> anyhow::Result<String> {
    let mut rows = vec![["USE CASE", "CURRENT", "SINCE", "BY", "VERSIONS"].map(str::to_owned).to_vec()];
    for name in store.names().await? {
        let versions = store.versions(&name).await?.len().to_string();
        let (version, since, by) = match store.current_if_any(&name).await {
            Ok(Some(current)) => (current.version, current.since.map(rfc3339).unwrap_or_default(), current.by),
            Ok(None) | Err(StoreError::NoSuchUseCase(_)) => ("none".to_owned(), String::new(), String::new()),
            Err(error) => return Err(error.into()),
        };
        rows.push(vec![name, version, since, printable(&by), versions]);
    }
    Ok(if rows.len() == 1 { "the store has no use cases\n".to_owned() } else { columns(&rows, "") })
}

/// Returns the versions of a use case as a table, the newest first.
async fn versions(store: &Versions<AnyObjects>, name: &str) -> anyhow::Result<String> {
    let current = store.current_if_any(name).await?.map(|current| current.version);
    let mut listed = Vec::new();
    for version in store.versions(name).await? {
        match store.statement(name, &version, &Trust::default()).await {
            Ok((statement, envelope)) => listed.push((version, Ok((statement, envelope)))),
            // A push is in progress, or was interrupted.
            Err(StoreError::NoSuchVersion { .. }) => {}
            Err(error) => listed.push((version, Err(error.to_string()))),
        }
    }
    listed.sort_by_key(|(_, read)| std::cmp::Reverse(read.as_ref().ok().map(|(statement, _)| statement.pushed_at)));
    let mut rows = vec![["", "VERSION", "PUSHED", "BY", "SIZE", "SIGNED BY", "COMPILED FOR"].map(str::to_owned).to_vec()];
    for (version, read) in listed {
        let mark = if Some(&version) == current.as_ref() { "*" } else { "" }.to_owned();
        rows.push(match read {
            Ok((statement, envelope)) => {
                let machines = store.precompiled_for(name, &version).await?.join(" ");
                let signers = envelope.signers().join(" ");
                vec![
                    mark,
                    version,
                    rfc3339(statement.pushed_at),
                    printable(&statement.pushed_by),
                    size_text(statement.bytes()),
                    printable(&signers),
                    printable(&machines),
                ]
            }
            Err(error) => vec![mark, version, printable(&error)],
        });
    }
    let legend = match current {
        Some(_) => "* serves\n",
        None => "none is current in this store: a server keeps copies of the plain bundles in its directory of use cases\n",
    };
    Ok(columns(&rows, "") + legend)
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
    columns(&rows, "") + &notes
}

#[cfg(test)]
mod tests;
