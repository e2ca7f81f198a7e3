//! The shapes in which the target is invoked.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use postdate_core::envelope::{Envelope, EnvelopeError};

/// One invocation.
#[derive(Debug)]
pub enum Event {
    /// A rule's constant input, or a schedule's payload.
    Direct(Envelope),
    /// Messages of an SQS queue, each with an envelope of its own.
    Queue(Vec<QueueMessage>),
}

/// One message; whether it holds an envelope is known message by message, since each succeeds or fails on its own.
#[derive(Debug)]
pub struct QueueMessage {
    pub id: String,
    pub envelope: Result<Envelope, EnvelopeError>,
}

/// An event that is not ours. It is answered with an error, so that Lambda passes it on to the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignEvent {
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("the event has records of {0:?}; expected an SQS event (\"aws:sqs\") or an envelope of Postdate")]
    Source(String),
    #[error("the event has Records that are not those of an SQS event; expected messageId, eventSource and body in each")]
    Records,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    event_source: String,
    body: String,
}

impl Event {
    /// Reads the event as text, since a payload must not be written anew on its way.
    pub fn parse(json: &RawValue) -> Result<Self, ForeignEvent> {
        #[derive(Deserialize)]
        struct Batch<'a> {
            #[serde(rename = "Records", borrow)]
            records: &'a RawValue,
        }
        // serde would also read a struct from an array.
        let object = json.get().starts_with('{');
        let Some(batch) = serde_json::from_str::<Batch<'_>>(json.get()).ok().filter(|_| object) else {
            return Ok(Self::Direct(Envelope::parse(json.get())?));
        };
        let records: Vec<Record> = serde_json::from_str(batch.records.get()).map_err(|_| ForeignEvent::Records)?;
        if let Some(foreign) = records.iter().find(|record| record.event_source != "aws:sqs") {
            return Err(ForeignEvent::Source(foreign.event_source.clone()));
        }
        let messages = records.into_iter().map(|record| QueueMessage { id: record.message_id, envelope: Envelope::parse(&record.body) });
        Ok(Self::Queue(messages.collect()))
    }
}

/// Tells Lambda which messages of a batch are to be delivered again (`ReportBatchItemFailures`).
pub fn batch_response(failed: &[String]) -> Value {
    json!({ "batchItemFailures": failed.iter().map(|id| json!({ "itemIdentifier": id })).collect::<Vec<_>>() })
}
