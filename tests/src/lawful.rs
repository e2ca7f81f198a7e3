//! AWS's limits on calls that neither moto nor the services' models check. The numbers are from each action's page in the API
//! references, unless another source is named.

mod cron;
mod events;
mod messages;
mod scheduler;
mod table;
mod targets;

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use cron::{at_time, cron_time};
pub use table::item_bytes;

/// Returns the reasons for which AWS would refuse a call at `now`. Empty for a valid call, and for an action without checks here.
/// Without `now`, a time in the past is no reason: the call was made earlier.
pub fn problems(service: &str, action: &str, body: &Value, now: Option<DateTime<Utc>>) -> Vec<String> {
    let mut found = Problems(Vec::new());
    match (service, action) {
        ("events", "PutRule") => events::rule(&mut found, body),
        ("events", "PutTargets") => events::targets(&mut found, body),
        ("events", "PutEvents") => events::entries(&mut found, body),
        ("scheduler", "CreateSchedule" | "UpdateSchedule") => scheduler::schedule(&mut found, body, now),
        ("dynamodb", "PutItem" | "UpdateItem" | "DeleteItem" | "GetItem" | "Query") => table::action(&mut found, "", body),
        ("dynamodb", "TransactWriteItems") => table::transaction(&mut found, body),
        ("lambda", "Invoke") => targets::invocation(&mut found, body),
        ("states", "StartExecution") => targets::execution(&mut found, body),
        ("sqs", "SendMessage") => messages::message(&mut found, body, body["QueueUrl"].as_str().unwrap_or_default()),
        ("sqs", "SendMessageBatch") => messages::batch(&mut found, body),
        ("sns", "Publish") => messages::notification(&mut found, body),
        _ => {}
    }
    found.0
}

/// The problems found in a call, each with its place.
struct Problems(Vec<String>);

impl Problems {
    fn unless(&mut self, good: bool, problem: impl FnOnce() -> String) {
        if !good {
            self.0.push(problem());
        }
    }

    /// Checks the name of a rule or a schedule: 1 to 64 of `[.\-_A-Za-z0-9]`.
    fn name(&mut self, place: &str, name: &Value) {
        let text = name.as_str().unwrap_or_default();
        let length = text.chars().count();
        self.unless((1..=64).contains(&length), || format!("{place} has {length} characters: 1 to 64 are allowed"));
        let good = |character: char| character.is_ascii_alphanumeric() || ".-_".contains(character);
        self.unless(text.chars().all(good), || format!("{place} `{text}` must match [.\\-_A-Za-z0-9]+"));
    }

    fn arn(&mut self, place: &str, arn: &Value) {
        let text = arn.as_str().unwrap_or_default();
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let good = parts.len() == 6 && parts[0] == "arn" && parts[1].starts_with("aws") && !parts[2].is_empty() && !parts[5].is_empty();
        self.unless(good, || format!("{place} is not an ARN: {arn}"));
    }

    fn range(&mut self, place: &str, value: &Value, allowed: std::ops::RangeInclusive<i64>) {
        if value.is_null() {
            return;
        }
        let good = value.as_i64().is_some_and(|number| allowed.contains(&number));
        self.unless(good, || format!("{place} is {value}: {} to {} are allowed", allowed.start(), allowed.end()));
    }

    fn length(&mut self, place: &str, text: &str, most: usize, unit: &str) {
        let length = if unit == "bytes" { text.len() } else { text.chars().count() };
        self.unless(length <= most, || format!("{place} has {length} {unit}: at most {most} are allowed"));
    }

    /// Checks that a text is a JSON document.
    fn json(&mut self, place: &str, text: &str) {
        let parsed = serde_json::from_str::<Value>(text);
        self.unless(parsed.is_ok(), || format!("{place} is not JSON"));
    }

    /// Checks `RetryPolicy` and `DeadLetterConfig`, which rules and schedules share. The dead-letter queue must be a standard queue.
    fn delivery(&mut self, place: &str, target: &Value) {
        let policy = &target["RetryPolicy"];
        self.range(&format!("{place}.RetryPolicy.MaximumEventAgeInSeconds"), &policy["MaximumEventAgeInSeconds"], 60..=86_400);
        self.range(&format!("{place}.RetryPolicy.MaximumRetryAttempts"), &policy["MaximumRetryAttempts"], 0..=185);
        let queue = &target["DeadLetterConfig"]["Arn"];
        // Optional on AWS. Postdate needs it: without the queue, AWS drops undeliverable events without a trace.
        self.arn(&format!("{place}.DeadLetterConfig.Arn"), queue);
        let standard = queue.as_str().is_none_or(|arn| arn.contains(":sqs:") && !is_fifo(arn));
        self.unless(standard, || format!("{place}.DeadLetterConfig.Arn must be a standard SQS queue"));
    }
}

fn is_fifo(queue: &str) -> bool {
    std::path::Path::new(queue).extension().is_some_and(|extension| extension == "fifo")
}

#[cfg(test)]
mod tests;
