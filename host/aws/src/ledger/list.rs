//! Lists, the registry of use cases, and the janitor's queries.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use postdate_core::ports::LedgerError;
use postdate_core::request::{Page, Query, Request};

use super::item::{HEAD, SHARDS, list_key, time_part};
use super::store::{Item, key, read};
use super::{DynamoLedger, failed};
use crate::ports::{Backlog, Wake};

const REGISTRY: &str = "use-cases";
const JANITOR: &str = "janitor";
/// Attributes of a head that a list shows. The others may have 380 KB: the result, the history.
const LISTED: [&str; 18] = [
    "pk",
    "use_case",
    "version",
    "target",
    "status",
    "received_at",
    "trigger_at",
    "first_trigger_at",
    "due_at",
    "attempts",
    "lease_ms",
    "lease_until",
    "finished_at",
    "failure",
    "waits_for",
    "waits_since",
    "notice_of",
    "owner",
];
/// Rows that one query reads. A page may take several queries.
const ROWS_PER_QUERY: i32 = 200;

impl DynamoLedger {
    pub(super) async fn list_page(&self, query: &Query) -> Result<Page, LedgerError> {
        let mut names = match &query.use_case {
            Some(name) => vec![name.clone()],
            None => self.registered().await?,
        };
        names.retain(|name| query.within.as_ref().is_none_or(|within| within.contains(name)));
        let mut requests = Vec::new();
        for name in names {
            requests.extend(self.list_one(&name, query).await?);
            requests.sort_by_key(Request::place);
            // Keep one more than the page holds, to know whether there is a next page.
            requests.truncate(query.limit + 1);
        }
        let more = requests.len() > query.limit;
        requests.truncate(query.limit);
        let next = requests.last().filter(|_| more).map(Request::place);
        Ok(Page { requests, next })
    }

    /// Returns up to one request more than the limit; the extra one shows that there is a next page.
    async fn list_one(&self, use_case: &str, query: &Query) -> Result<Vec<Request>, LedgerError> {
        let from = query.from.map(time_part).unwrap_or_default();
        // With a space appended, the key sorts just after the cursor.
        let after = query.after.map(|after| format!("{} ", list_key(after))).unwrap_or_default();
        // Without the separator, the key sorts before every request at that time.
        let to = query.to.map_or_else(|| "~".to_owned(), |to| time_part(to).trim_end_matches('#').to_owned());
        let low = from.max(after).max("0".to_owned());
        if low > to {
            return Ok(Vec::new());
        }
        let mut values = HashMap::from([value(":use_case", use_case), value(":low", &low), value(":high", &to)]);
        let mut call = self.client.query().table_name(&*self.table).index_name("lists").limit(ROWS_PER_QUERY);
        call = call.key_condition_expression("use_case = :use_case AND #at BETWEEN :low AND :high").expression_attribute_names("#at", "at");
        let mut shown = Vec::new();
        for attribute in LISTED {
            call = call.expression_attribute_names(format!("#{attribute}"), attribute);
            shown.push(format!("#{attribute}"));
        }
        call = call.projection_expression(shown.join(", "));
        let mut filters = Vec::new();
        if let Some(status) = query.status {
            filters.push("#status = :status");
            values.extend([value(":status", status.as_str())]);
        }
        if let Some(owner) = &query.owner {
            filters.push("#owner = :owner");
            values.extend([value(":owner", owner)]);
        }
        if !filters.is_empty() {
            call = call.filter_expression(filters.join(" AND "));
        }
        call = call.set_expression_attribute_values(Some(values));
        let mut found = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let answer = call.clone().set_exclusive_start_key(start).send().await.map_err(|error| failed(&error))?;
            for item in answer.items.unwrap_or_default() {
                found.push(read(item)?.request()?.listed());
            }
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if found.len() > query.limit || start.is_none() {
                found.truncate(query.limit + 1);
                return Ok(found);
            }
        }
    }

    /// Returns the use cases that have requests in the ledger.
    pub(super) async fn registered(&self) -> Result<Vec<String>, LedgerError> {
        let item = self.get(REGISTRY, REGISTRY).await?.unwrap_or_default();
        let names: Vec<String> = item.get("names").and_then(|names| names.as_ss().ok()).cloned().unwrap_or_default();
        self.memory().use_cases.extend(names.iter().cloned());
        Ok(names)
    }

    /// Adds a use case to the registry, in which lists of all use cases find it. A process does this once for each use case.
    pub(super) async fn register(&self, use_case: &str) -> Result<(), LedgerError> {
        if self.memory().use_cases.contains(use_case) {
            return Ok(());
        }
        let call = self.client.update_item().table_name(&*self.table).set_key(Some(key(REGISTRY, REGISTRY)));
        let call = call.update_expression("ADD #names :name").expression_attribute_names("#names", "names");
        let call = call.expression_attribute_values(":name", AttributeValue::Ss(vec![use_case.to_owned()]));
        call.send().await.map_err(|error| failed(&error))?;
        self.memory().use_cases.insert(use_case.to_owned());
        Ok(())
    }
}

