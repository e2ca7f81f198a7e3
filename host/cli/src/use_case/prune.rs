//! `postdate use-case prune NAME`: deletes versions that do not serve, have not served for a while, and that no request needs.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use postdate_core::time::rfc3339;
use postdate_store::{Idle, MARKED_FOR, Pruned, Statement, StoreLocation};
use serde_json::json;

use super::arguments::StoreArgument;
use super::pinned::{self, CANNOT_READ};
use crate::client::{Client, Connection, HttpCall};
use crate::output::{columns, json_line, out, size_text};
use crate::when;

/// Longer than a host keeps an old version loaded and a list lags behind the ledger, which is seconds.
const MIN_AGE: Duration = Duration::from_mins(5);

pub const NOTES: &str = "\
A request is pinned to the version that validated it. `prune` keeps each version that a scheduled,
running, failed or expired request is pinned to. It reads these requests from the server (--url,
--api-key), or from the DynamoDB table of a deployment on AWS (--table). A server does not list
notices ([on]) of requests that have ended, which need their version until they are delivered; the
table has them.

A version is deleted in two steps: `prune` marks it, and a `prune` a day or more later deletes it, if
it is still not needed. A push of the same files, or a rollback to it, clears the mark.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Prune {
    /// Name of the use case
    name: String,
    #[command(flatten)]
    store: StoreArgument,

    /// DynamoDB table of the deployment, instead of a server
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,

    /// Number of the newest versions to keep, beside the current one
    #[arg(long, value_name = "N", default_value_t = 5)]
    keep: usize,

    /// Keep versions that were pushed, or served, within this time
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = when::duration)]
    older_than: Duration,

    /// Also delete the files of interrupted pushes
    #[arg(long)]
    unfinished: bool,

    /// List the versions that would be marked or deleted, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Print a JSON array of the versions
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Prune, connection: &Connection) -> anyhow::Result<ExitCode> {
    let name = &arguments.name;
    if arguments.older_than < MIN_AGE {
        bail!(
            "--older-than must be at least {} s: a host may still accept requests with an old version that it has loaded",
            MIN_AGE.as_secs()
        );
    }
    if matches!(arguments.store.location, StoreLocation::S3 { .. }) && arguments.table.is_none() {
        bail!("name the table of the deployment that serves from this bucket: --table");
    }
    let store = arguments.store.open().await?;
    let (needed, served) = if let Some(table) = &arguments.table {
        (pinned::in_table(table, name, store.versions(name).await?).await?, None)
    } else {
        let client = Client::new(connection)?;
        let served = served_by(&client, name).await?;
        (pinned::on_server(&client, name).await?, served)
    };
    let kept: BTreeSet<String> = needed.iter().cloned().chain(served).collect();
    let now = chrono::Utc::now();
    let mut idle = store.idle(name, now - arguments.older_than, arguments.keep, &kept).await?;
    idle.retain(|idle| arguments.unfinished || idle.statement.is_some());
    let current = store.current_if_any(name).await?;
    let beside = store.versions(name).await?.len().saturating_sub(usize::from(current.is_some()));
    if !arguments.dry_run {
        store.keep_all_but(name, &idle).await?;
    }
    let (mut rows, mut documents, mut deleted) = (Vec::new(), Vec::new(), 0);
    for version in &idle {
        let pruned = if arguments.dry_run { planned(version, now) } else { store.prune(name, version, now).await? };
        deleted += usize::from(pruned == Pruned::Deleted);
        let statement = version.statement.as_ref();
        documents.push(json!({
            "version": version.version,
            "deleted": pruned == Pruned::Deleted,
            "deletedFrom": match pruned {
                Pruned::Marked { since } => Some(rfc3339(since + MARKED_FOR)),
                Pruned::Deleted => None,
            },
            "pushedAt": statement.map(|statement| rfc3339(statement.pushed_at)),
            "bytes": statement.map(Statement::bytes),
            "dryRun": arguments.dry_run,
        }));
        let done = match (pruned, arguments.dry_run) {
            (Pruned::Deleted, true) => "would be deleted".to_owned(),
            (Pruned::Deleted, false) => "deleted".to_owned(),
            (Pruned::Marked { .. }, true) if version.marked.is_none() => "would be marked".to_owned(),
            (Pruned::Marked { since }, _) => format!("marked, to be deleted from {}", rfc3339(since + MARKED_FOR)),
        };
        let pushed = statement.map(|statement| (rfc3339(statement.pushed_at), size_text(statement.bytes())));
        let (pushed, size) = pushed.unwrap_or_default();
        rows.push(vec![done, version.version.clone(), pushed, size]);
    }
    if arguments.json {
        out(&json_line(&documents)?);
        return Ok(ExitCode::SUCCESS);
    }
    out(&columns(&rows, ""));
    out(&format!(
        "{deleted} deleted and {} marked of the {beside} versions of {name} beside the current one; requests need {} versions\n",
        rows.len() - deleted,
        needed.len()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Returns the result that [`Versions::prune`](postdate_store::Versions::prune) would have.
fn planned(idle: &Idle, now: chrono::DateTime<chrono::Utc>) -> Pruned {
    if idle.is_ripe(now) { Pruned::Deleted } else { Pruned::Marked { since: idle.marked.unwrap_or(now) } }
}

/// Returns the version that a server serves, if any. Fails if the server does not know the use case.
async fn served_by(client: &Client, name: &str) -> anyhow::Result<Option<String>> {
    let use_cases = client.call(HttpCall { path: &["use-cases"], ..HttpCall::default() }).await;
    let use_cases = use_cases.context(CANNOT_READ)?.json;
    let mut all = use_cases["useCases"].as_array().into_iter().flatten();
    let Some(served) = all.find(|use_case| use_case["name"] == name) else {
        bail!("the server has no use case {name}, so it does not serve from this store: name the server that does with --url");
    };
    Ok(served["version"].as_str().map(str::to_owned))
}
