//! Notifies operators: by messages to an SNS topic, and by a dead-letter queue for requests that failed for good.

use aws_smithy_types::error::operation::BuildError;
use chrono::Utc;
use postdate_core::envelope::Envelope;
use postdate_core::json::for_messages;
use postdate_core::request::{Request, Status};
use postdate_core::time::rfc3339;
use serde_json::{Value, json};

use crate::aws_error::AwsError;
use crate::clients::Lazy;
use crate::ports::{LeftRule, Notify};

/// Longest part of a failure's text in a message, in bytes.
const MAX_FAILURE: usize = 1_000;

/// Publishes to the topic, if one is configured, and sends to the dead-letter queue.
///
/// Messages are JSON: `{"v":1,"event":"request-failed","correlationId","useCase","target","attempts","failure","at"}`, the same with the
/// event `request-expired`, and `{"v":1,"event":"rule-not-cleaned","rule","correlationId","reason","at"}`, with the message attribute
/// `event`.
#[derive(Clone)]
pub struct Notifier {
    pub topics: Lazy<aws_sdk_sns::Client>,
    pub queues: Lazy<aws_sdk_sqs::Client>,
    pub topic_arn: Option<String>,
    /// URL of the dead-letter queue.
    pub dead_letters: String,
}

impl Notify for Notifier {
    async fn request_failed(&self, request: &Request) -> Result<(), AwsError> {
        let failure = cut(request.failure.as_deref().unwrap_or_default());
        let event = if request.status == Status::Expired { "request-expired" } else { "request-failed" };
        let message = json!({
            "v": 1,
            "event": event,
            "correlationId": request.id,
            "useCase": request.use_case,
            "target": request.target,
            "attempts": request.attempts,
            "failure": failure,
            "at": request.finished_at.map(rfc3339),
        });
        self.publish(event, &format!("Postdate: a request {}", request.status), &message).await
    }

    async fn dead_letter(&self, envelope: &Envelope, request: &Request) -> Result<(), AwsError> {
        use aws_sdk_sqs::types::MessageAttributeValue;
        let invalid = |error: BuildError| AwsError::invalid("SendMessage", &error);
        let text = |value: String| MessageAttributeValue::builder().data_type("String").string_value(value).build().map_err(invalid);
        let reason = cut(request.failure.as_deref().filter(|text| !text.is_empty()).unwrap_or("no reason"));
        // SQS rejects control characters in an attribute, such as those of coloured text, and two others.
        let refused = |c: char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}');
        let reason: String = reason.chars().map(|c| if refused(c) { ' ' } else { c }).collect();
        let call = self.queues.send_message().queue_url(&self.dead_letters).message_body(envelope.to_json(None));
        let call = call.message_attributes("ERROR_CODE", text(format!("REQUEST_{}", request.status).to_uppercase())?);
        let call = call.message_attributes("ERROR_MESSAGE", text(reason)?);
        let call = call.message_attributes("RETRY_ATTEMPTS", text(request.attempts.to_string())?);
        call.send().await.map(drop).map_err(|error| AwsError::of("SendMessage", &error))
    }

    async fn rule_not_cleaned(&self, rule: &LeftRule, reason: &str) -> Result<(), AwsError> {
        let LeftRule { name, id, .. } = rule;
        let message =
            json!({ "v": 1, "event": "rule-not-cleaned", "rule": name, "correlationId": id, "reason": reason, "at": rfc3339(Utc::now()) });
        self.publish("rule-not-cleaned", "Postdate: a rule could not be cleaned up", &message).await
    }
}

impl Notifier {
    async fn publish(&self, event: &str, subject: &str, message: &Value) -> Result<(), AwsError> {
        use aws_sdk_sns::types::MessageAttributeValue;
        let Some(topic) = &self.topic_arn else { return Ok(()) };
        let attribute = MessageAttributeValue::builder().data_type("String").string_value(event).build();
        let attribute = attribute.map_err(|error| AwsError::invalid("Publish", &error))?;
        let message = for_messages(&message.to_string()).into_owned();
        let call = self.topics.publish().topic_arn(topic).subject(subject).message(message).message_attributes("event", attribute);
        call.send().await.map(drop).map_err(|error| AwsError::of("Publish", &error))
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_FAILURE)]
}
