//! Compares the answer of a plugin with the expected one. Pure; each difference is a line of text.

use postdate_core::plugin::{Acceptance, JobFailure, JobResult, PluginError, Problem, Verdict};
use postdate_core::time::parse_time;
use serde_json::{Value, json};

use crate::cases::{Expected, ExpectedAcceptance, ExpectedFailure, ExpectedProblem};

/// The answer of one call.
#[derive(Debug, Clone, PartialEq)]
pub enum PluginAnswer {
    Accepted(Acceptance),
    Problems(Vec<Problem>),
    Result(Option<String>),
    Failure(JobFailure),
    /// The call ended without an answer.
    Error {
        /// A word of [`ERRORS`](crate::cases::ERRORS).
        code: &'static str,
        message: String,
    },
}

impl From<Result<Verdict, PluginError>> for PluginAnswer {
    fn from(result: Result<Verdict, PluginError>) -> Self {
        match result {
            Ok(Ok(acceptance)) => Self::Accepted(acceptance),
            Ok(Err(problems)) => Self::Problems(problems),
            Err(error) => error.into(),
        }
    }
}

impl From<Result<JobResult, PluginError>> for PluginAnswer {
    fn from(result: Result<JobResult, PluginError>) -> Self {
        match result {
            Ok(Ok(result)) => Self::Result(result),
            Ok(Err(failure)) => Self::Failure(failure),
            Err(error) => error.into(),
        }
    }
}

impl From<PluginError> for PluginAnswer {
    fn from(error: PluginError) -> Self {
        Self::Error { code: error.reason.code(), message: error.to_string() }
    }
}

impl PluginAnswer {
    /// Returns the answer as a JSON document, whose member `outcome` names the variant.
    pub fn document(&self) -> Value {
        match self {
            Self::Accepted(acceptance) => json!({
                "outcome": "accepted",
                "body": acceptance.body.as_deref().map(json_or_text),
                "target": acceptance.target,
                "triggerAt": acceptance.trigger_at,
            }),
            Self::Problems(problems) => json!({ "outcome": "problems", "problems": problems }),
            Self::Result(result) => json!({ "outcome": "result", "result": result.as_deref().map(json_or_text) }),
            Self::Failure(failure) => json!({
                "outcome": "failure",
                "message": failure.message,
                "retry": failure.retry,
                "retryAfterSeconds": failure.retry_after.map(|wait| wait.as_secs()),
            }),
            Self::Error { code, message } => json!({ "outcome": "error", "error": code, "message": message }),
        }
    }
}

/// Returns the differences between the two; none if the case passes.
pub fn differences(expected: &Expected, got: &PluginAnswer) -> Vec<String> {
    match (expected, got) {
        (Expected::Accepted(expected), PluginAnswer::Accepted(got)) => acceptance(expected, got),
        (Expected::Problems(expected), PluginAnswer::Problems(got)) => problems(expected, got),
        (Expected::Result(expected), PluginAnswer::Result(got)) => result(expected, got.as_deref()),
        (Expected::Failure(expected), PluginAnswer::Failure(got)) => failure(expected, got),
        (Expected::Error(expected), PluginAnswer::Error { code, .. }) if expected == code => Vec::new(),
        (expected, got) => vec![format!("expected {}, got {}", name_of(expected), got.document())],
    }
}

fn name_of(expected: &Expected) -> String {
    match expected {
        Expected::Accepted(_) => "an acceptance".to_owned(),
        Expected::Problems(_) => "a rejection".to_owned(),
        Expected::Result(_) => "a result".to_owned(),
        Expected::Failure(_) => "a failure".to_owned(),
        Expected::Error(code) => format!("the error {code:?}"),
    }
}

fn acceptance(expected: &ExpectedAcceptance, got: &Acceptance) -> Vec<String> {
    let mut differences = Vec::new();
    if let Some(body) = &expected.body {
        match &got.body {
            Some(text) => subset(body, &json_or_text(text), "body", &mut differences),
            None => differences.push("body: expected a new body, but the validator keeps the request's".to_owned()),
        }
    }
    if expected.target.is_some() && expected.target != got.target {
        differences.push(unequal("target", expected.target.as_deref(), got.target.as_deref()));
    }
    if let Some(at) = &expected.trigger_at
        && !got.trigger_at.as_deref().is_some_and(|got| same_time(at, got))
    {
        differences.push(unequal("trigger-at", Some(at), got.trigger_at.as_deref()));
    }
    differences
}

