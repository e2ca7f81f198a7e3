//! An error answer of the API (RFC 9457) for people: what, code, each problem, correlation id, and what to do next.

use std::fmt;

use reqwest::Method;
use serde_json::Value;

use super::client::Call;
use super::show::text_of;
use crate::output::{columns, printable};

/// What the server was asked to do, as far as the advice depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To accept a request: the one call that a repeat may do twice, but for an idempotency key.
    ToAccept,
    ToUpload,
    Otherwise,
}

impl Asked {
    pub fn of(call: &Call<'_>) -> Self {
        match (&call.method, call.path) {
            (&Method::POST, ["requests", _use_case]) => Self::ToAccept,
            _ => Self::Otherwise,
        }
    }
}

/// An `application/problem+json` answer.
#[derive(Debug)]
pub struct Problem {
    pub asked: Asked,
    pub status: u16,
    /// Seconds or a date, as the header said it.
    pub retry_after: Option<String>,
    /// The answer as it came.
    pub text: String,
    pub json: Value,
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = text_of(&self.json, "code");
        let what = match text_of(&self.json, "detail") {
            detail if detail.is_empty() => text_of(&self.json, "title"),
            detail => detail,
        };
        write!(f, "{what}\n  code: {code} (HTTP {})", self.status)?;
        let problems: Vec<Vec<String>> = self.json["problems"].as_array().into_iter().flatten().map(problem_row).collect();
        if !problems.is_empty() {
            write!(f, "\n  problems:\n{}", columns(&problems, "    ").trim_end())?;
        } else if let Some(pointer) = self.json["pointer"].as_str() {
            write!(f, "\n  where: {}", printable(pointer))?;
        }
        write!(f, "\n  correlation id: {}", text_of(&self.json, "correlationId"))?;
        if let Some(next) = self.next_step(&code) {
            write!(f, "\n  next: {next}")?;
        }
        Ok(())
    }
}

fn problem_row(problem: &Value) -> Vec<String> {
    let pointer = match text_of(problem, "pointer") {
        pointer if pointer.is_empty() => "(whole body)".to_owned(),
        pointer => pointer,
    };
    vec![pointer, text_of(problem, "code"), text_of(problem, "message")]
}

impl Problem {
    fn next_step(&self, code: &str) -> Option<String> {
        let id = text_of(&self.json, "correlationId");
        Some(match code {
            "unauthorized" => "give the key of the server with POSTDATE_API_KEY or --api-key".to_owned(),
            "unknown-use-case" => "see the names with `postdate use-case list`".to_owned(),
            "use-case-broken" => "see what is wrong with it with `postdate use-case list`".to_owned(),
            "unknown-request" => "see the ids with `postdate request list`".to_owned(),
            "unknown-target" => "name one of them with --target, or none for the use case's default".to_owned(),
            "rejected" => "nothing was scheduled: correct what the problems point at, and post again".to_owned(),
            "trigger-missing" | "trigger-ambiguous" | "trigger-malformed" | "trigger-without-offset" => {
                "give --at 2027-03-01T09:00:00+01:00, or --in 90s".to_owned()
            }
            "trigger-in-past" => "give a later time with --at, or a delay with --in".to_owned(),
            "trigger-too-far" => "give an earlier time, or raise schedule.max-ahead in the use case's manifest".to_owned(),
            "validator-failed" | "validator-answer-unusable" if self.status != 503 => {
                format!(
                    "the plugin is at fault: look for {id} in the server's log, and try it with `postdate plugin run validate DIR --body FILE`"
                )
            }
            "not-scheduled" | "not-failed" => format!("see how it stands with `postdate request get {id}`"),
            "idempotency-key-reused" => {
                format!("take a new key for a new request; the first one is `postdate request get {}`", text_of(&self.json, "first"))
            }
            "payload-too-large" if self.asked == Asked::ToUpload => "make the bundle's files smaller".to_owned(),
            "payload-too-large" => "send less: put large content elsewhere and name it in the body".to_owned(),
            _ if self.status == 503 => {
                let wait = self.retry_after.as_ref().map_or_else(|| "a moment".to_owned(), |seconds| format!("{} s", printable(seconds)));
                let safely = if self.asked == Asked::ToAccept { "; with --idempotency-key a repeat is safe" } else { "" };
                format!("try again in {wait}{safely}")
            }
            _ if self.status >= 500 => format!("look for {id} in the server's log"),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
