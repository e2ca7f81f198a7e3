//! `postdate use-case prune NAME`: a version goes only if it does not serve, has not for a while, and no request needs it.

use std::collections::{BTreeSet, HashMap};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args;
use postdate_core::request::Status;
use postdate_core::time::rfc3339;

use super::StoreArgument;
use crate::output::{columns, out, printable};
use crate::plugin::size_text;
use crate::request::client::{Call, Client, Connection};
use crate::when;

/// Requests of these may still run: one that failed may be retried.
const OPEN: [Status; 3] = [Status::Scheduled, Status::Running, Status::Failed];
/// Requests that one call asks for.
const A_PAGE: &str = "500";
/// Hosts take a new version within seconds, and what they have accepted until then is in the lists a moment later.
const LEAST_AGE: Duration = Duration::from_mins(5);

const NOTES: &str = "\
Requests are pinned to the version that validated them, so those that are scheduled, running or
failed are asked for: at the server (--url, --api-key), or in the DynamoDB table of a deployment
on AWS (--table). Not asked for are notices ([on]) of requests that have ended: they need their
version until they are delivered. With --dry-run, what would be deleted is listed.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Prune {
    name: String,
    #[command(flatten)]
    store: StoreArgument,

    /// DynamoDB table of the deployment, in place of a server
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,

    /// Versions beside the one that serves that are kept in any case, the newest
    #[arg(long, value_name = "N", default_value_t = 5)]
    keep: usize,

    /// Keep what was pushed, or served, within this time
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = when::duration)]
    older_than: Duration,

    /// Also delete what pushes that were cut off have left: only while nobody pushes
    #[arg(long)]
    unfinished: bool,

    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(arguments: Prune, connection: &Connection) -> anyhow::Result<ExitCode> {
    let name = &arguments.name;
    if arguments.older_than < LEAST_AGE {
        bail!(
            "--older-than must be {} s at the least: hosts may still accept requests with a version that they have loaded",
            LEAST_AGE.as_secs()
        );
    }
    if arguments.store.is_bucket() && arguments.table.is_none() {
        bail!("name the table of the deployment that serves from this bucket: --table");
    }
    let store = arguments.store.open().await?;
    let (needed, served) = if let Some(table) = &arguments.table {
        (needed_in_table(table, name).await?, None)
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
    out(&format!("{} of the {} other versions of {name}; {} are needed by requests\n", rows.len(), beside, needed.len()));
    Ok(ExitCode::SUCCESS)
}

/// The version that a server serves, if any; the server must know the use case.
async fn served_by(client: &Client, name: &str) -> anyhow::Result<Option<String>> {
    let use_cases = client.call(Call { path: &["use-cases"], ..Call::default() }).await;
    let use_cases = use_cases.context("cannot ask which versions are needed: name a server with --url, or a table with --table")?.json;
    let mut all = use_cases["useCases"].as_array().into_iter().flatten();
    let Some(served) = all.find(|use_case| use_case["name"] == name) else {
        bail!("the server that was asked has no use case {name}, so it is not the one that serves from this store: name it with --url");
    };
    Ok(served["version"].as_str().map(str::to_owned))
}

async fn needed_on_server(client: &Client, name: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut needed = BTreeSet::new();
    // The first once more, for a request that went back to it meanwhile.
    for status in OPEN.into_iter().chain([Status::Scheduled]) {
        let mut cursor: Option<String> = None;
        loop {
            let mut query = vec![("useCase", name.to_owned()), ("status", status.to_string()), ("limit", A_PAGE.to_owned())];
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let answer = client.call(Call { path: &["requests"], query: &query, ..Call::default() }).await;
            let page = answer.context("cannot ask which versions are needed: name a server with --url, or a table with --table")?.json;
            for request in page["requests"].as_array().into_iter().flatten() {
                let version = request["version"].as_str().context("the server does not say which version a request is pinned to")?;
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

async fn needed_in_table(table: &str, name: &str) -> anyhow::Result<BTreeSet<String>> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let mut values = HashMap::from([(":use_case".to_owned(), text(name))]);
    let statuses: Vec<String> = OPEN.iter().enumerate().map(|(n, _)| format!(":s{n}")).collect();
    values.extend(statuses.iter().cloned().zip(OPEN.map(|status| text(status.as_str()))));
    let call = crate::aws::dynamodb().await?.query().table_name(table).index_name("lists");
    let call = call.key_condition_expression("use_case = :use_case").filter_expression(format!("#status IN ({})", statuses.join(", ")));
    let call = call.expression_attribute_names("#status", "status").projection_expression("version");
    let mut pages = call.set_expression_attribute_values(Some(values)).into_paginator().send();
    let mut needed = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page =
            page.map_err(|error| anyhow::anyhow!("cannot ask the table {table}: {}", aws_sdk_dynamodb::error::DisplayErrorContext(error)))?;
        for item in page.items() {
            let version = item.get("version").and_then(|version| version.as_s().ok());
            needed.insert(printable(version.context("an item of the table has no version")?));
        }
    }
    Ok(needed)
}
