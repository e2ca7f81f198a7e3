//! EventBridge Scheduler.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Problems, at_time};

pub fn schedule(found: &mut Problems, body: &Value, now: Option<DateTime<Utc>>) {
    found.name("Name", &body["Name"]);
    if !body["GroupName"].is_null() {
        found.name("GroupName", &body["GroupName"]);
    }
    let expression = body["ScheduleExpression"].as_str().unwrap_or_default();
    match at_time(expression) {
        Err(problem) => found.0.push(format!("Invalid Schedule Expression: {problem}")),
        // AWS's documentation does not say whether Scheduler accepts a time that has passed, nor whether it would fire.
        Ok(at) if now.is_some_and(|now| at <= now) => found.0.push(format!("`{expression}` is not in the future")),
        Ok(_) => {}
    }
    let zone = body["ScheduleExpressionTimezone"].as_str().unwrap_or("UTC");
    found.unless(zone == "UTC", || format!("ScheduleExpressionTimezone is `{zone}`: all times here are UTC"));
    token(found, &body["ClientToken"]);
    match body["FlexibleTimeWindow"]["Mode"].as_str() {
        Some("OFF") => {
            let minutes = &body["FlexibleTimeWindow"]["MaximumWindowInMinutes"];
            found.unless(minutes.is_null(), || "FlexibleTimeWindow.MaximumWindowInMinutes is allowed only with FLEXIBLE".to_owned());
        }
        Some("FLEXIBLE") => found.0.push("FlexibleTimeWindow.Mode is FLEXIBLE: it would fire at any time of the window".to_owned()),
        _ => found.0.push("FlexibleTimeWindow.Mode must be OFF or FLEXIBLE".to_owned()),
    }
    let after = body["ActionAfterCompletion"].as_str().unwrap_or("NONE");
    found.unless(matches!(after, "NONE" | "DELETE"), || format!("ActionAfterCompletion is `{after}`: NONE or DELETE are allowed"));
    let target = &body["Target"];
    found.arn("Target.Arn", &target["Arn"]);
    found.arn("Target.RoleArn", &target["RoleArn"]);
    let role = target["RoleArn"].as_str().unwrap_or_default();
    found.unless(role.contains(":role/"), || "Target.RoleArn must be the ARN of a role".to_owned());
    match target["Input"].as_str() {
        Some(input) => {
            found.length("Target.Input", input, 262_144, "bytes");
            found.json("Target.Input", input);
        }
        None => found.0.push("Target.Input is missing: the target would get no envelope".to_owned()),
    }
    found.delivery("Target", target);
}

/// Checks the client token: 1 to 64 of `[a-zA-Z0-9-_]`. The token must be set explicitly: an SDK's generated token is new in each
/// call, so that a repeated call is not idempotent.
fn token(found: &mut Problems, token: &Value) {
    let text = token.as_str().unwrap_or_default();
    found.unless((1..=64).contains(&text.len()), || format!("ClientToken has {} characters: 1 to 64 are allowed", text.len()));
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    found.unless(text.bytes().all(good), || "ClientToken must match [a-zA-Z0-9-_]+".to_owned());
}
