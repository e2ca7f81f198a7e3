//! SQS and SNS.

use serde_json::Value;

use super::{Problems, is_fifo};

/// Maximum size of a message with its attributes: 1 MiB in SQS since August 2025, 256 KiB in SNS.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>, and `Publish` in SNS's
/// API reference.
const SQS_BYTES: usize = 1_048_576;
const SNS_BYTES: usize = 262_144;

pub fn message(found: &mut Problems, body: &Value, queue: &str) {
    let content = body["MessageBody"].as_str().unwrap_or_default();
    found.unless(!content.is_empty(), || "MessageBody is missing".to_owned());
    let bytes = size(content, &body["MessageAttributes"]);
    found.unless(bytes <= SQS_BYTES, || format!("the message has {bytes} bytes: at most {SQS_BYTES} are allowed"));
    found.unless(content.chars().all(is_allowed), || "MessageBody has characters that SQS does not allow".to_owned());
    found.range("DelaySeconds", &body["DelaySeconds"], 0..=900);
    attributes(found, &body["MessageAttributes"]);
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
    let mut bytes = 0;
    for (index, entry) in entries.iter().enumerate() {
        let id = entry["Id"].as_str().unwrap_or_default();
        let good = (1..=80).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        found.unless(good, || format!("Id `{id}` must match [A-Za-z0-9_-]{{1,80}}"));
        found.unless(entries[..index].iter().all(|other| other["Id"] != *id), || format!("two entries have the Id `{id}`"));
        message(found, entry, body["QueueUrl"].as_str().unwrap_or_default());
        bytes += size(entry["MessageBody"].as_str().unwrap_or_default(), &entry["MessageAttributes"]);
    }
    found.unless(bytes <= SQS_BYTES, || format!("the batch has {bytes} bytes: at most {SQS_BYTES} are allowed"));
}

pub fn notification(found: &mut Problems, body: &Value) {
    let content = body["Message"].as_str().unwrap_or_default();
    found.unless(!content.is_empty(), || "Message is missing".to_owned());
    let bytes = size(content, &body["MessageAttributes"]);
    found.unless(bytes <= SNS_BYTES, || format!("the message has {bytes} bytes: at most {SNS_BYTES} are allowed"));
    attributes(found, &body["MessageAttributes"]);
    let topic = if body["TopicArn"].is_string() { &body["TopicArn"] } else { &body["TargetArn"] };
    found.arn("TopicArn", topic);
    if let Some(subject) = body["Subject"].as_str() {
        let good = subject.len() <= 100 && !subject.is_empty() && subject.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        found.unless(good, || "Subject must be 1 to 100 ASCII characters on one line".to_owned());
    }
    if topic.as_str().is_some_and(is_fifo) {
        identifier(found, "MessageGroupId", &body["MessageGroupId"]);
        identifier(found, "MessageDeduplicationId", &body["MessageDeduplicationId"]);
    }
}

/// Returns the size of a message. Name, type and value of each attribute are part of it.
fn size(content: &str, attributes: &Value) -> usize {
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    let sizes = attributes.as_object().into_iter().flatten();
    let sizes =
        sizes.map(|(name, value)| name.len() + text(&value["DataType"]) + text(&value["StringValue"]) + text(&value["BinaryValue"]));
    content.len() + sizes.sum::<usize>()
}

/// Checks the attributes of a message. Names: up to 256 of `[A-Za-z0-9_.-]`, no period at an end or after another, and no prefix of
/// AWS's. Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>.
fn attributes(found: &mut Problems, attributes: &Value) {
    let attributes: Vec<_> = attributes.as_object().into_iter().flatten().collect();
    found.unless(attributes.len() <= 10, || format!("{} attributes: at most 10 are allowed", attributes.len()));
    for (name, value) in attributes {
        let (edge, lower) = (name.starts_with('.') || name.ends_with('.') || name.contains(".."), name.to_ascii_lowercase());
        let good = (1..=256).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        found.unless(good && !edge, || format!("the attribute name `{name}` must match [A-Za-z0-9_.-]{{1,256}}"));
        found.unless(!lower.starts_with("aws.") && !lower.starts_with("amazon."), || format!("the attribute name `{name}` is reserved"));
        let content = value["StringValue"].as_str();
        let good = content.is_none_or(|text| !text.is_empty() && text.chars().all(is_allowed));
        found.unless(good, || format!("the attribute {name} is empty or has characters that SQS does not allow"));
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
