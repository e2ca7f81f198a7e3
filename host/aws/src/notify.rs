//! Telling people: a message to a topic, and what failed for good into the dead-letter queue.

use chrono::Utc;
use postdate_core::envelope::Envelope;
use postdate_core::request::Request;
use postdate_core::time::rfc3339;
use serde_json::{Value, json};

use crate::clients::Lazy;
use crate::fault::Fault;
use crate::ports::{LeftRule, Notify};

/// What a message quotes of a failure, in bytes.
const MAX_FAILURE: usize = 1_000;

/// Publishes to one topic, if there is one.
///
/// Messages are JSON: `{"v":1,"event":"request-failed","correlationId","useCase","target","attempts","failure","at"}` and
/// `{"v":1,"event":"rule-not-cleaned","rule","correlationId","reason","at"}`, with the message attribute `event`.
#[derive(Clone)]
pub struct Notifier {
    pub topics: Lazy<aws_sdk_sns::Client>,
    pub queues: Lazy<aws_sdk_sqs::Client>,
    pub topic_arn: Option<String>,
    /// URL of the dead-letter queue.
    pub dead_letters: String,
}

impl Notifier {
    async fn publish(&self, event: &str, subject: &str, message: &Value) -> Result<(), String> {
        use aws_sdk_sns::types::MessageAttributeValue;
        let Some(topic) = &self.topic_arn else { return Ok(()) };
        let attribute = MessageAttributeValue::builder().data_type("String").string_value(event).build();
        let attribute = attribute.map_err(|error| error.to_string())?;
        let call =
            self.topics.publish().topic_arn(topic).subject(subject).message(message.to_string()).message_attributes("event", attribute);
        call.send().await.map_err(|error| Fault::of("Publish", &error).to_string())?;
        Ok(())
    }
}

impl Notify for Notifier {
    async fn request_failed(&self, request: &Request) -> Result<(), String> {
        let failure = cut(request.failure.as_deref().unwrap_or_default());
        let message = json!({
            "v": 1,
            "event": "request-failed",
            "correlationId": request.id,
            "useCase": request.use_case,
            "target": request.target,
            "attempts": request.attempts,
            "failure": failure,
            "at": request.finished_at.map(rfc3339),
        });
        self.publish("request-failed", "Postdate: a request failed", &message).await
    }

    async fn dead_letter(&self, envelope: &Envelope, request: &Request) -> Result<(), String> {
        use aws_sdk_sqs::types::MessageAttributeValue;
        let text = |value: String| {
            MessageAttributeValue::builder().data_type("String").string_value(value).build().map_err(|error| error.to_string())
        };
        let reason = cut(request.failure.as_deref().filter(|text| !text.is_empty()).unwrap_or("no reason"));
        // SQS refuses a message with control characters, such as those of coloured text.
        let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let call = self.queues.send_message().queue_url(&self.dead_letters).message_body(envelope.to_json(None));
        let call = call.message_attributes("ERROR_CODE", text("REQUEST_FAILED".to_owned())?);
        let call = call.message_attributes("ERROR_MESSAGE", text(reason)?);
        let call = call.message_attributes("RETRY_ATTEMPTS", text(request.attempts.to_string())?);
        call.send().await.map_err(|error| Fault::of("SendMessage", &error).to_string())?;
        Ok(())
    }

    async fn rule_not_cleaned(&self, rule: &LeftRule, reason: &str) -> Result<(), String> {
        let LeftRule { name, id, .. } = rule;
        let message =
            json!({ "v": 1, "event": "rule-not-cleaned", "rule": name, "correlationId": id, "reason": reason, "at": rfc3339(Utc::now()) });
        self.publish("rule-not-cleaned", "Postdate: a rule could not be cleaned up", &message).await
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_FAILURE)]
}
