//! Reads which versions the requests of a deployment need: those that open requests are pinned to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, bail};
use aws_sdk_dynamodb::types::AttributeValue;
use postdate_core::bundle::is_version;
use postdate_core::request::Status;
use postdate_core::use_case::is_use_case_name;

use crate::client::{Client, HttpCall};
use crate::output::printable;

/// Requests with one of these may still run: a failed one may be retried.
const OPEN: [Status; 3] = [Status::Scheduled, Status::Running, Status::Failed];
/// Requests per page of the API's list.
const PAGE_LIMIT: &str = "500";
/// Parts of a table that are read at the same time.
const SEGMENTS: i32 = 8;

pub const CANNOT_READ: &str = "cannot read which versions requests need: name a server with --url, or a table with --table";

/// Returns the versions that open requests on a server are pinned to. Notices are not among them, since the API does not list them.
pub async fn on_server(client: &Client, name: &str) -> anyhow::Result<BTreeSet<String>> {
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

/// Returns the versions that open requests in a table are pinned to, by use case. Reads the whole table, and not an index: notices are in
/// no list, and an index may lag behind the table.
pub async fn in_table(table: &str) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let client = crate::aws::dynamodb().await?;
    let mut parts = tokio::task::JoinSet::new();
    for segment in 0..SEGMENTS {
        parts.spawn(in_segment(client.clone(), table.to_owned(), segment));
    }
    let mut needed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while let Some(part) = parts.join_next().await {
        for (name, version) in part?? {
            needed.entry(name).or_default().insert(version);
        }
    }
    Ok(needed)
}

async fn in_segment(client: aws_sdk_dynamodb::Client, table: String, segment: i32) -> anyhow::Result<BTreeSet<(String, String)>> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let statuses: Vec<String> = (0..OPEN.len()).map(|n| format!(":s{n}")).collect();
    let mut values: HashMap<String, AttributeValue> = statuses.iter().cloned().zip(OPEN.map(|status| text(status.as_str()))).collect();
    values.insert(":head".to_owned(), text("request"));
    let call = client.scan().table_name(&table).segment(segment).total_segments(SEGMENTS).consistent_read(true);
    let call = call.filter_expression(format!("sk = :head AND #status IN ({})", statuses.join(", ")));
    let call = call.expression_attribute_names("#status", "status").projection_expression("use_case, version");
    let mut pages = call.set_expression_attribute_values(Some(values)).into_paginator().send();
    let mut needed = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page = page
            .map_err(|error| anyhow::anyhow!("cannot read the table {table}: {}", aws_sdk_dynamodb::error::DisplayErrorContext(error)))?;
        for item in page.items() {
            let value = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            let (name, version) = (value("use_case"), value("version"));
            if !is_use_case_name(&name) || !is_version(&version) {
                bail!("a request in the table {table} names no version of a use case: {:?} {:?}", printable(&name), printable(&version));
            }
            needed.insert((name, version));
        }
    }
    Ok(needed)
}
