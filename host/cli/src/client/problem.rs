//! An error answer of the API (RFC 9457) as text: detail, code, problems, correlation id, and the next step.

use std::fmt;

use reqwest::Method;
use serde_json::Value;

use crate::output::{columns, printable, text_of};

/// The kinds of calls that the next step depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// Posts a request: the one call that is not idempotent without an idempotency key.
    Post,
    Upload,
    Other,
}

impl CallKind {
    pub fn of(method: &Method, path: &[&str]) -> Self {
        match (method, path) {
            (&Method::POST, ["requests", _use_case]) => Self::Post,
            _ => Self::Other,
        }
    }
}

/// The code of an answer that a gateway before the API gave.
pub const GATEWAY: &str = "gateway";

/// An `application/problem+json` answer.
#[derive(Debug)]
pub struct ProblemReport {
    pub action: CallKind,
    pub status: u16,
    /// Value of the header `Retry-After`: seconds or a date.
    pub retry_after: Option<String>,
    /// The body, unchanged.
    pub text: String,
    /// The body, parsed.
    pub json: Value,
}

impl std::error::Error for ProblemReport {}

impl fmt::Display for ProblemReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = text_of(&self.json, "code");
        let detail = match text_of(&self.json, "detail") {
            detail if detail.is_empty() => text_of(&self.json, "title"),
            detail => detail,
        };
        write!(f, "{detail}\n  code: {code} (HTTP {})", self.status)?;
        let problems: Vec<Vec<String>> = self.json["problems"].as_array().into_iter().flatten().map(problem_row).collect();
        if !problems.is_empty() {
            write!(f, "\n  problems:\n{}", columns(&problems, "    ").trim_end())?;
        } else if let Some(pointer) = self.json["pointer"].as_str() {
            write!(f, "\n  where: {}", printable(pointer))?;
        }
        if let Some(reason) = self.json["ledger"]["refuses"].as_str() {
            write!(f, "\n  ledger: {}", printable(reason))?;
        }
        if self.json["correlationId"].is_string() {
            write!(f, "\n  correlation id: {}", text_of(&self.json, "correlationId"))?;
        }
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

impl ProblemReport {
    /// Returns whether a gateway before the API has a limit of calls, which the call is over.
    pub fn is_limited_by_gateway(&self) -> bool {
        self.status == 429 && self.json["code"] == GATEWAY
    }

    /// Returns the advice about the repeat of a post, which may have been accepted; empty for other calls.
    fn about_repeat(&self) -> &'static str {
        if self.action == CallKind::Post { "; with --idempotency-key a repeat is safe" } else { "" }
    }

    /// Returns the advice for an error code, or `None` where the detail says everything.
    fn next_step(&self, code: &str) -> Option<String> {
        let id = text_of(&self.json, "correlationId");
        Some(match code {
            "unauthorized" => "give the server's key with POSTDATE_API_KEY or --api-key".to_owned(),
            "key-expired" => "ask the operator of the server for a new key (`postdate api-key new`)".to_owned(),
            "missing-scope" => format!(
                "use a key that has the scope {}, or ask the operator for one (`postdate api-key new NAME --may …`)",
                text_of(&self.json, "scope")
            ),
            "use-case-not-permitted" => "use a key for this use case; the names that this key sees: `postdate use-case list`".to_owned(),
            GATEWAY => {
                let idempotent = self.about_repeat();
                format!("wait, and try again{idempotent}. If it stays, check the path of --url, and the gateway's limit of calls a second")
            }
            "too-many-failures" => "correct the key, and try again in a few seconds".to_owned(),
            "unknown-use-case" => "see the names with `postdate use-case list`".to_owned(),
            "use-case-broken" => "see the reason with `postdate use-case list`".to_owned(),
            "unknown-request" => "see the ids with `postdate request list`".to_owned(),
            "unknown-target" if self.action == CallKind::Post => {
                "name one of these with --target, or leave --target out for the use case's default".to_owned()
            }
            "unknown-target" => "name one of these with --target, or leave --target out for all targets".to_owned(),
            "rejected" if self.action != CallKind::Post => "the request keeps its time: correct the problems, and move it again".to_owned(),
            "rejected" => "nothing was scheduled: correct the problems, and post again".to_owned(),
            "trigger-missing" | "trigger-ambiguous" | "trigger-malformed" | "trigger-without-offset" => {
                "give --at 2027-03-01T09:00:00+01:00, or --in 90s".to_owned()
            }
            "trigger-in-gap" | "trigger-in-fold" | "trigger-wrong-offset" => "give one of these times with --at".to_owned(),
            "trigger-unknown-zone" => "name a zone such as Europe/Berlin with --zone".to_owned(),
            "trigger-in-past" => "give a later time with --at, or a delay with --in".to_owned(),
            "trigger-too-far" => "give an earlier time, or raise schedule.max-ahead in the use case's manifest".to_owned(),
            "validator-failed" | "validator-answer-unusable" if self.status != 503 => {
                format!(
                    "the plugin failed: search the server's log for {id}, and try the plugin with `postdate plugin run validate DIR --body FILE`"
                )
            }
            "not-scheduled" | "not-failed" => format!("see the request's status with `postdate request get {id}`"),
            "running" => "erase it once its attempt has ended; `postdate request get --wait` waits for the end".to_owned(),
            "not-paused" => "see the pauses with `postdate use-case list`".to_owned(),
            "idempotency-key-reused" | "idempotency-key-cancelled" => {
                format!(
                    "use a new key for a new request; see the first request with `postdate request get {}`",
                    text_of(&self.json, "first")
                )
            }
            "payload-too-large" if self.action == CallKind::Upload => "make the bundle's files smaller".to_owned(),
            "payload-too-large" => "send a smaller body: store large content elsewhere, and put its URL into the body".to_owned(),
            // The reason says more.
            "unhealthy" if self.json["ledger"]["refuses"].is_string() => return None,
            _ if self.status == 503 => {
                let wait = self.retry_after.as_ref().map_or_else(|| "a moment".to_owned(), |seconds| format!("{} s", printable(seconds)));
                format!("try again in {wait}{}", self.about_repeat())
            }
            // A quota of the server.
            _ if self.status == 507 => return None,
            _ if self.status >= 500 => format!("search the server's log for {id}"),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
