//! `postdate use-case list [NAME]`: of a server, or of a store.

use std::process::ExitCode;

use clap::Args;
use postdate_core::time::rfc3339;
use postdate_runtime::trust::Trust;
use postdate_store::{AnyObjects, StoreError, Versions};

use super::place::{self, Place};
use crate::output::{columns, out, printable};
use crate::plugin::size_text;
use crate::request::client::{Call, Client, Connection};
use crate::request::show;

#[derive(Debug, Args)]
pub struct List {
    /// Of this use case, every version in the store
    name: Option<String>,

    #[arg(long = "store", env = "POSTDATE_STORE", value_name = "STORE", value_parser = place::store, help = "Where the versions are: s3://bucket/prefix, or a directory; without it, the server is asked for what it serves")]
    place: Option<Place>,

    /// Print the API's answer as it came
    #[arg(long, conflicts_with = "place")]
    json: bool,
}

pub async fn run(arguments: List, connection: &Connection) -> anyhow::Result<ExitCode> {
    match (&arguments.place, &arguments.name) {
        (None, None) => {
            let answer = Client::new(connection)?.call(Call { path: &["use-cases"], ..Call::default() }).await?;
            out(&if arguments.json { format!("{}\n", answer.text) } else { show::use_cases(&answer.json) });
        }
        (None, Some(name)) => {
            anyhow::bail!("the versions of {name} are in a store: name it with --store, such as s3://bucket/prefix or .postdate/store")
        }
        (Some(place), None) => out(&use_cases(&super::open(place).await?).await?),
        (Some(place), Some(name)) => out(&versions(&super::open(place).await?, name).await?),
    }
    Ok(ExitCode::SUCCESS)
}

async fn use_cases(store: &Versions<AnyObjects>) -> anyhow::Result<String> {
    let mut rows = vec![["USE CASE", "CURRENT", "SINCE", "BY", "VERSIONS"].map(str::to_owned).to_vec()];
    for name in store.names().await? {
        let versions = store.versions(&name).await?.len().to_string();
        let (version, since, by) = match store.current(&name).await {
            Ok((current, _)) => (current.version, current.since.map(rfc3339).unwrap_or_default(), current.by),
            Err(StoreError::NoSuchUseCase(_)) => ("none".to_owned(), String::new(), String::new()),
            Err(error) => return Err(error.into()),
        };
        rows.push(vec![name, version, since, printable(&by), versions]);
    }
    Ok(if rows.len() == 1 { "there are no use cases in the store\n".to_owned() } else { columns(&rows, "") })
}

/// The newest first.
async fn versions(store: &Versions<AnyObjects>, name: &str) -> anyhow::Result<String> {
    let (current, _) = store.current(name).await?;
    let mut listed = Vec::new();
    for version in store.versions(name).await? {
        match store.statement(name, &version, &Trust::default()).await {
            Ok((statement, envelope)) => listed.push((version, Ok((statement, envelope)))),
            // Being pushed at this moment, or a push that was cut off.
            Err(StoreError::NoSuchVersion { .. }) => {}
            Err(error) => listed.push((version, Err(error.to_string()))),
        }
    }
    listed.sort_by_key(|(_, read)| std::cmp::Reverse(read.as_ref().ok().map(|(statement, _)| statement.pushed_at)));
    let mut rows = vec![["", "VERSION", "PUSHED", "BY", "SIZE", "SIGNED BY", "COMPILED FOR"].map(str::to_owned).to_vec()];
    for (version, read) in listed {
        let mark = if version == current.version { "*" } else { "" }.to_owned();
        rows.push(match read {
            Ok((statement, envelope)) => {
                let machines = store.compiled_for(name, &version).await?.join(" ");
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
    Ok(columns(&rows, "") + "* serves\n")
}
