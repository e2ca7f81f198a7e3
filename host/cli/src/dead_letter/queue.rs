//! The operations on SQS that these commands need.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::operation::change_message_visibility_batch::builders::ChangeMessageVisibilityBatchFluentBuilder;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName};
use chrono::DateTime;
use postdate_core::envelope::Envelope;
use postdate_core::time::rfc3339;

use super::letter::Letter;

/// Visibility timeout of a received message, in seconds.
const HIDDEN_SECONDS: i32 = 60;
/// Most messages that one `ReceiveMessage` of SQS returns.
const MAX_PER_CALL: i32 = 10;
/// Most messages of one batch of SQS.
const MAX_PER_BATCH: usize = 10;

pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        let config = crate::aws::config().await?;
        Ok(Self { client: Client::new(&config), url: url.to_owned() })
    }

    /// Receives up to `most` messages, each once. They are invisible to others until they are put back, for up to
    /// [`HIDDEN_SECONDS`].
    pub async fn receive(&self, most: usize) -> anyhow::Result<Vec<Letter>> {
        let mut letters: Vec<Letter> = Vec::new();
        while letters.len() < most {
            let call = self
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(MAX_PER_CALL)
                .visibility_timeout(HIDDEN_SECONDS)
                // A poll without a wait asks only some of the queue's servers, and may find a queue with messages empty.
                .wait_time_seconds(1)
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
            let messages = call.send().await.map_err(|error| sqs_error(&error))?.messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            for letter in messages.into_iter().map(read) {
                if letters.iter().all(|known| known.message_id != letter.message_id) {
                    letters.push(letter);
                }
            }
        }
        Ok(letters)
    }

    /// Makes messages visible to others. Logs an error, since the visibility timeout has the same effect.
    pub async fn put_back(&self, letters: &[Letter]) {
        for some in letters.chunks(MAX_PER_BATCH) {
            let call = some.iter().enumerate().filter_map(entry).fold(
                self.client.change_message_visibility_batch().queue_url(&self.url),
                ChangeMessageVisibilityBatchFluentBuilder::entries,
            );
            if let Err(error) = call.send().await {
                tracing::warn!(
                    error = %DisplayErrorContext(&error),
                    "cannot put messages back; they stay invisible for up to {HIDDEN_SECONDS} s"
                );
            }
        }
    }

    pub async fn send(&self, to: &str, envelope: &Envelope) -> anyhow::Result<()> {
        let body = envelope.to_json(None);
        self.client.send_message().queue_url(to).message_body(body).send().await.map_err(|error| sqs_error(&error))?;
        Ok(())
    }

    pub async fn remove(&self, letter: &Letter) -> anyhow::Result<()> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(&letter.receipt)
            .send()
            .await
            .map_err(|error| sqs_error(&error))?;
        Ok(())
    }
}

/// Returns the entry of a batch that makes a message visible at once. `None` without a receipt, which SQS always sends.
fn entry((index, letter): (usize, &Letter)) -> Option<ChangeMessageVisibilityBatchRequestEntry> {
    let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string()).receipt_handle(&letter.receipt);
    entry.visibility_timeout(0).build().ok()
}

/// Returns an error with the whole chain of the SDK's error.
fn sqs_error(error: &impl std::error::Error) -> anyhow::Error {
    anyhow::anyhow!("SQS: {}", DisplayErrorContext(error))
}

fn read(message: Message) -> Letter {
    let attributes: BTreeMap<String, String> =
        message.message_attributes.unwrap_or_default().into_iter().filter_map(|(name, value)| Some((name, value.string_value?))).collect();
    let sent = message.attributes.and_then(|attributes| attributes.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok());
    let sent = sent.and_then(DateTime::from_timestamp_millis).map(rfc3339).unwrap_or_default();
    Letter::new(
        message.message_id.unwrap_or_default(),
        message.receipt_handle.unwrap_or_default(),
        message.body.unwrap_or_default(),
        attributes,
        sent,
    )
}
