//! EventBridge: rules, their targets, events.

use serde_json::Value;

use super::messages::is_allowed;
use super::{Problems, cron_time, is_fifo};

pub fn rule(found: &mut Problems, body: &Value) {
    found.name("Name", &body["Name"]);
    found.length("Description", body["Description"].as_str().unwrap_or_default(), 512, "characters");
    found.length("ScheduleExpression", body["ScheduleExpression"].as_str().unwrap_or_default(), 256, "characters");
    if let Err(problem) = cron_time(body["ScheduleExpression"].as_str().unwrap_or_default()) {
        found.0.push(format!("Parameter ScheduleExpression is not valid: {problem}"));
    }
    let bus = body["EventBusName"].as_str().unwrap_or("default");
    found.unless(bus == "default", || "ScheduleExpression is supported only on the default event bus".to_owned());
    let state = body["State"].as_str().unwrap_or("ENABLED");
    found.unless(state == "ENABLED", || format!("a rule in state {state} does not fire"));
}

/// Checks the body of `PutTargets`, or the stored targets of a rule in the same form, `{"Rule","Targets"}`.
pub fn targets(found: &mut Problems, body: &Value) {
    found.name("Rule", &body["Rule"]);
    let targets = body["Targets"].as_array().map(Vec::as_slice).unwrap_or_default();
    found.unless((1..=5).contains(&targets.len()), || format!("{} targets: a rule can have 1 to 5", targets.len()));
    for (index, one) in targets.iter().enumerate() {
        target(found, &format!("Targets[{index}]"), one);
    }
}

fn target(found: &mut Problems, place: &str, target: &Value) {
    found.name(&format!("{place}.Id"), &target["Id"]);
    found.arn(&format!("{place}.Arn"), &target["Arn"]);
    match target["Input"].as_str() {
        Some(input) => {
            found.length(&format!("{place}.Input"), input, 8192, "characters");
            found.json(&format!("{place}.Input"), input);
            // EventBridge accepts any character, and its delivery to a queue fails later.
            found.unless(input.chars().all(is_allowed), || format!("{place}.Input has characters that SQS does not allow"));
        }
        // Optional on AWS. Postdate needs it: EventBridge's own event, the default, names no request.
        None => found.0.push(format!("{place}.Input is missing")),
    }
    found.delivery(place, target);
    let arn = target["Arn"].as_str().unwrap_or_default();
    let service = arn.split(':').nth(2).unwrap_or_default();
    // "For API destinations, ECS tasks, event buses, Kinesis streams, Step Functions state machines: the IAM role."
    if matches!(service, "states" | "kinesis" | "ecs" | "events" | "firehose" | "ssm" | "codebuild") {
        found.arn(&format!("{place}.RoleArn"), &target["RoleArn"]);
    }
    if service == "sqs" && is_fifo(arn) {
        let group = target["SqsParameters"]["MessageGroupId"].as_str().unwrap_or_default();
        found.unless(!group.is_empty(), || format!("{place}.SqsParameters.MessageGroupId is missing, and {arn} is a FIFO queue"));
    }
    if service == "ecs" {
        found.arn(&format!("{place}.EcsParameters.TaskDefinitionArn"), &target["EcsParameters"]["TaskDefinitionArn"]);
    }
}

pub fn entries(found: &mut Problems, body: &Value) {
    let entries = body["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    found.unless((1..=10).contains(&entries.len()), || format!("{} entries: 1 to 10 are allowed", entries.len()));
    let mut bytes = 0;
    for (index, entry) in entries.iter().enumerate() {
        for member in ["Source", "DetailType", "Detail"] {
            let text = entry[member].as_str().unwrap_or_default();
            found.unless(!text.is_empty(), || format!("Entries[{index}].{member} is missing"));
            bytes += text.len();
        }
        // "If the Time parameter is specified, it is measured as 14 bytes."
        bytes += if entry["Time"].is_null() { 0 } else { 14 };
        bytes += entry["Resources"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::len).sum::<usize>();
        let source = entry["Source"].as_str().unwrap_or_default();
        found.unless(!source.starts_with("aws."), || format!("Entries[{index}].Source `{source}` is reserved for AWS"));
        found.length(&format!("Entries[{index}].DetailType"), entry["DetailType"].as_str().unwrap_or_default(), 128, "characters");
        found.json(&format!("Entries[{index}].Detail"), entry["Detail"].as_str().unwrap_or_default());
    }
    // Since January 2026: https://aws.amazon.com/blogs/compute/more-room-to-build-serverless-services-now-support-payloads-up-to-1-mb
    found.unless(bytes < 1_048_576, || format!("the entries have {bytes} bytes: less than 1048576 are allowed"));
}
