//! `postdate use-case prune NAME`: deletes versions that do not serve, have not served for a while, and that no request needs.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use clap::Args;
use postdate_core::pin::{PIN_SHARDS, pin};
use postdate_core::request::Status;
use postdate_core::time::rfc3339;
use tokio::task::JoinSet;

use super::arguments::{StoreArgument, StoreLocation};
use crate::client::{Client, Connection, HttpCall};
use crate::output::{columns, out, size_text};
use crate::when;

/// Requests with one of these may still run: a failed one may be retried.
const OPEN: [Status; 3] = [Status::Scheduled, Status::Running, Status::Failed];
/// Requests per page of the API's list.
const PAGE_LIMIT: &str = "500";
/// Longer than a host keeps an old version loaded and a list lags behind the ledger, which is seconds.
const MIN_AGE: Duration = Duration::from_mins(5);

const CANNOT_READ: &str = "cannot read which versions requests need: name a server with --url, or a table with --table";

const NOTES: &str = "\
A request is pinned to the version that validated it. `prune` keeps each version that a scheduled,
running or failed request is pinned to. It reads these requests from the server (--url, --api-key),
or from the DynamoDB table of a deployment on AWS (--table). A server does not list notices ([on]) of
requests that have ended, which need their version until they are delivered; the table has them.";

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

    /// Also delete the files of interrupted pushes; use it only while nobody pushes
    #[arg(long)]
    unfinished: bool,

    /// List the versions that would be deleted, and delete none
    #[arg(long)]
    dry_run: bool,
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
        (needed_in_table(table, name, store.versions(name).await?).await?, None)
    } else {
        let client = Client::new(connection)?;
        let served = served_by(&client, name).await?;
        (needed_on_server(&client, name).await?, served)
    };
    let kept: BTreeSet<String> = needed.iter().cloned().chain(served).collect();
    let before = chrono::Utc::now() - arguments.older_than;
    let idle = store.idle(name, before, arguments.keep, &kept).await?;
    let beside = store.versions(name).await?.len().saturating_sub(1);
    let mut rows = Vec::new();
    for version in idle.into_iter().filter(|idle| arguments.unfinished || idle.statement.is_some()) {
        let (pushed, size) =
            version.statement.map(|statement| (rfc3339(statement.pushed_at), size_text(statement.bytes()))).unwrap_or_default();
        if !arguments.dry_run {
            store.delete(name, &version.version).await?;
        }
        let done = if arguments.dry_run { "would be deleted" } else { "deleted" };
        rows.push(vec![done.to_owned(), version.version, pushed, size]);
    }
    out(&columns(&rows, ""));
    out(&format!("{} of the {} versions of {name} beside the current one; requests need {} versions\n", rows.len(), beside, needed.len()));
    Ok(ExitCode::SUCCESS)
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

/// Returns the versions that open requests on a server are pinned to.
async fn needed_on_server(client: &Client, name: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut needed = BTreeSet::new();
    // Scheduled once more: a running request may have gone back to the queue after the first query.
    for status in OPEN.into_iter().chain([Status::Scheduled]) {
        let mut cursor: Option<String> = None;
        loop {
            let mut query = vec![("useCase", name.to_owned()), ("status", status.to_string()), ("limit", PAGE_LIMIT.to_owned())];
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let answer = client.call(HttpCall { path: &["requests"], query: &query, ..HttpCall::default() }).await;
            let page = answer.context(CANNOT_READ)?.json;
            if let Some(owner) = page["onlyOwner"].as_str() {
                bail!("the API key sees the requests of {owner:?} only, and others may need old versions: use a key with --sees all");
            }
            for request in page["requests"].as_array().into_iter().flatten() {
                let version = request["version"].as_str().context("the server's list of requests has no versions")?;
                needed.insert(version.to_owned());
            }
            match page["nextCursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
    }
    Ok(needed)
}

/// Returns those of the versions that requests in a table are pinned to. Reads at most one request of each partition of the index.
async fn needed_in_table(table: &str, name: &str, versions: Vec<String>) -> anyhow::Result<BTreeSet<String>> {
    let call = crate::aws::dynamodb().await?.query().table_name(table).index_name("pinned").limit(1).select(Select::Count);
    let call = call.key_condition_expression("pin = :pin");
    let mut needed = BTreeSet::new();
    for version in versions {
        let mut queries = JoinSet::new();
        for shard in 0..PIN_SHARDS {
            let pin = AttributeValue::S(pin(name, &version, shard));
            queries.spawn(call.clone().expression_attribute_values(":pin", pin).send());
        }
        while let Some(answer) = queries.join_next().await {
            let answer = answer?.map_err(|error| {
                anyhow::anyhow!("cannot read the table {table}: {}", aws_sdk_dynamodb::error::DisplayErrorContext(error))
            })?;
            if answer.count() > 0 {
                needed.insert(version);
                break;
            }
        }
    }
    Ok(needed)
}
