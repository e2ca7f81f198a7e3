//! Counters of a target's limits: the next free slot of each rate, and the places of attempts that run. All functions share them, and
//! each change is one conditional update.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use chrono::{DateTime, Utc};
use postdate_core::id::CorrelationId;
use postdate_core::limits::places::{KEPT, MOST_IN_LINE, Manner, Places, Step, Waiter};
use postdate_core::limits::{Rate, RateSlot};
use postdate_core::ports::LedgerError;

use super::table::{Item, key, number, token};
use super::{DynamoLedger, TRIES, failed, keys};
use crate::ports::{Answered, Asking, Counters, TargetPlace, Woken};

/// Sort key of the item with a target's places. The sort key of a rate's item is the rate.
const PLACES: &str = "places";
/// Its attributes.
const LEASES: &str = "leases";
const LINE: &str = "line";
/// Limit of places that one call hands over, after a higher `concurrency`.
const MOST_HANDED_OVER: u32 = 50;
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
    async fn reserve(
        &self,
        use_case: &str,
        target: &str,
        rate: Rate,
        now: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
    ) -> Result<Option<RateSlot>, LedgerError> {
        let first = rate.first_slot(now);
        let end = until.map_or(RateSlot::MAX, |until| rate.slot_from(until));
        if first >= end {
            return Ok(None);
        }
        let call = || {
            let call = self.update(use_case, target, &rate.to_string()).expression_attribute_names("#free", "free");
            call.expression_attribute_values(":first", number(first)).return_values(ReturnValue::UpdatedNew)
        };
        for _ in 0..TRIES {
            let next = call().update_expression("SET #free = #free + :one").condition_expression("#free >= :first AND #free < :end");
            let next = next.expression_attribute_values(":one", number(1)).expression_attribute_values(":end", number(end));
            match send(next).await? {
                Updated::Done(counted) => {
                    let reserved = free_of(&counted).map(|free| Some(free - 1));
                    return reserved.ok_or_else(|| LedgerError::Failed("a counter of a rate has no number".to_owned()));
                }
                Updated::Refused(found) if free_of(&found).is_some_and(|free| free >= end) => return Ok(None),
                // The counter is of an earlier window, or is not there.
                Updated::Refused(_) => {}
            }
            let begin = call().update_expression("SET #free = :second").expression_attribute_values(":second", number(first + 1));
            if let Updated::Done(_) = send(begin.condition_expression("attribute_not_exists(#free) OR #free < :first")).await? {
                return Ok(Some(first));
            }
        }
        Err(LedgerError::Unavailable(format!("target {target} of use case {use_case}: other functions reserve all the time")))
    }

    async fn take_place(&self, use_case: &str, target: &str, asking: Asking, now: DateTime<Utc>) -> Result<Answered, LedgerError> {
        let places = PlacesItem { ledger: self, use_case, target, of: asking.places };
        let name = token();
        let first = places.take(&name, asking.until, None, asking.manner == Manner::InLine);
        match send(first).await? {
            Updated::Done(_) => Ok(Answered { place: Some(TargetPlace { name, of: asking.places }), in_line: false, woken: Vec::new() }),
            Updated::Refused(found) => places.settle(found, Some((asking, name)), now).await,
        }
    }

    async fn take_kept(
        &self,
        use_case: &str,
        target: &str,
        kept: &TargetPlace,
        until: DateTime<Utc>,
    ) -> Result<Option<TargetPlace>, LedgerError> {
        let name = token();
        // The name changes, so that a second delivery of the message cannot give the place back while the first one uses it.
        let take = self.update(use_case, target, PLACES).update_expression("SET #leases.#place = :until REMOVE #leases.#kept");
        let take = take.expression_attribute_names("#leases", LEASES).expression_attribute_names("#place", &name);
        let take = take.expression_attribute_names("#kept", &kept.name).condition_expression("attribute_exists(#leases.#kept)");
        let taken = send(take.expression_attribute_values(":until", number(until.timestamp_millis()))).await?;
        Ok(matches!(taken, Updated::Done(_)).then(|| TargetPlace { name, of: kept.of }))
    }

    async fn leave_place(&self, use_case: &str, target: &str, place: &TargetPlace, now: DateTime<Utc>) -> Result<Vec<Woken>, LedgerError> {
        let leave = self.update(use_case, target, PLACES).update_expression("REMOVE #leases.#place");
        let leave = leave.expression_attribute_names("#leases", LEASES).expression_attribute_names("#place", &place.name);
        // Without the item, somebody has deleted it by hand, and the path has no parent.
        let leave = leave.condition_expression("attribute_exists(#leases)").return_values(ReturnValue::AllNew);
        match send(leave).await? {
            Updated::Done(left) => {
                let places = PlacesItem { ledger: self, use_case, target, of: place.of };
                Ok(places.settle(left, None, now).await?.woken)
            }
            Updated::Refused(_) => Ok(Vec::new()),
        }
    }
}

