//! `postdate use-case list [NAME]`: lists use cases of a server or a store, or the versions of one.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use postdate_core::ports::{VersionDetails, VersionInfo};
use postdate_core::time::rfc3339;
use postdate_store::{AnyObjects, StoreError, StoreLocation, Versions};
use serde::Serialize;
use serde_json::Value;

use super::arguments::{open, store};
use crate::client::{Client, Connection, HttpCall};
use crate::output::{columns, indented, json_line, out, printable, size_text, text_of};

#[derive(Debug, Args)]
pub struct List {
    /// Use case whose versions to list
    name: Option<String>,

    #[arg(
        long = "store",
        env = "POSTDATE_STORE",
        value_name = "STORE",
        value_parser = store,
        help = "Store with the versions: s3://bucket/prefix, or a directory; without it, the server's API is asked"
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
            let answer = Client::new(connection)?.call(HttpCall { path: &["use-cases", name, "versions"], ..HttpCall::default() }).await?;
            out(&if arguments.json { format!("{}\n", answer.text) } else { server_versions_text(&answer.json) });
        }
        (Some(location), None) => {
            let all = use_cases(&open(location).await?).await?;
            out(&if arguments.json { json_line(&all)? } else { use_cases_text(&all) });
        }
        (Some(location), Some(name)) => {
            let all = open(location).await?.list(name).await?.versions;
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

const VERSIONS_HEAD: [&str; 7] = ["", "VERSION", "PUSHED", "BY", "SIZE", "SIGNED BY", "COMPILED FOR"];

/// Returns the versions of a use case as a table.
fn versions_text(listed: &[VersionInfo]) -> String {
    let mut rows = vec![VERSIONS_HEAD.map(str::to_owned).to_vec()];
    for VersionInfo { version, is_current, details, .. } in listed {
        let mut row = vec![if *is_current { "*" } else { "" }.to_owned(), version.clone()];
        match details {
            VersionDetails::Pushed { pushed_at, pushed_by, bytes, signed_by, compiled_for, .. } => row.extend([
                rfc3339(*pushed_at),
                printable(pushed_by),
                size_text(*bytes),
                printable(&signed_by.join(" ")),
                printable(&compiled_for.join(" ")),
            ]),
            VersionDetails::Unusable { error } => row.push(printable(error)),
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

/// Returns the answer of `GET /use-cases/{name}/versions` as a table.
fn server_versions_text(document: &Value) -> String {
    let mut rows = vec![VERSIONS_HEAD.map(str::to_owned).to_vec()];
    let all = document["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.extend(all.iter().map(|version| {
        let list = |member: &str| version[member].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
        let mut row = vec![if version["serves"] == true { "*" } else { "" }.to_owned(), text_of(version, "version")];
        if version["error"].is_null() {
            let size = version["bytes"].as_u64().map(size_text).unwrap_or_default();
            row.extend([text_of(version, "pushedAt"), text_of(version, "pushedBy"), size]);
            row.extend(["signedBy", "compiledFor"].map(|member| printable(&list(member))));
        } else {
            row.push(text_of(version, "error"));
        }
        row
    }));
    let mut text = columns(&rows, "");
    text += if all.iter().any(|version| version["serves"] == true) { "* serves\n" } else { "none serves\n" };
    if let Some(more) = document["more"].as_u64() {
        let _ = writeln!(text, "and {more} older ones");
    }
    if !document["fixed"].is_null() {
        let _ = writeln!(text, "The server cannot go back to one of them: {}.", text_of(document, "fixed"));
    }
    text
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
