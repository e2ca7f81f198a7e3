//! Reads and writes items of the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use postdate_core::id::CorrelationId;
use postdate_core::ports::LedgerError;
use postdate_core::request::Status;

use super::item::Head;
use super::{DynamoLedger, failed, keys};

pub type Item = HashMap<String, AttributeValue>;

/// One item of a write.
pub struct Write {
    pub action: Action,
    /// Condition on the stored item; empty for none.
    pub condition: &'static str,
    /// Values of the condition and of the update.
    pub values: Vec<(&'static str, AttributeValue)>,
}

pub enum Action {
    Put(Item),
    /// Key, update expression.
    Update(Item, &'static str),
    Delete(Item),
    Check(Item),
}

/// The result of a write.
pub enum Written {
    Done,
    /// Nothing was written. For each item of the write: `None` if its condition held, else the stored item.
    Refused(Vec<Option<Item>>),
    /// Nothing was written, because of another write at the same time.
    Conflict,
}

impl DynamoLedger {
    pub(super) async fn get(&self, pk: &str, sk: &str) -> Result<Option<Item>, LedgerError> {
        let call = self.client.get_item().table_name(&*self.table).consistent_read(true).set_key(Some(key(pk, sk)));
        Ok(call.send().await.map_err(|error| failed(&error))?.item)
    }

    /// Returns the head of a request, unless it has expired.
    pub(super) async fn read_head(&self, id: CorrelationId) -> Result<Option<Head>, LedgerError> {
        let head = self.get(&id.to_string(), keys::HEAD).await?.map(read).transpose()?;
        Ok(head.filter(|head| head.is_there((self.now)())))
    }

    /// Returns whether a request has ended or is gone. Reads its status only.
    pub(super) async fn has_ended(&self, id: CorrelationId) -> Result<bool, LedgerError> {
        let call = self.client.get_item().table_name(&*self.table).consistent_read(true).set_key(Some(key(&id.to_string(), keys::HEAD)));
        let call = call.projection_expression("#status").expression_attribute_names("#status", "status");
        let item = call.send().await.map_err(|error| failed(&error))?.item.unwrap_or_default();
        let status = item.get("status").and_then(|status| status.as_s().ok()?.parse::<Status>().ok());
        Ok(status.is_none_or(Status::is_end))
    }

    /// Reads head and body in one call.
    pub(super) async fn read_whole(&self, id: CorrelationId) -> Result<Option<(Head, Option<String>)>, LedgerError> {
        let call = self.client.query().table_name(&*self.table).consistent_read(true).key_condition_expression("pk = :pk");
        let call = call.expression_attribute_values(":pk", AttributeValue::S(id.to_string()));
        let (mut head, mut apart) = (None, None);
        for mut item in call.send().await.map_err(|error| failed(&error))?.items.unwrap_or_default() {
            match item.get("sk").and_then(|sk| sk.as_s().ok()).map(String::as_str) {
                Some(keys::HEAD) => head = Some(read(item)?),
                Some(keys::BODY) => apart = item.remove(keys::BODY).and_then(|body| body.as_s().ok().cloned()),
                _ => {}
            }
        }
        let head: Option<Head> = head.filter(|head: &Head| head.is_there((self.now)()));
        Ok(head.map(|head| {
            let body = head.body.clone().or(apart);
            (head, body)
        }))
    }

    /// Writes the items, all or none: by one call that costs half as much if there is one item to put, else by a transaction.
    pub(super) async fn write(&self, mut writes: Vec<Write>) -> Result<Written, LedgerError> {
        match writes.pop() {
            Some(Write { action: Action::Put(item), condition, values }) if writes.is_empty() => self.put(item, condition, values).await,
            last => {
                writes.extend(last);
                let items: Result<Vec<_>, BuildError> = writes.into_iter().map(|write| self.transacted(write)).collect();
                self.transact(items.map_err(|error| LedgerError::Failed(error.to_string()))?).await
            }
        }
    }

    async fn put(&self, item: Item, condition: &str, values: Vec<(&str, AttributeValue)>) -> Result<Written, LedgerError> {
        let call = self.client.put_item().table_name(&*self.table).set_item(Some(item)).condition_expression(condition);
        let call = call.set_expression_attribute_values(named(values));
        let call = call.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = call.send().await else { return Ok(Written::Done) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                Ok(Written::Refused(vec![Some(refused.item.clone().unwrap_or_default())]))
            }
            Some(service) if service.code() == Some("TransactionConflictException") => Ok(Written::Conflict),
            _ => Err(failed(&error)),
        }
    }

