//! Open requests: their wake times, and the notifications that were sent of them. Also the cursor of the janitor.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::ports::LedgerError;
use postdate_core::request::Request;

use super::lanes::Lanes;
use super::table::{key, text};
use super::{DynamoLedger, failed, keys};
use crate::ports::{Backlog, Notified, Wake};

const JANITOR: &str = "janitor";

impl Backlog for DynamoLedger {
    async fn notified(&self, id: CorrelationId) -> Result<Notified, LedgerError> {
        Ok(self.read_head(id).await?.map_or(Notified::ALL, |head| head.notified()))
    }

    /// Writes no revision: a retry makes the head anew. An erasure that has read the head before this makes the request open again, and
    /// operators are notified twice.
    async fn set_notified(&self, failure: &Request, notified: Notified) -> Result<(), LedgerError> {
        let call = self.client.update_item().table_name(&*self.table).set_key(Some(key(&failure.id.to_string(), keys::HEAD)));
        let call = call.condition_expression("#status = :status AND finished_at = :at").expression_attribute_names("#status", "status");
        let call = call.expression_attribute_values(":status", AttributeValue::S(failure.status.to_string()));
        let at = failure.finished_at.map_or(0, |at| at.timestamp_millis());
        let call = call.expression_attribute_values(":at", AttributeValue::N(at.to_string()));
        let call = if notified == Notified::ALL {
            call.update_expression("REMOVE #open, wake, told_topic, told_letter").expression_attribute_names("#open", "open")
        } else {
            call.update_expression("SET told_topic = :topic, told_letter = :letter")
                .expression_attribute_values(":topic", AttributeValue::Bool(notified.topic))
                .expression_attribute_values(":letter", AttributeValue::Bool(notified.letter))
        };
        match call.send().await {
            Ok(_) => Ok(()),
            // The request was retried since.
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn overdue(&self, before: DateTime<Utc>, after: Option<Wake>, limit: usize) -> Result<Vec<Wake>, LedgerError> {
        // "!" sorts before every digit, and a space after the end of a key: behind that key.
        let low = after.map_or_else(|| "!".to_owned(), |after| format!("{} ", keys::place(after.at, after.id)));
        let high = keys::time_part(before).trim_end_matches('#').to_owned();
        if low >= high {
            return Ok(Vec::new());
        }
        let call = self.client.query().table_name(&*self.table).index_name("open").expression_attribute_names("#open", "open");
        let call = call.key_condition_expression("#open = :open AND wake BETWEEN :low AND :high");
        let call = call.expression_attribute_values(":low", AttributeValue::S(low));
        let call = call.expression_attribute_values(":high", AttributeValue::S(high));
        let shards = (0..self.writing.layout.open).map(|shard| AttributeValue::S(shard.to_string()));
        let calls = shards.map(|shard| call.clone().expression_attribute_values(":open", shard)).collect();
        let found = Lanes::new(calls, "wake", limit).first(limit, usize::MAX).await?.items.into_iter();
        let place = |item: super::table::Item| keys::parse_place(item.get("wake")?.as_s().ok()?);
        Ok(found.filter_map(place).map(|(at, id)| Wake { at, id }).collect())
    }

    async fn postpone_wake(&self, seen: Wake, to: DateTime<Utc>) -> Result<bool, LedgerError> {
        let call = self.client.update_item().table_name(&*self.table).set_key(Some(key(&seen.id.to_string(), keys::HEAD)));
        let call = call.update_expression("SET wake = :to").condition_expression("wake = :seen");
        let call = call.expression_attribute_values(":seen", AttributeValue::S(keys::place(seen.at, seen.id)));
        let call = call.expression_attribute_values(":to", AttributeValue::S(keys::place(to, seen.id)));
        match call.send().await {
            Ok(_) => {
                self.forget(seen.id);
                Ok(true)
            }
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn cursor(&self) -> Result<String, LedgerError> {
        let item = self.get(JANITOR, JANITOR).await?.unwrap_or_default();
        Ok(item.get("cursor").and_then(|cursor| cursor.as_s().ok()).cloned().unwrap_or_default())
    }

    async fn set_cursor(&self, cursor: &str) -> Result<(), LedgerError> {
        let mut item = key(JANITOR, JANITOR);
        item.extend([text("cursor", cursor)]);
        self.client.put_item().table_name(&*self.table).set_item(Some(item)).send().await.map_err(|error| failed(&error))?;
        Ok(())
    }
}
