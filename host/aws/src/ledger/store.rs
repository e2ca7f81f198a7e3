//! Reads and writes items.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use postdate_core::id::CorrelationId;
use postdate_core::lifecycle::{Applied, Change};
use postdate_core::ports::LedgerError;
use postdate_core::request::NewRequest;

use super::item::{self, Head};
use super::{DynamoLedger, failed};

pub type Item = HashMap<String, AttributeValue>;

/// The result of storing a change.
pub enum Stored {
    Done(Box<Head>),
    /// Another change came first.
    Stale,
    /// The change was an abort, and the request has been acknowledged.
    Acknowledged,
}

/// One `TransactWriteItems`.
enum Transaction {
    Done,
    /// For each item: the error code, `None` if its condition held; and the stored item, if it was requested.
    Cancelled(Vec<(Option<String>, Option<Item>)>),
}

impl DynamoLedger {
    pub(super) async fn get(&self, pk: &str, sk: &str) -> Result<Option<Item>, LedgerError> {
        let call = self.client.get_item().table_name(&*self.table).consistent_read(true).set_key(Some(key(pk, sk)));
        Ok(call.send().await.map_err(|error| failed(&error))?.item)
    }

    pub(super) async fn read_head(&self, id: CorrelationId) -> Result<Option<Head>, LedgerError> {
        self.get(&id.to_string(), item::HEAD).await?.map(read).transpose()
    }

    /// Reads head and body in one call.
    pub(super) async fn read_whole(&self, id: CorrelationId) -> Result<(Option<Head>, Option<String>), LedgerError> {
        let call = self.client.query().table_name(&*self.table).consistent_read(true).key_condition_expression("pk = :pk");
        let call = call.expression_attribute_values(":pk", AttributeValue::S(id.to_string()));
        let (mut head, mut body) = (None, None);
        for mut item in call.send().await.map_err(|error| failed(&error))?.items.unwrap_or_default() {
            match item.get("sk").and_then(|sk| sk.as_s().ok()).map(String::as_str) {
                Some(item::HEAD) => head = Some(read(item)?),
                Some(item::BODY) => body = item.remove(item::BODY).and_then(|body| body.as_s().ok().cloned()),
                _ => {}
            }
        }
        Ok((head, body))
    }

    /// Stores a request with its body and its key. Returns false if one of them exists.
    pub(super) async fn put_new(&self, new: &NewRequest) -> Result<bool, LedgerError> {
        let mut items = self.new_items(new)?;
        if let Some(key) = &new.idempotency_key {
            let pk = item::key_pk(&new.request.use_case, key);
            let item = HashMap::from([text("pk", &pk), text("sk", item::KEY), text("id", &new.request.id.to_string())]);
            items.push(put(self.put_absent(item)?));
        }
        Ok(matches!(self.transact(items).await?, Transaction::Done))
    }

    fn new_items(&self, new: &NewRequest) -> Result<Vec<TransactWriteItem>, LedgerError> {
        let head = Head::of_new(new, &token());
        let body = HashMap::from([text("pk", &head.pk), text("sk", item::BODY), text(item::BODY, &new.body)]);
        Ok(vec![put(self.put_absent(write(&head)?)?), put(self.put_absent(body)?)])
    }

    fn put_absent(&self, item: Item) -> Result<Put, LedgerError> {
        let put = Put::builder().table_name(&*self.table).set_item(Some(item)).condition_expression("attribute_not_exists(pk)");
        put.build().map_err(|error| LedgerError::Failed(error.to_string()))
    }

    /// Stores a changed request, if the stored one is still `known`.
    pub(super) async fn store(&self, known: &Head, applied: &Applied<'_>, change: &Change) -> Result<Stored, LedgerError> {
        let head = known.after(&applied.request, applied.line.clone(), &token(), self.retention);
        if applied.request.finished_at.is_some() || matches!(change, Change::Retry { .. } | Change::Redrive { .. }) {
            return self.store_with_others(known, head, applied.notice, change).await;
        }
        let call = self.client.put_item().table_name(&*self.table).set_item(Some(write(&head)?)).condition_expression("rev = :rev");
        let call = call.expression_attribute_values(":rev", AttributeValue::N(known.rev.to_string()));
        let call = call.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call.send().await {
            Ok(_) => Ok(Stored::Done(Box::new(head))),
            Err(error) => match error.as_service_error() {
                Some(service) if service.is_conditional_check_failed_exception() => {
                    use aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException as Failed;
                    let found = if let Failed(failed) = service { failed.item.as_ref() } else { None };
                    Ok(if is_ours(found, &head) { Stored::Done(Box::new(head)) } else { Stored::Stale })
                }
                Some(service) if service.code() == Some("TransactionConflictException") => Ok(Stored::Stale),
                _ => Err(failed(&error)),
            },
        }
    }

