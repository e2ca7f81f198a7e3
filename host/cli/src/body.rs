//! Reads a JSON body from the command line, a file or stdin, and adds trigger time and target.

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::{Context as _, bail};
use serde_json::value::RawValue;

/// Members of a body by name. Raw values keep all digits of numbers.
type Members = BTreeMap<String, Box<RawValue>>;

/// Returns the text that `--body` names: the argument itself if it starts like JSON, stdin for `-`, or else the file.
pub fn read(argument: &str) -> anyhow::Result<String> {
    if argument == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the body from stdin")?;
        return Ok(text);
    }
    if argument.trim_start().starts_with(['{', '[', '"']) {
        return Ok(argument.to_owned());
    }
    std::fs::read_to_string(argument).with_context(|| {
        format!("cannot read the body from the file {argument:?} (give a file, \"-\" for stdin, or the JSON object itself)")
    })
}

/// Arguments of the command line that replace members of the body.
#[derive(Debug, Default, Clone, Copy)]
pub struct Overrides<'a> {
    pub trigger_at: Option<&'a str>,
    pub delay: Option<&'a str>,
    pub target: Option<&'a str>,
}

/// Returns the body with the overrides. Fails if it is no JSON object, or has neither trigger time nor delay.
pub fn compose(body: &str, overrides: Overrides<'_>) -> anyhow::Result<String> {
    let mut members: Members = serde_json::from_str(body).context("the body must be a JSON object such as {\"item\":\"book\"}")?;
    if overrides.trigger_at.is_some() || overrides.delay.is_some() {
        // The API refuses a body with both.
        members.remove("triggerAt");
        members.remove("delay");
    }
    for (name, value) in [("triggerAt", overrides.trigger_at), ("delay", overrides.delay), ("target", overrides.target)] {
        if let Some(value) = value {
            members.insert(name.to_owned(), serde_json::value::to_raw_value(value)?);
        }
    }
    if !members.contains_key("triggerAt") && !members.contains_key("delay") {
        bail!(
            "the request has no time: give --at with a time such as 2027-03-01T09:00:00+01:00, --in with a delay such as 90s, or \"triggerAt\" in the body"
        );
    }
    Ok(serde_json::to_string(&members)?)
}

#[cfg(test)]
mod tests;
