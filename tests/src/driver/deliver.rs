//! Deliveries, and AWS's retries and dead letters after a failure.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Driver, Due, Source};
use crate::aws::REGION;
use crate::lambda::{Failure, Function};

/// Values of `infra/template.yaml`: the delay queue's redrive policy and visibility timeout, the function's asynchronous retries.
const MAX_RECEIVE_COUNT: u32 = 5;
const VISIBILITY: TimeDelta = TimeDelta::seconds(180);
const MAX_ASYNC_DELIVERIES: u32 = 3;

pub async fn deliver(function: &Function, due: &Due) -> Result<Value, Failure> {
    if due.source != Source::Message {
        return function.invoke(&due.event).await;
    }
    let answer = function.invoke(&sqs_event(due, &due.queue)).await?;
    let failures = answer["batchItemFailures"].as_array().map(Vec::as_slice).unwrap_or_default();
    if failures.is_empty() {
        return Ok(answer);
    }
    Err(Failure { kind: "batchItemFailures".to_owned(), message: answer.to_string() })
}

/// Returns the next delivery of an event whose delivery failed, or `None` after the last one.
pub fn again(due: &Due, now: DateTime<Utc>) -> Option<Due> {
    let deliveries = due.deliveries + 1;
    let (most, wait) = match due.source {
        Source::Message => (MAX_RECEIVE_COUNT, VISIBILITY),
        // Lambda waits one minute before the second delivery and two minutes before the third.
        Source::Rule | Source::Schedule => (MAX_ASYNC_DELIVERIES, TimeDelta::minutes(deliveries.into())),
    };
    (deliveries < most).then(|| Due { deliveries, at: now + wait, ..due.clone() })
}

/// Returns the event that Lambda makes of one message.
pub fn sqs_event(due: &Due, queue: &str) -> Value {
    let body = due.event.as_str().map_or_else(|| due.event.to_string(), str::to_owned);
    let mut path = queue.rsplit('/');
    let (name, account) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    let sent = due.at.timestamp_millis().to_string();
    json!({ "Records": [{
        "messageId": due.name,
        "receiptHandle": format!("{}-{}", due.name, due.deliveries),
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": (due.deliveries + 1).to_string(),
            "SentTimestamp": sent,
            "SenderId": "AROAOFTHETEST:processor",
            "ApproximateFirstReceiveTimestamp": sent,
        },
        "messageAttributes": {},
        // A digest of the right length. The functions do not check it.
        "md5OfBody": hex(&Sha256::digest(&body)[..16]),
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:{REGION}:{account}:{name}"),
        "awsRegion": REGION,
    }] })
}

impl Driver {
    /// Sends an event to the dead-letter queue after its last delivery: SQS moves the message, Lambda sends an invocation record.
    pub(super) async fn give_up(&self, due: &Due, failure: &Failure) {
        let body = match due.source {
            Source::Message => due.event.clone(),
            Source::Rule | Source::Schedule => invocation_record(due, failure, self.clock.now()),
        };
        self.aws.send_message(&self.sources.dead_letters, &text_of(&body), &[]).await;
    }

    /// Sends an event to the dead-letter queue as EventBridge does if it cannot invoke the target, such as for
    /// `NO_PERMISSIONS`, or `THROTTLING` until the maximum age. Message attributes give the error.
    pub async fn undeliverable(&self, due: &Due, code: &str) {
        self.state().fired.insert(due.key.clone());
        let kind = if due.source == Source::Schedule { "scheduler" } else { "events" };
        let resource = match due.source {
            Source::Schedule => self.aws.arn(kind, &format!("schedule/{}/{}", self.sources.group, due.name)),
            _ => self.aws.arn(kind, &format!("rule/{}", due.name)),
        };
        let name = if due.source == Source::Schedule { "SCHEDULE_ARN" } else { "RULE_ARN" };
        let attributes = [
            (name, resource.as_str()),
            ("TARGET_ARN", &due.target),
            ("ERROR_CODE", code),
            ("ERROR_MESSAGE", "injected by the test"),
            ("EXHAUSTED_RETRY_CONDITION", "MaximumEventAgeInSeconds"),
            ("RETRY_ATTEMPTS", "12"),
        ];
        self.aws.send_message(&self.sources.dead_letters, &text_of(&due.event), &attributes).await;
        self.complete(due).await;
    }
}

/// Returns an invocation record. Source: "Retaining records of asynchronous invocations", Lambda's developer guide.
fn invocation_record(due: &Due, failure: &Failure, now: DateTime<Utc>) -> Value {
    json!({
        "version": "1.0",
        "timestamp": now.to_rfc3339_opts(SecondsFormat::Millis, true),
        "requestContext": {
            "requestId": "00000000-0000-4000-8000-000000000000",
            "functionArn": format!("{}:$LATEST", due.target),
            "condition": "RetriesExhausted",
            "approximateInvokeCount": due.deliveries + 1,
        },
        "requestPayload": due.event,
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "responsePayload": { "errorType": failure.kind, "errorMessage": failure.message },
    })
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