impl Backlog for DynamoLedger {
    async fn overdue(&self, before: DateTime<Utc>, after: Option<Wake>, limit: usize) -> Result<Vec<Wake>, LedgerError> {
        let mut found: Vec<Wake> = Vec::new();
        let first = after.map_or(0, |after| after.at.timestamp_millis());
        for shard in SHARDS {
            let call = self.client.query().table_name(&*self.table).index_name("open").limit(i32::try_from(limit).unwrap_or(i32::MAX));
            let call = call.key_condition_expression("#open = :open AND wake BETWEEN :first AND :last");
            let call = call.expression_attribute_names("#open", "open");
            let call = call.expression_attribute_values(":first", AttributeValue::N(first.to_string()));
            let call = call.expression_attribute_values(":open", AttributeValue::S(shard.to_owned()));
            let call = call.expression_attribute_values(":last", AttributeValue::N((before.timestamp_millis() - 1).to_string()));
            for item in call.send().await.map_err(|error| failed(&error))?.items.unwrap_or_default() {
                let id = item.get("pk").and_then(|pk| pk.as_s().ok()).and_then(|pk| pk.parse().ok());
                let wake = item.get("wake").and_then(|wake| wake.as_n().ok()).and_then(|wake| wake.parse().ok());
                let at = wake.and_then(DateTime::from_timestamp_millis);
                found.extend(at.zip(id).map(|(at, id)| Wake { at, id }));
            }
        }
        found.sort_unstable();
        found.retain(|wake| after.is_none_or(|after| *wake > after));
        found.truncate(limit);
        Ok(found)
    }

    async fn postpone_wake(&self, seen: Wake, to: DateTime<Utc>) -> Result<bool, LedgerError> {
        let number = |at: DateTime<Utc>| AttributeValue::N(at.timestamp_millis().to_string());
        let call = self.client.update_item().table_name(&*self.table).set_key(Some(key(&seen.id.to_string(), HEAD)));
        let call = call.update_expression("SET wake = :to").condition_expression("wake = :seen");
        let call = call.expression_attribute_values(":to", number(to)).expression_attribute_values(":seen", number(seen.at));
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn cursor(&self) -> Result<String, LedgerError> {
        let item = self.get(JANITOR, JANITOR).await?.unwrap_or_default();
        Ok(item.get("cursor").and_then(|cursor| cursor.as_s().ok()).cloned().unwrap_or_default())
    }

    async fn set_cursor(&self, cursor: &str) -> Result<(), LedgerError> {
        let mut item = key(JANITOR, JANITOR);
        item.extend([value("cursor", cursor)]);
        self.client.put_item().table_name(&*self.table).set_item(Some(item)).send().await.map_err(|error| failed(&error))?;
        Ok(())
    }
}

fn value(name: &str, value: &str) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(value.to_owned()))
}
