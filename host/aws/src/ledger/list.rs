//! Lists, and the registry of use cases. Lists by label are in `labels`.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::ports::LedgerError;
use postdate_core::request::{Cursor, Order, Page, Query, Request, Status};

use super::lanes::{Lanes, Merged};
use super::table::{key, number, read};
use super::{DynamoLedger, failed, keys};

const REGISTRY: &str = "use-cases";

impl DynamoLedger {
    /// Reads one page. By trigger time, a page ends early, with a cursor, where it has read `rows_per_page` requests, most of which its
    /// filters dropped. No index has another order: such a page reads all requests that may be in the list, sorts those that are, and
    /// fails where it would read more than `rows_per_page`.
    pub(super) async fn list_page(&self, query: &Query) -> Result<Page, LedgerError> {
        if !query.labels.is_empty() {
            return self.labelled_page(query).await;
        }
        let mut names = match &query.use_case {
            Some(name) => vec![name.clone()],
            None => self.registered().await?,
        };
        names.retain(|name| query.within.as_ref().is_none_or(|within| within.contains(name)));
        let Some((low, high)) = self.window(query) else { return Ok(Page::default()) };
        let call = self.list_call(query, low, high);
        let classes = keys::CLASSES.into_iter().filter(|class| match query.order {
            Order::Trigger => true,
            Order::Due => *class == keys::OPEN,
            Order::Ended => *class != keys::OPEN,
        });
        let classes = classes.filter(|class| query.status.is_none_or(|status| keys::class(status) == *class));
        let mut calls = Vec::new();
        for class in classes {
            for name in &names {
                let partitions = (0..self.writing.layout.lists).map(|shard| keys::list_partition(name, class, shard));
                calls.extend(partitions.map(|name| call.clone().expression_attribute_values(":list", AttributeValue::S(name))));
            }
        }
        // One more than the page holds shows whether there is a next page.
        let wanted = 1 + if query.order == Order::Trigger { query.limit } else { self.rows_per_page };
        let Merged { items, cut } = Lanes::new(calls, "at", wanted).first(wanted, self.rows_per_page).await?;
        if query.order != Order::Trigger && (cut.is_some() || items.len() == wanted) {
            return Err(LedgerError::TooMany { limit: self.rows_per_page });
        }
        let requests: Result<Vec<Request>, LedgerError> = items.into_iter().map(|item| Ok(read(item)?.request()?.listed())).collect();
        let page = page_of(query, requests?);
        let cut = cut.as_deref().and_then(keys::parse_place).map(|(at, id)| Cursor { at, id });
        Ok(Page { next: page.next.or(cut), ..page })
    }

    /// Returns the bounds of the sort keys, or `None` if no request is between them.
    pub(super) fn window(&self, query: &Query) -> Option<(String, String)> {
        // Without the separator, the key sorts before every request at that time.
        let before = |at: DateTime<Utc>| keys::time_part(at).trim_end_matches('#').to_owned();
        if query.order != Order::Trigger {
            // A request is due at its trigger time or later, unless it was held and is retried, which runs it at once.
            let high = query.to.filter(|_| query.order == Order::Due).map_or_else(|| "~".to_owned(), before);
            return Some(("0".to_owned(), high));
        }
        let from = query.from.map(keys::time_part).unwrap_or_default();
        // With a space appended, the key sorts just after the cursor.
        let after = query.after.map(|after| format!("{} ", keys::place(after.at, after.id))).unwrap_or_default();
        // A request that runs was due.
        let due = (query.status == Some(Status::Running)).then(|| (self.now)() + TimeDelta::seconds(1));
        let high = query.to.into_iter().chain(due).min().map_or_else(|| "~".to_owned(), before);
        let low = from.max(after).max("0".to_owned());
        (low <= high).then_some((low, high))
    }

    /// Returns the query of one partition, which it lacks. The index has the attributes that a list shows, and no others.
    fn list_call(&self, query: &Query, low: String, high: String) -> QueryFluentBuilder {
        let call = self.client.query().table_name(&*self.table).index_name("lists");
        let call = call.key_condition_expression("#list = :list AND #at BETWEEN :low AND :high");
        let call = call.expression_attribute_names("#list", "list").expression_attribute_names("#at", "at");
        let call = call.expression_attribute_values(":low", AttributeValue::S(low));
        let mut call = call.expression_attribute_values(":high", AttributeValue::S(high));
        let mut filters = vec!["(attribute_not_exists(expires) OR expires > :now)"];
        call = call.expression_attribute_values(":now", number((self.now)().timestamp()));
        // The other classes have one status each.
        if let Some(status) = query.status.filter(|status| keys::class(*status) == keys::OPEN) {
            filters.push("#status = :status");
            call = call.expression_attribute_names("#status", "status");
            call = call.expression_attribute_values(":status", AttributeValue::S(status.as_str().to_owned()));
        }
        if let Some(owner) = &query.owner {
            filters.push("#owner = :owner");
            call = call.expression_attribute_names("#owner", "owner");
            call = call.expression_attribute_values(":owner", AttributeValue::S(owner.clone()));
        }
        call.filter_expression(filters.join(" AND "))
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

/// Returns the page of a query from requests that include all of its own up to the page's end.
pub fn page_of(query: &Query, mut requests: Vec<Request>) -> Page {
    let place = |request: &Request| request.place(query.order);
    requests.retain(|request| query.selects(request) && query.after.is_none_or(|after| place(request) > after));
    requests.sort_unstable_by_key(place);
    requests.dedup_by_key(|request| request.id);
    let has_more = requests.len() > query.limit;
    requests.truncate(query.limit);
    let next = requests.last().filter(|_| has_more).map(place);
    Page { requests, next }
}
