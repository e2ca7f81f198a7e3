//! The forms of event that invoke the target host.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use postdate_core::envelope::{Envelope, EnvelopeError};

/// One invocation.
#[derive(Debug)]
pub enum Invocation {
    /// A rule's constant input, or a schedule's payload.
    Direct(Box<Envelope>),
    /// Messages of an SQS queue, each with an envelope of its own.
    Queue(Vec<QueueMessage>),
}

/// One message of a batch. Each message succeeds or fails alone, so each has its own parse result.
#[derive(Debug)]
pub struct QueueMessage {
    pub id: String,
    pub envelope: Result<Envelope, EnvelopeError>,
}

/// The event is not from Postdate. The host answers with an error, so that Lambda sends the event to the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignEvent {
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("the event has records from {0:?}; expected an SQS event (\"aws:sqs\") or an envelope of Postdate")]
    Source(String),
    #[error("the event's Records are not those of an SQS event; expected messageId, eventSource and body in each record")]
    Records,
}

impl ForeignEvent {
    /// Returns a stable word for the error, the `errorType` of the answer.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Envelope(EnvelopeError::Version(_)) => "unknown-version",
            _ => "foreign-event",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    event_source: String,
    body: String,
}

impl Invocation {
    /// Parses the raw text of an event, which keeps the payload byte for byte. Fails if the event is neither an envelope nor an SQS
    /// batch.
    pub fn parse(json: &RawValue) -> Result<Self, ForeignEvent> {
        #[derive(Deserialize)]
        struct Batch<'a> {
            #[serde(rename = "Records", borrow)]
            records: &'a RawValue,
        }
        // serde accepts an array for a struct, so the check for an object is needed.
        let object = json.get().starts_with('{');
        let Some(batch) = serde_json::from_str::<Batch<'_>>(json.get()).ok().filter(|_| object) else {
            return Ok(Self::Direct(Box::new(Envelope::parse(json.get())?)));
        };
        let records: Vec<Record> = serde_json::from_str(batch.records.get()).map_err(|_| ForeignEvent::Records)?;
        if let Some(foreign) = records.iter().find(|record| record.event_source != "aws:sqs") {
            return Err(ForeignEvent::Source(foreign.event_source.clone()));
        }
        let messages = records.into_iter().map(|record| QueueMessage { id: record.message_id, envelope: Envelope::parse(&record.body) });
        Ok(Self::Queue(messages.collect()))
    }
}

/// Returns the answer that has Lambda deliver the failed messages of a batch again (`ReportBatchItemFailures`).
pub fn batch_response(failed: &[String]) -> Value {
    json!({ "batchItemFailures": failed.iter().map(|id| json!({ "itemIdentifier": id })).collect::<Vec<_>>() })
}
