//! Lists by label. The items of a label name the requests that have it, and the heads of these decide.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use postdate_core::id::CorrelationId;
use postdate_core::ports::LedgerError;
use postdate_core::request::{Cursor, Order, Page, Query, Request};

use super::item::{Head, SHOWN};
use super::list::page_of;
use super::table::{Item, key, read};
use super::{DynamoLedger, TRIES, failed, keys};

/// Heads that one page reads, those that its filters drop included. A head has up to 8 KB of body, and more of history.
const HEADS_PER_PAGE: usize = 1_000;
/// Limit of the keys in one call (DynamoDB, `BatchGetItem`: "as many as 100 items").
const KEYS: i32 = 100;
/// Wait before the keys that DynamoDB did not process are sent again; it grows with each try.
const AGAIN: Duration = Duration::from_millis(50);

impl DynamoLedger {
    /// Reads one page from the partition of the query's first label. A page ends early, with a cursor, where it has read
    /// [`HEADS_PER_PAGE`] heads. In another order than that of trigger times, it has to read all of them, and fails where they are more.
    pub(super) async fn labelled_page(&self, query: &Query) -> Result<Page, LedgerError> {
        let Some((name, value)) = query.labels.first() else { return Ok(Page::default()) };
        let Some((low, high)) = self.window(query) else { return Ok(Page::default()) };
        let call = self.client.query().table_name(&*self.table).limit(KEYS);
        let call = call.key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high");
        let call = call.expression_attribute_values(":pk", AttributeValue::S(keys::label_pk(name, value)));
        let call = call.expression_attribute_values(":low", AttributeValue::S(low));
        let call = call.expression_attribute_values(":high", AttributeValue::S(high));
        let (mut found, mut heads, mut last) = (Vec::new(), 0, None);
        let most = self.rows_per_page.min(HEADS_PER_PAGE);
        loop {
            let answer = call.clone().set_exclusive_start_key(last).send().await.map_err(|error| failed(&error))?;
            let items = answer.items.unwrap_or_default();
            let places: Vec<_> = items.iter().filter_map(|item| keys::parse_place(item.get("sk")?.as_s().ok()?)).collect();
            heads += places.len();
            for head in self.heads(places.iter().map(|(_, id)| *id).collect()).await? {
                found.push(head.request()?.listed());
            }
            found.retain(|request: &Request| query.selects(request));
            last = answer.last_evaluated_key;
            let (is_full, is_ordered) = (found.len() > query.limit, query.order == Order::Trigger);
            if last.is_none() || is_full && is_ordered {
                return Ok(page_of(query, found));
            }
            if heads >= most {
                if !is_ordered {
                    return Err(LedgerError::TooMany { limit: most });
                }
                let next = places.last().map(|(at, id)| Cursor { at: *at, id: *id });
                return Ok(Page { next, ..page_of(query, found) });
            }
        }
    }

    /// Returns the heads of those requests that are there, in any order, with the attributes that lists show.
    async fn heads(&self, mut ids: Vec<CorrelationId>) -> Result<Vec<Head>, LedgerError> {
        // While a request is moved, a read may see it at both places, and DynamoDB refuses a key that comes twice.
        ids.sort_unstable();
        ids.dedup();
        let (mut items, names) = (Vec::<Item>::new(), SHOWN.map(|name| (format!("#{name}"), name.to_owned())));
        let shown: Vec<String> = SHOWN.iter().map(|name| format!("#{name}")).collect();
        let mut keys: Vec<Item> = ids.iter().map(|id| key(&id.to_string(), keys::HEAD)).collect();
        for attempt in 0..TRIES {
            if keys.is_empty() {
                let heads = items.into_iter().map(read).collect::<Result<Vec<Head>, _>>()?;
                return Ok(heads.into_iter().filter(|head| head.is_there((self.now)())).collect());
            }
            tokio::time::sleep(AGAIN * attempt).await;
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).projection_expression(shown.join(", "));
            let wanted = wanted.set_expression_attribute_names(Some(HashMap::from(names.clone()))).build();
            let wanted = wanted.map_err(|error| LedgerError::Failed(error.to_string()))?;
            let call = self.client.batch_get_item().request_items(&*self.table, wanted);
            let answer = call.send().await.map_err(|error| failed(&error))?;
            items.extend(answer.responses.and_then(|mut tables| tables.remove(&*self.table)).unwrap_or_default());
            keys = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&*self.table)).map(|left| left.keys).unwrap_or_default();
        }
        Err(LedgerError::Unavailable(format!("DynamoDB did not process all keys of a list in {TRIES} tries")))
    }
}
