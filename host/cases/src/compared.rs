//! An expected document and the one that came, as a diff for people.

use std::time::Duration;

use serde_json::{Map, Value};
use similar::TextDiff;

use crate::cases::{Expected, ExpectedProblem};
use crate::compare::{PluginAnswer, json_or_text, same, same_time};

/// Limit of the search for a small diff of two large documents. Beyond it, the diff has more lines than it needs.
const SEARCH: Duration = Duration::from_millis(500);

/// Two documents that differ, as text of several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    expected: String,
    got: String,
}

impl Compared {
    /// Compares an answer with the expected one. Members that the case does not compare are left out.
    pub fn answers(expected: &Expected, got: &PluginAnswer) -> Self {
        let (expected, got) = if let (Expected::Problems(expected), PluginAnswer::Problems(_)) = (expected, got) {
            problems(expected, got)
        } else {
            let document = expected_document(expected, got);
            // Only an answer of the same kind has members that the case leaves out.
            let got = got_document(expected, got);
            let kept = if document["outcome"] == got["outcome"] { aligned(&document, &got, false) } else { got };
            (document, kept)
        };
        Self { expected: text(&expected), got: text(&got) }
    }

    /// Compares two bodies of a request.
    pub fn bodies(expected: &str, got: &str) -> Self {
        let (expected, got) = (json_or_text(expected), json_or_text(got));
        Self { got: text(&aligned(&expected, &got, true)), expected: text(&expected) }
    }

    /// Returns a unified diff, with three lines of context.
    pub fn diff(&self) -> String {
        let diff = TextDiff::configure().timeout(SEARCH).diff_lines(&self.expected, &self.got);
        diff.unified_diff().header("expected", "got").to_string()
    }
}

/// Returns the expected answer in the form of [`PluginAnswer::document`]. Takes from the answer what fits without being equal: a time with
/// another offset, and a message that contains the expected text.
fn expected_document(expected: &Expected, got: &PluginAnswer) -> Value {
    let mut document = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            document.insert(name.to_owned(), value);
        }
    };
    match expected {
        Expected::Accepted(expected) => {
            let at = match (&expected.trigger_at, got) {
                (Some(at), PluginAnswer::Accepted(got)) => got.trigger_at.as_ref().filter(|got| same_time(at, got)),
                _ => None,
            };
            set("outcome", Some("accepted".into()));
            set("body", expected.body.clone());
            set("target", expected.target.clone().map(Value::from));
            set("triggerAt", at.or(expected.trigger_at.as_ref()).cloned().map(Value::from));
        }
        Expected::Problems(expected) => {
            set("outcome", Some("problems".into()));
            set("problems", Some(expected.iter().map(problem).collect()));
        }
        Expected::Result(result) => {
            let any = result.as_object().is_some_and(Map::is_empty);
            set("outcome", Some("result".into()));
            set("result", Some(result.clone()).filter(|_| !any));
        }
        Expected::Failure(expected) => {
            let message = match (&expected.message_contains, got) {
                (Some(part), PluginAnswer::Failure(got)) if got.message.contains(part) => Some(got.message.clone()),
                (Some(part), _) => Some(format!("…{part}…")),
                (None, _) => None,
            };
            set("outcome", Some("failure".into()));
            set("message", message.map(Value::from));
            set("retry", expected.retry.map(Value::from));
            set("retryAfterSeconds", expected.retry_after_seconds.map(Value::from));
        }
        Expected::Error(code) => {
            set("outcome", Some("error".into()));
            set("error", Some(code.as_str().into()));
        }
    }
    Value::Object(document)
}

/// Returns the document of an answer. A result that is compared as text stays text.
fn got_document(expected: &Expected, got: &PluginAnswer) -> Value {
    let mut document = got.document();
    if let (Expected::Result(Value::String(_)), PluginAnswer::Result(Some(text))) = (expected, got) {
        document["result"] = text.as_str().into();
    }
    document
}

fn problem(expected: &ExpectedProblem) -> Value {
    let mut document = Map::from_iter(
        [("pointer", &expected.pointer), ("code", &expected.code)].map(|(name, text)| (name.to_owned(), text.as_str().into())),
    );
    if let Some(message) = &expected.message {
        document.insert("message".to_owned(), message.as_str().into());
    }
    Value::Object(document)
}

/// Returns both lists of problems, those that match first.
fn problems(expected: &[ExpectedProblem], got: &PluginAnswer) -> (Value, Value) {
    let mut got = got.document();
    let mut rest = got["problems"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let mut expected: Vec<Value> = expected.iter().map(problem).collect();
    // As in the comparison, a problem with a message is matched before one without.
    expected.sort_by_key(|problem| problem.get("message").is_none());
    let (mut matched, mut missing) = (Vec::new(), Vec::new());
    for problem in expected {
        match rest.iter().position(|got| aligned(&problem, got, false) == problem) {
            Some(index) => {
                rest.remove(index);
                matched.push(problem);
            }
            None => missing.push(problem),
        }
    }
    let document = |more: Vec<Value>| {
        let all: Vec<Value> = matched.iter().cloned().chain(more).collect();
        serde_json::json!({ "outcome": "problems", "problems": all })
    };
    (document(missing), document(rest))
}

/// Returns `got` with its members in the order of `expected`, and with equal numbers written as there. The members that `expected` does
/// not have follow if `more`, else they are left out.
fn aligned(expected: &Value, got: &Value, more: bool) -> Value {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let common = expected.iter().filter_map(|(name, value)| Some((name.clone(), aligned(value, got.get(name)?, more))));
            let rest =
                got.iter().filter(|(name, _)| more && !expected.contains_key(*name)).map(|(name, value)| (name.clone(), value.clone()));
            Value::Object(common.chain(rest).collect())
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            expected.iter().zip(got).map(|(expected, got)| aligned(expected, got, more)).collect()
        }
        (expected, got) => if same(expected, got) { expected } else { got }.clone(),
    }
}

fn text(document: &Value) -> String {
    match document {
        Value::String(text) => format!("{text}\n"),
        other => format!("{other:#}\n"),
    }
}

#[cfg(test)]
mod tests;
