//! Reads which versions the requests of a deployment need: those that open requests are pinned to.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use postdate_core::pin::{PIN_SHARDS, pin};
use postdate_core::request::Status;
use tokio::task::JoinSet;

use crate::client::Client;

/// Requests with one of these may still run: one that failed or expired may be retried.
const OPEN: [Status; 4] = [Status::Scheduled, Status::Running, Status::Failed, Status::Expired];
/// Requests per page of the API's list.
const PAGE_LIMIT: &str = "500";

pub const CANNOT_READ: &str = "cannot read which versions requests need: name a server with --url, or a table with --table";

/// Returns the versions that open requests on a server are pinned to. Notices are not among them, since the API does not list them.
pub async fn on_server(client: &Client, name: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut needed = BTreeSet::new();
    // Scheduled once more: a running request may have gone back to the queue after the first query.
    for status in OPEN.into_iter().chain([Status::Scheduled]) {
        let query = [("useCase", name.to_owned()), ("status", status.to_string()), ("limit", PAGE_LIMIT.to_owned())];
        let walked = client.each_page(&query, |page| {
            if let Some(owner) = page["onlyOwner"].as_str() {
                bail!("the API key sees the requests of {owner:?} only, and others may need old versions: use a key with --sees all");
            }
            for request in page["requests"].as_array().into_iter().flatten() {
                let version = request["version"].as_str().context("the server's list of requests has no versions")?;
                needed.insert(version.to_owned());
            }
            Ok(())
        });
        walked.await.context(CANNOT_READ)?;
    }
    Ok(needed)
}

/// Returns those of the versions that requests in a table may still need, notices included. Reads at most one request of each partition
/// of the index.
pub async fn in_table(table: &str, name: &str, versions: Vec<String>) -> anyhow::Result<BTreeSet<String>> {
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

#[cfg(test)]
mod tests;
