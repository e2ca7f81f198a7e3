//! Calls to the targets of requests: Lambda functions, state machines.

use serde_json::Value;

use super::Problems;

/// Maximum of a function's payload: 6 MB if the caller waits, 1 MB if it does not.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const PAYLOAD_BYTES: usize = 6 << 20;
const EVENT_BYTES: usize = 1 << 20;
/// Maximum of an execution's input: 256 KiB.
const INPUT_BYTES: usize = 262_144;

pub fn invocation(found: &mut Problems, body: &Value) {
    let payload = body["Payload"].as_str().unwrap_or_default();
    let most = if body["InvocationType"] == "Event" { EVENT_BYTES } else { PAYLOAD_BYTES };
    found.length("Payload", payload, most, "bytes");
    found.json("Payload", if payload.is_empty() { "{}" } else { payload });
}

pub fn execution(found: &mut Problems, body: &Value) {
    found.arn("stateMachineArn", &body["stateMachineArn"]);
    let input = body["input"].as_str().unwrap_or("{}");
    found.length("input", input, INPUT_BYTES, "bytes");
    found.json("input", input);
    if let Some(name) = body["name"].as_str() {
        // "A name must not contain: white space, brackets, wildcard characters, special characters, control characters."
        let bad = |character: char| {
            character.is_whitespace() || character.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(character) || !character.is_ascii()
        };
        found.unless(!name.contains(bad), || format!("name `{name}` has characters that Step Functions does not allow"));
    }
}