/// Returns `true` for the same instant, also with different offsets.
pub(crate) fn same_time(one: &str, other: &str) -> bool {
    one == other || matches!((parse_time(one), parse_time(other)), (Ok(one), Ok(other)) if one == other)
}

fn problems(expected: &[ExpectedProblem], got: &[Problem]) -> Vec<String> {
    let mut rest: Vec<&Problem> = got.iter().collect();
    let mut differences = Vec::new();
    // Problems with a message come first: they match fewer problems than those without.
    let (with_message, without): (Vec<_>, Vec<_>) = expected.iter().partition(|problem| problem.message.is_some());
    for problem in with_message.into_iter().chain(without) {
        match rest.iter().position(|got| matches(problem, got)) {
            Some(index) => drop(rest.remove(index)),
            None => differences.push(format!("expected the problem {} at {:?}{}", problem.code, problem.pointer, message_text(problem))),
        }
    }
    differences
        .extend(rest.iter().map(|problem| format!("got the problem {} at {:?}: {:?}", problem.code, problem.pointer, problem.message)));
    differences
}

fn message_text(problem: &ExpectedProblem) -> String {
    problem.message.as_ref().map(|message| format!(": {message:?}")).unwrap_or_default()
}

fn matches(expected: &ExpectedProblem, got: &Problem) -> bool {
    expected.pointer == got.pointer && expected.code == got.code && expected.message.as_ref().is_none_or(|message| *message == got.message)
}

fn result(expected: &Value, got: Option<&str>) -> Vec<String> {
    let mut differences = Vec::new();
    match (expected, got) {
        (Value::Object(members), _) if members.is_empty() => {}
        (Value::String(text), got) if got != Some(text) => differences.push(unequal("result", Some(text), got)),
        (Value::String(_), _) => {}
        (expected, Some(got)) => subset(expected, &json_or_text(got), "result", &mut differences),
        (expected, None) => differences.push(format!("result: expected {expected}, got none")),
    }
    differences
}

fn failure(expected: &ExpectedFailure, got: &JobFailure) -> Vec<String> {
    let mut differences = Vec::new();
    if let Some(retry) = expected.retry
        && retry != got.retry
    {
        differences.push(format!("failure.retry: expected {retry}, got {} (message: {:?})", got.retry, got.message));
    }
    let got_seconds = got.retry_after.map(|wait| wait.as_secs());
    if let Some(seconds) = expected.retry_after_seconds
        && got_seconds != Some(seconds)
    {
        let got = got_seconds.map_or("none".to_owned(), |seconds| seconds.to_string());
        differences.push(format!("failure.retry-after-seconds: expected {seconds}, got {got}"));
    }
    if let Some(part) = &expected.message_contains
        && !got.message.contains(part)
    {
        differences.push(format!("failure.message: expected it to contain {part:?}, got {:?}", got.message));
    }
    differences
}

/// Adds the differences between two JSON values. `expected` may leave out members of objects at any depth.
fn subset(expected: &Value, got: &Value, path: &str, differences: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(members), Value::Object(others)) => {
            for (name, member) in members {
                let path = format!("{path}.{name}");
                match others.get(name) {
                    Some(other) => subset(member, other, &path, differences),
                    None => differences.push(format!("{path}: expected {member}, got none")),
                }
            }
        }
        (Value::Array(values), Value::Array(others)) if values.len() == others.len() => {
            for (index, (value, other)) in values.iter().zip(others).enumerate() {
                subset(value, other, &format!("{path}[{index}]"), differences);
            }
        }
        (expected, got) if same(expected, got) => {}
        (expected, got) => differences.push(format!("{path}: expected {expected}, got {got}")),
    }
}

/// Compares JSON values; the numbers 12 and 12.0 are equal.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    one == other
        || matches!((one, other), (Value::Number(one), Value::Number(other)) if one.is_f64() != other.is_f64() && one.as_f64() == other.as_f64())
}

fn unequal(path: &str, expected: Option<&str>, got: Option<&str>) -> String {
    let quoted = |text: Option<&str>| text.map_or("none".to_owned(), |text| format!("{text:?}"));
    format!("{path}: expected {}, got {}", quoted(expected), quoted(got))
}

pub(crate) fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests;