    /// Stores a change together with body, key and notice. An end sets an expiry time on body and key; a retry removes it.
    async fn store_with_others(
        &self,
        known: &Head,
        head: Head,
        notice: Option<&NewRequest>,
        change: &Change,
    ) -> Result<Stored, LedgerError> {
        let invalid = |error: aws_sdk_dynamodb::error::BuildError| LedgerError::Failed(error.to_string());
        let rev = AttributeValue::N(known.rev.to_string());
        let first = Put::builder().table_name(&*self.table).set_item(Some(write(&head)?)).condition_expression("rev = :rev");
        let first = first.expression_attribute_values(":rev", rev);
        let first = first.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut items = vec![put(first.build().map_err(invalid)?)];
        let mut others = vec![(head.pk.clone(), item::BODY)];
        let mut aborted_key = None;
        if let Some(key) = &head.idempotency_key {
            let pk = item::key_pk(&head.use_case, key);
            if matches!(change, Change::Abort { .. }) {
                let delete = Delete::builder().table_name(&*self.table).set_key(Some(self::key(&pk, item::KEY)));
                let delete = delete.condition_expression("attribute_not_exists(adopted)").build().map_err(invalid)?;
                aborted_key = Some(items.len());
                items.push(TransactWriteItem::builder().delete(delete).build());
            } else {
                others.push((pk, item::KEY));
            }
        }
        for (pk, sk) in others {
            let update = Update::builder().table_name(&*self.table).set_key(Some(self::key(&pk, sk)));
            let update = match head.expires {
                Some(expires) => update
                    .update_expression("SET expires = :expires")
                    .expression_attribute_values(":expires", AttributeValue::N(expires.to_string())),
                None => update.update_expression("REMOVE expires"),
            };
            items.push(TransactWriteItem::builder().update(update.build().map_err(invalid)?).build());
        }
        if let Some(notice) = notice {
            items.extend(self.new_items(notice)?);
        }
        match self.transact(items).await? {
            Transaction::Done => Ok(Stored::Done(Box::new(head))),
            Transaction::Cancelled(reasons) => {
                let check_failed = |at: usize| reasons.get(at).is_some_and(|(code, _)| code.as_deref() == Some("ConditionalCheckFailed"));
                if check_failed(0) {
                    let ours = is_ours(reasons[0].1.as_ref(), &head);
                    return Ok(if ours { Stored::Done(Box::new(head)) } else { Stored::Stale });
                }
                if aborted_key.is_some_and(check_failed) {
                    return Ok(Stored::Acknowledged);
                }
                if (1..reasons.len()).any(check_failed) {
                    return Err(LedgerError::Failed("the notice of this end exists already".to_owned()));
                }
                Ok(Stored::Stale)
            }
        }
    }

    async fn transact(&self, items: Vec<TransactWriteItem>) -> Result<Transaction, LedgerError> {
        match self.client.transact_write_items().set_transact_items(Some(items)).send().await {
            Ok(_) => Ok(Transaction::Done),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    let reasons = cancelled.cancellation_reasons.clone().unwrap_or_default();
                    let codes = || reasons.iter().filter_map(|reason| reason.code.as_deref());
                    let passing = ["ThrottlingError", "ProvisionedThroughputExceeded"];
                    if let Some(code) = codes().find(|code| passing.contains(code)) {
                        return Err(LedgerError::Unavailable(format!("DynamoDB: {code}")));
                    }
                    if let Some(code) = codes().find(|code| !["None", "ConditionalCheckFailed", "TransactionConflict"].contains(code)) {
                        return Err(LedgerError::Failed(format!("DynamoDB refused the transaction: {code}")));
                    }
                    let reason =
                        |reason: aws_sdk_dynamodb::types::CancellationReason| (reason.code.filter(|code| code != "None"), reason.item);
                    Ok(Transaction::Cancelled(reasons.into_iter().map(reason).collect()))
                }
                _ => Err(failed(&error)),
            },
        }
    }
}

/// Returns whether the stored item comes from this same write, whose first answer was lost.
fn is_ours(found: Option<&Item>, head: &Head) -> bool {
    found.and_then(|item| item.get("write")).and_then(|write| write.as_s().ok()) == Some(&head.write)
}

fn token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

pub fn key(pk: &str, sk: &str) -> Item {
    HashMap::from([text("pk", pk), text("sk", sk)])
}

fn text(name: &str, value: &str) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(value.to_owned()))
}

fn put(put: Put) -> TransactWriteItem {
    TransactWriteItem::builder().put(put).build()
}

pub fn read(item: Item) -> Result<Head, LedgerError> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|error| LedgerError::Failed(format!("an item of the ledger cannot be read: {error}")))
}

fn write(head: &Head) -> Result<Item, LedgerError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(head)
        .map_err(|error| LedgerError::Failed(format!("an item of the ledger cannot be written: {error}")))
}