    fn transacted(&self, write: Write) -> Result<TransactWriteItem, BuildError> {
        let Write { action, condition, values } = write;
        let (table, condition) = (&*self.table, Some(condition.to_owned()).filter(|condition| !condition.is_empty()));
        let (values, old) = (named(values), ReturnValuesOnConditionCheckFailure::AllOld);
        let item = TransactWriteItem::builder();
        let item = match action {
            Action::Put(put) => {
                let put = Put::builder().table_name(table).set_item(Some(put)).set_condition_expression(condition);
                item.put(put.set_expression_attribute_values(values).return_values_on_condition_check_failure(old).build()?)
            }
            Action::Update(key, expression) => {
                let update = Update::builder().table_name(table).set_key(Some(key)).update_expression(expression);
                let update = update.set_condition_expression(condition).set_expression_attribute_values(values);
                item.update(update.return_values_on_condition_check_failure(old).build()?)
            }
            Action::Delete(key) => {
                let delete = Delete::builder().table_name(table).set_key(Some(key)).set_condition_expression(condition);
                item.delete(delete.set_expression_attribute_values(values).return_values_on_condition_check_failure(old).build()?)
            }
            Action::Check(key) => {
                let check = ConditionCheck::builder().table_name(table).set_key(Some(key)).set_condition_expression(condition);
                item.condition_check(check.set_expression_attribute_values(values).return_values_on_condition_check_failure(old).build()?)
            }
        };
        Ok(item.build())
    }

    async fn transact(&self, items: Vec<TransactWriteItem>) -> Result<Written, LedgerError> {
        let Err(error) = self.client.transact_write_items().set_transact_items(Some(items)).send().await else { return Ok(Written::Done) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
            return Err(failed(&error));
        };
        let reasons = cancelled.cancellation_reasons.clone().unwrap_or_default();
        let codes = || reasons.iter().filter_map(|reason| reason.code.as_deref());
        let passing = ["ThrottlingError", "ProvisionedThroughputExceeded"];
        if let Some(code) = codes().find(|code| passing.contains(code)) {
            return Err(LedgerError::Unavailable(format!("DynamoDB: {code}")));
        }
        if let Some(code) = codes().find(|code| !["None", "ConditionalCheckFailed", "TransactionConflict"].contains(code)) {
            return Err(LedgerError::Failed(format!("DynamoDB refused the transaction: {code}")));
        }
        let is_refused = |reason: &CancellationReason| reason.code.as_deref() == Some("ConditionalCheckFailed");
        if !reasons.iter().any(is_refused) {
            return Ok(Written::Conflict);
        }
        let refused = reasons.into_iter().map(|reason| is_refused(&reason).then(|| reason.item.unwrap_or_default()));
        Ok(Written::Refused(refused.collect()))
    }
}

impl Write {
    pub fn put(item: Item, condition: &'static str) -> Self {
        Self { action: Action::Put(item), condition, values: Vec::new() }
    }

    /// Deletes an item whether it is there or not.
    pub fn delete(key: Item) -> Self {
        Self { action: Action::Delete(key), condition: "", values: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.values.push((name, value));
        self
    }
}

/// Returns whether the stored item comes from the write of this head, whose first answer was lost.
pub fn is_ours(found: Option<&Item>, head: &Head) -> bool {
    found.and_then(|item| item.get("write")).and_then(|write| write.as_s().ok()) == Some(&head.write)
}

/// Returns a random name of a write, which is compared with the other writes of one request.
pub fn token() -> String {
    format!("{:016x}", rand::random::<u64>())
}

fn named(values: Vec<(&str, AttributeValue)>) -> Option<HashMap<String, AttributeValue>> {
    Some(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()).filter(|values: &HashMap<_, _>| !values.is_empty())
}

pub fn key(pk: &str, sk: &str) -> Item {
    HashMap::from([text("pk", pk), text("sk", sk)])
}

pub fn text(name: &str, value: &str) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(value.to_owned()))
}

pub fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

pub fn read(item: Item) -> Result<Head, LedgerError> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
        .map_err(|error| LedgerError::Failed(format!("an item of the ledger cannot be read: {error}")))
}

pub fn write(head: &Head) -> Result<Item, LedgerError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(head)
        .map_err(|error| LedgerError::Failed(format!("an item of the ledger cannot be written: {error}")))
}