/// Returns the next free slot of a rate's item.
fn free_of(item: &Item) -> Option<RateSlot> {
    item.get("free")?.as_n().ok()?.parse().ok()
}

/// The item with a target's places: a map of leases, and a map of the requests in the line. Each write of it returns it, as the base of
/// the next decision. Its conditions keep the number of places; two functions that decide at once may swap two requests.
struct PlacesItem<'a> {
    ledger: &'a DynamoLedger,
    use_case: &'a str,
    target: &'a str,
    /// Number of the places.
    of: u32,
}

impl PlacesItem<'_> {
    /// Makes one step after the other, until nothing is left to write. A place of the request that `asks` gets this name.
    async fn settle(&self, mut found: Item, mut asks: Option<(Asking, String)>, now: DateTime<Utc>) -> Result<Answered, LedgerError> {
        let mut answered = Answered { place: None, in_line: false, woken: Vec::new() };
        for _ in 0..TRIES + MOST_HANDED_OVER {
            let places = places_of(&found);
            let step = places.next(self.of, asks.as_ref().map(|(asking, _)| (asking.waiter, asking.manner)), now);
            let kept = TargetPlace { name: token(), of: self.of };
            let call = match (&step, &asks) {
                (Step::Free(lapsed), _) => self.free(lapsed),
                (Step::Take, Some((asking, name))) if !found.contains_key(LEASES) => self.begin(name, asking.until),
                (Step::Take, Some((asking, name))) => {
                    let id = asking.waiter.id;
                    self.take(name, asking.until, places.line.contains_key(&id).then_some(id), false)
                }
                (Step::HandOver(id), _) => self.take(&kept.name, now + KEPT, Some(*id), false),
                (Step::Join { instead }, Some((asking, _))) => self.join(asking.waiter, *instead, found.contains_key(LINE)),
                (Step::Take | Step::Join { .. }, None) | (Step::Done, _) => {
                    answered.in_line = asks.is_some_and(|(asking, _)| places.line.contains_key(&asking.waiter.id));
                    return Ok(answered);
                }
            };
            let sent = match send(call.return_values(ReturnValue::AllNew)).await {
                // The request has its place. The next function hands the others over.
                Err(_) if answered.place.is_some() => break,
                sent => sent?,
            };
            if let (Step::Free(_), Some((asking, _))) = (&step, &mut asks)
                && asking.manner == Manner::InLine
            {
                asking.manner = Manner::PastLine;
            }
            found = match sent {
                Updated::Done(found) => {
                    match step {
                        Step::Take => answered.place = asks.take().map(|(_, name)| TargetPlace { name, of: self.of }),
                        Step::HandOver(id) => answered.woken.push(Woken { id, place: kept }),
                        _ => {}
                    }
                    found
                }
                Updated::Refused(found) => found,
            };
        }
        if answered.place.is_some() {
            return Ok(answered);
        }
        let (use_case, target) = (self.use_case, self.target);
        Err(LedgerError::Unavailable(format!("target {target} of use case {use_case}: other functions take places all the time")))
    }

    fn update(&self) -> UpdateItemFluentBuilder {
        self.ledger.update(self.use_case, self.target, PLACES).expression_attribute_names("#leases", LEASES)
    }

    /// Removes places whose functions died. Names of places are random, so none of these is taken again.
    fn free(&self, lapsed: &[String]) -> UpdateItemFluentBuilder {
        let mut call = self.update().condition_expression("attribute_exists(#leases)");
        let mut removed = Vec::new();
        for (n, place) in lapsed.iter().take(MOST_REMOVED).enumerate() {
            removed.push(format!("#leases.#p{n}"));
            call = call.expression_attribute_names(format!("#p{n}"), place);
        }
        call.update_expression(format!("REMOVE {}", removed.join(", ")))
    }

    /// Takes the first place that the target ever has.
    fn begin(&self, place: &str, until: DateTime<Utc>) -> UpdateItemFluentBuilder {
        let only = AttributeValue::M(HashMap::from([(place.to_owned(), number(until.timestamp_millis()))]));
        let call = self.update().update_expression("SET #leases = :only").condition_expression("attribute_not_exists(#leases)");
        call.expression_attribute_values(":only", only)
    }

    /// Takes a free place for a request that may be in the line, or, with `only_without_line`, if no request waits.
    fn take(&self, place: &str, until: DateTime<Utc>, in_line: Option<CorrelationId>, only_without_line: bool) -> UpdateItemFluentBuilder {
        let call = self.update().expression_attribute_names("#place", place);
        let call = call.expression_attribute_values(":until", number(until.timestamp_millis()));
        let call = call.expression_attribute_values(":places", number(self.of));
        let is_free = "attribute_exists(#leases) AND size(#leases) < :places";
        match in_line {
            Some(id) => {
                let call = call.expression_attribute_names("#line", LINE).expression_attribute_names("#id", id.to_string());
                let call = call.update_expression("SET #leases.#place = :until REMOVE #line.#id");
                call.condition_expression(format!("{is_free} AND attribute_exists(#line.#id)"))
            }
            None if only_without_line => {
                let call = call.expression_attribute_names("#line", LINE).expression_attribute_values(":none", number(0));
                let call = call.update_expression("SET #leases.#place = :until");
                call.condition_expression(format!("{is_free} AND (attribute_not_exists(#line) OR size(#line) = :none)"))
            }
            None => call.update_expression("SET #leases.#place = :until").condition_expression(is_free),
        }
    }

    fn join(&self, waiter: Waiter, instead: Option<CorrelationId>, has_line: bool) -> UpdateItemFluentBuilder {
        let (id, since) = (waiter.id.to_string(), number(waiter.since.timestamp_millis()));
        let call = self.ledger.update(self.use_case, self.target, PLACES).expression_attribute_names("#line", LINE);
        if !has_line {
            let only = AttributeValue::M(HashMap::from([(id, since)]));
            let call = call.update_expression("SET #line = :only").condition_expression("attribute_not_exists(#line)");
            return call.expression_attribute_values(":only", only);
        }
        let call = call.expression_attribute_names("#id", id).expression_attribute_values(":since", since);
        if let Some(last) = instead {
            let call = call.expression_attribute_names("#last", last.to_string());
            let call = call.update_expression("SET #line.#id = :since REMOVE #line.#last");
            return call.condition_expression("attribute_exists(#line.#last)");
        }
        let call = call.update_expression("SET #line.#id = :since").condition_expression("size(#line) < :most");
        call.expression_attribute_values(":most", number(i128::try_from(MOST_IN_LINE).unwrap_or_default()))
    }
}

/// Returns the places that an item has. A lease without a number has ended.
fn places_of(item: &Item) -> Places {
    let map = |name| item.get(name).and_then(|map: &AttributeValue| map.as_m().ok()).into_iter().flatten();
    let time = |at: &AttributeValue| DateTime::from_timestamp_millis(at.as_n().ok()?.parse().ok()?);
    Places {
        taken: map(LEASES).map(|(name, until)| (name.clone(), time(until).unwrap_or_default())).collect(),
        line: map(LINE).filter_map(|(id, since)| Some((id.parse().ok()?, time(since)?))).collect(),
    }
}
