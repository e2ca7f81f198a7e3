//! A message of a dead-letter queue, which SQS, EventBridge or Lambda has written: its request, and the reason.

use std::collections::BTreeMap;

use postdate_core::arn::Arn;
use postdate_core::envelope::{Envelope, VERSION};
use postdate_core::id::CorrelationId;
use serde_json::{Value, json};

use crate::output::{columns, printable};

/// Length of a correlation id, which is at or near the end of the name of a rule or schedule.
const ID_LENGTH: usize = 36;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub message_id: String,
    pub receipt: String,
    pub body: String,
    /// Message attributes. EventBridge sets `ERROR_CODE`, `ERROR_MESSAGE`, `RULE_ARN`, `TARGET_ARN`,
    /// `EXHAUSTED_RETRY_CONDITION`, `RETRY_ATTEMPTS`.
    pub attributes: BTreeMap<String, String>,
    /// Time at which it was sent: RFC 3339.
    pub sent: String,
    /// `None` if the message names no request.
    pub id: Option<CorrelationId>,
}

impl Letter {
    pub fn new(message_id: String, receipt: String, body: String, attributes: BTreeMap<String, String>, sent: String) -> Self {
        let mut letter = Self { message_id, receipt, body, attributes, sent, id: None };
        letter.id = letter.envelope().map(|envelope| envelope.correlation_id);
        letter
    }

    /// Returns the envelope to send again, from the body, the request in Lambda's failure record, or the rule's name.
    pub fn envelope(&self) -> Option<Envelope> {
        let lambda_request = || Some(serde_json::from_str::<Value>(&self.body).ok()?.get("requestPayload")?.to_string());
        let found = Envelope::parse(&self.body).ok().or_else(|| Envelope::parse(&lambda_request()?).ok()).or_else(|| self.of_rule())?;
        Some(Envelope { redrive: true, ..found })
    }

    fn of_rule(&self) -> Option<Envelope> {
        let name = self.attributes.get("RULE_ARN").or_else(|| self.attributes.get("SCHEDULE_ARN"))?.rsplit('/').next()?;
        let at = (0..=name.len().checked_sub(ID_LENGTH)?).rev().find_map(|at| Some((at, name.get(at..at + ID_LENGTH)?.parse().ok()?)));
        let (at, correlation_id): (usize, CorrelationId) = at?;
        Some(Envelope {
            v: VERSION,
            rule: self.attributes.contains_key("RULE_ARN").then(|| name.to_owned()),
            correlation_id,
            use_case: name[..at].trim_end_matches('-').to_owned(),
            attempt: 1,
            scheduled_for: self.sent.clone(),
            redrive: true,
            ended: None,
            kept: None,
            payload: None,
        })
    }

    /// Returns why the target host cannot deliver what EventBridge could not; `None` if it can, or if it runs the request itself.
    pub fn undeliverable(&self) -> Option<String> {
        let target = Arn::parse(self.attributes.get("TARGET_ARN")?)?;
        let kind = match target.service {
            "kinesis" => "a Kinesis stream",
            "ecs" => "an ECS cluster",
            "events" if target.resource.starts_with("api-destination/") => "an API destination",
            _ => return None,
        };
        Some(format!(
            "its direct target is {kind}, to which only EventBridge delivers: deliver the message yourself, or send a new request"
        ))
    }

    /// Returns the reason, in the words of the service that wrote the message.
    pub fn reason(&self) -> String {
        let attribute = |name: &str| self.attributes.get(name).map(String::as_str);
        if let Some(code) = attribute("ERROR_CODE") {
            let parts = [Some(code), attribute("ERROR_MESSAGE"), attribute("EXHAUSTED_RETRY_CONDITION")];
            return parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
        }
        if let Ok(record) = serde_json::from_str::<Value>(&self.body)
            && let Some(condition) = record.pointer("/requestContext/condition").and_then(Value::as_str)
        {
            let message = record.pointer("/responsePayload/errorMessage").and_then(Value::as_str).unwrap_or("no error message");
            return format!("{condition}: {message}");
        }
        "received too often from the delay queue".to_owned()
    }

    /// Returns the row of `list`.
    pub fn row(&self) -> Vec<String> {
        let id = self.id.map_or_else(|| "none".to_owned(), |id| id.to_string());
        let use_case = self.envelope().map(|envelope| envelope.use_case).unwrap_or_default();
        vec![id, printable(&use_case), self.sent.clone(), printable(&self.reason()).replace('\n', " ")]
    }

    /// Returns everything but the payload as JSON.
    pub fn document(&self) -> Value {
        json!({
            "correlationId": self.id,
            "useCase": self.envelope().map(|envelope| envelope.use_case),
            "messageId": self.message_id,
            "sent": self.sent,
            "reason": self.reason(),
            "attributes": self.attributes,
        })
    }

    /// Returns everything but the payload, which `postdate request get` shows.
    pub fn whole(&self) -> String {
        let mut rows = vec![
            vec!["request".to_owned(), self.row()[0].clone()],
            vec!["message".to_owned(), printable(&self.message_id)],
            vec!["sent".to_owned(), self.sent.clone()],
            vec!["reason".to_owned(), printable(&self.reason())],
        ];
        rows.extend(self.attributes.iter().map(|(name, value)| vec![printable(name), printable(value)]));
        columns(&rows, "")
    }
}

#[cfg(test)]
mod tests;
