//! The record of notifications of failures.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use postdate_core::id::CorrelationId;
use postdate_core::ports::LedgerError;
use postdate_core::request::Request;

use super::table::key;
use super::{DynamoLedger, failed, keys};
use crate::ports::{Tellings, Told};

impl Tellings for DynamoLedger {
    async fn told(&self, id: CorrelationId) -> Result<Told, LedgerError> {
        Ok(self.read_head(id).await?.map_or(Told::ALL, |head| head.told()))
    }

    /// Writes no revision: a failed request changes only by a retry, which makes the head anew.
    async fn set_told(&self, failure: &Request, told: Told) -> Result<(), LedgerError> {
        let call = self.client.update_item().table_name(&*self.table).set_key(Some(key(&failure.id.to_string(), keys::HEAD)));
        let call = call.condition_expression("#status = :status AND finished_at = :at").expression_attribute_names("#status", "status");
        let call = call.expression_attribute_values(":status", AttributeValue::S(failure.status.to_string()));
        let at = failure.finished_at.map_or(0, |at| at.timestamp_millis());
        let call = call.expression_attribute_values(":at", AttributeValue::N(at.to_string()));
        let call = if told == Told::ALL {
            call.update_expression("REMOVE #open, wake, told_topic, told_letter").expression_attribute_names("#open", "open")
        } else {
            call.update_expression("SET told_topic = :topic, told_letter = :letter")
                .expression_attribute_values(":topic", AttributeValue::Bool(told.topic))
                .expression_attribute_values(":letter", AttributeValue::Bool(told.letter))
        };
        match call.send().await {
            Ok(_) => Ok(()),
            // The request was retried since.
            Err(error) if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }
}
