//! Counters of a target's limits: the next free slot of each rate, and the places of attempts that run. All functions share them, and
//! each change is one conditional update.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use chrono::{DateTime, Utc};
use postdate_core::limits::{Rate, Slot};
use postdate_core::ports::LedgerError;

use super::store::{Item, key, number, token};
use super::{DynamoLedger, TRIES, failed, keys};
use crate::ports::{Counters, Place};

/// Sort key of the item with a target's places. That of a rate's item is the rate.
const PLACES: &str = "places";
/// Lapsed places that one update removes. An expression has at most 4 KB.
const MOST_REMOVED: usize = 50;

/// The result of a conditional update: the new attributes that it asked for, or the item that did not meet its condition.
enum Updated {
    Done(Item),
    Refused(Item),
}

impl DynamoLedger {
    fn update(&self, use_case: &str, target: &str, sort_key: &str) -> UpdateItemFluentBuilder {
        let call = self.client.update_item().table_name(&*self.table);
        call.set_key(Some(key(&keys::target_pk(use_case, target), sort_key)))
    }
}

async fn send(call: UpdateItemFluentBuilder) -> Result<Updated, LedgerError> {
    let call = call.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match call.send().await {
        Ok(done) => Ok(Updated::Done(done.attributes.unwrap_or_default())),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                Ok(Updated::Refused(refused.item.clone().unwrap_or_default()))
            }
            _ => Err(failed(&error)),
        },
    }
}

impl Counters for DynamoLedger {
    async fn reserve(&self, use_case: &str, target: &str, rate: Rate, now: DateTime<Utc>) -> Result<Slot, LedgerError> {
        let first = rate.first_slot(now);
        let call = || {
            let call = self.update(use_case, target, &rate.to_string()).expression_attribute_names("#free", "free");
            call.expression_attribute_values(":first", number(first)).return_values(ReturnValue::UpdatedNew)
        };
        for _ in 0..TRIES {
            let next = call().update_expression("SET #free = #free + :one").condition_expression("#free >= :first");
            let next = next.expression_attribute_values(":one", number(1));
            if let Updated::Done(counted) = send(next).await? {
                let free = counted.get("free").and_then(|free| free.as_n().ok()?.parse::<Slot>().ok());
                return free.map(|free| free - 1).ok_or_else(|| LedgerError::Failed("a counter of a rate has no number".to_owned()));
            }
            // The counter is of an earlier window, or is not there.
            let begin = call().update_expression("SET #free = :second").expression_attribute_values(":second", number(first + 1));
            if let Updated::Done(_) = send(begin.condition_expression("attribute_not_exists(#free) OR #free < :first")).await? {
                return Ok(first);
            }
        }
        Err(LedgerError::Unavailable(format!("target {target} of use case {use_case}: other functions reserve all the time")))
    }

    async fn take_place(
        &self,
        use_case: &str,
        target: &str,
        places: u32,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<Place>, LedgerError> {
        let place = Place(token());
        let until = number(until.timestamp_millis());
        let call = || self.update(use_case, target, PLACES).expression_attribute_names("#leases", "leases");
        for _ in 0..TRIES {
            let take = call().update_expression("SET #leases.#place = :until").expression_attribute_names("#place", &place.0);
            let take = take.condition_expression("attribute_exists(#leases) AND size(#leases) < :places");
            let take = take.expression_attribute_values(":until", until.clone()).expression_attribute_values(":places", number(places));
            let Updated::Refused(found) = send(take).await? else { return Ok(Some(place)) };
            let Some(leases) = found.get("leases").and_then(|leases| leases.as_m().ok()) else {
                let only = AttributeValue::M(HashMap::from([(place.0.clone(), until.clone())]));
                let first = call().update_expression("SET #leases = :only").condition_expression("attribute_not_exists(#leases)");
                match send(first.expression_attribute_values(":only", only)).await? {
                    Updated::Done(_) => return Ok(Some(place)),
                    Updated::Refused(_) => continue,
                }
            };
            // Their functions died. Names of places are random, so none of these is taken again.
            let lapsed: Vec<&String> = leases.iter().filter(|(_, until)| has_lapsed(until, now)).map(|(place, _)| place).collect();
            if lapsed.is_empty() {
                return Ok(None);
            }
            let removed: Vec<String> = (0..lapsed.len().min(MOST_REMOVED)).map(|n| format!("#leases.#p{n}")).collect();
            let mut remove = call().update_expression(format!("REMOVE {}", removed.join(", ")));
            for (n, place) in lapsed.into_iter().take(MOST_REMOVED).enumerate() {
                remove = remove.expression_attribute_names(format!("#p{n}"), place);
            }
            send(remove).await?;
        }
        Err(LedgerError::Unavailable(format!("target {target} of use case {use_case}: other functions take places all the time")))
    }

    async fn leave_place(&self, use_case: &str, target: &str, place: Place) -> Result<(), LedgerError> {
        let leave = self.update(use_case, target, PLACES).update_expression("REMOVE #leases.#place");
        let leave = leave.expression_attribute_names("#leases", "leases").expression_attribute_names("#place", place.0);
        // Without the item, somebody has deleted it by hand, and the path has no parent.
        send(leave.condition_expression("attribute_exists(#leases)")).await.map(drop)
    }
}

fn has_lapsed(until: &AttributeValue, now: DateTime<Utc>) -> bool {
    let until = until.as_n().ok().and_then(|until| until.parse::<i64>().ok());
    until.is_none_or(|until| until <= now.timestamp_millis())
}
