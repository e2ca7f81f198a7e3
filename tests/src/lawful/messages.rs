//! SQS and SNS.

use serde_json::Value;

use super::{Problems, is_fifo};

/// Maximum size of a message with its attributes: 1 MiB in SQS, 256 KiB in SNS.
const SQS_BYTES: usize = 1_048_576;
const SNS_BYTES: usize = 262_144;

pub fn message(found: &mut Problems, body: &Value, queue: &str) {
    let content = body["MessageBody"].as_str().unwrap_or_default();
    found.unless(!content.is_empty(), || "MessageBody is missing".to_owned());
    found.length("MessageBody", content, SQS_BYTES, "bytes");
    found.unless(content.chars().all(is_allowed), || "MessageBody has characters that SQS does not allow".to_owned());
    found.range("DelaySeconds", &body["DelaySeconds"], 0..=900);
    let attributes = body["MessageAttributes"].as_object().map_or(0, serde_json::Map::len);
    found.unless(attributes <= 10, || format!("{attributes} attributes: at most 10 are allowed"));
    if is_fifo(queue) {
        identifier(found, "MessageGroupId", &body["MessageGroupId"]);
        // Required unless the queue has content-based deduplication.
        identifier(found, "MessageDeduplicationId", &body["MessageDeduplicationId"]);
        let delay = body["DelaySeconds"].as_i64().unwrap_or(0);
        found.unless(delay == 0, || "DelaySeconds cannot be set on a message to a FIFO queue".to_owned());
    }
}

pub fn batch(found: &mut Problems, body: &Value) {
    let entries = body["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    found.unless((1..=10).contains(&entries.len()), || format!("{} entries: 1 to 10 are allowed", entries.len()));
    for entry in entries {
        identifier(found, "Id", &entry["Id"]);
        message(found, entry, body["QueueUrl"].as_str().unwrap_or_default());
    }
}

pub fn notification(found: &mut Problems, form: &Value) {
    let content = form["Message"].as_str().unwrap_or_default();
    found.unless(!content.is_empty(), || "Message is missing".to_owned());
    found.length("Message", content, SNS_BYTES, "bytes");
    let topic = if form["TopicArn"].is_string() { &form["TopicArn"] } else { &form["TargetArn"] };
    found.arn("TopicArn", topic);
    if let Some(subject) = form["Subject"].as_str() {
        let good = subject.len() <= 100 && !subject.is_empty() && subject.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        found.unless(good, || "Subject must be 1 to 100 ASCII characters on one line".to_owned());
    }
    if topic.as_str().is_some_and(is_fifo) {
        identifier(found, "MessageGroupId", &form["MessageGroupId"]);
        identifier(found, "MessageDeduplicationId", &form["MessageDeduplicationId"]);
    }
}

/// Checks for 1 to 128 printable ASCII characters.
fn identifier(found: &mut Problems, place: &str, value: &Value) {
    let text = value.as_str().unwrap_or_default();
    let good = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    found.unless(good, || format!("{place} must be 1 to 128 printable characters: {value}"));
}

/// Returns `true` for a character that SQS allows: "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF".
pub fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
