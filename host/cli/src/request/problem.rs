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
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(asked: Asked, status: u16, json: Value) -> String {
        Problem { asked, status, retry_after: Some("2".to_owned()), text: json.to_string(), json }.to_string()
    }

    fn problem(status: u16, json: Value) -> String {
        answer(Asked::ToAccept, status, json)
    }

    #[test]
    fn a_rejection_lists_each_problem() {
        let shown = problem(
            422,
            json!({ "detail": "the request was rejected", "code": "rejected", "correlationId": "0198", "problems": [
                { "pointer": "/quantity", "code": "maximum", "message": "at most 100" },
                { "pointer": "", "code": "x", "message": "all of it\u{7}" },
            ]}),
        );
        let expected = "the request was rejected
  code: rejected (HTTP 422)
  problems:
    /quantity     maximum  at most 100
    (whole body)  x        all of it\\u{7}
  correlation id: 0198
  next: nothing was scheduled: correct what the problems point at, and post again";
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_may_pass_says_when_to_try_again() {
        assert!(
            problem(503, json!({ "code": "ledger-unavailable", "title": "busy" }))
                .ends_with("again in 2 s; with --idempotency-key a repeat is safe")
        );
        let busy = json!({ "code": "validator-failed", "reason": "not-started", "correlationId": "77" });
        assert!(problem(503, busy).ends_with("next: try again in 2 s; with --idempotency-key a repeat is safe"));
        let to_move = answer(Asked::Otherwise, 503, json!({ "code": "scheduler-unavailable" }));
        assert!(to_move.ends_with("next: try again in 2 s"), "{to_move}");
        assert!(problem(500, json!({ "code": "ledger-failed", "correlationId": "77" })).ends_with("look for 77 in the server's log"));
        assert!(!problem(400, json!({ "code": "bad-query", "detail": "query parameter" })).contains("next:"));
    }

    #[test]
    fn what_is_broken_or_at_fault_or_too_large_says_where_to_look() {
        let broken = problem(503, json!({ "code": "use-case-broken" }));
        assert!(broken.ends_with("next: see what is wrong with it with `postdate use-case list`"), "{broken}");
        let trap = problem(500, json!({ "code": "validator-failed", "reason": "trap", "correlationId": "77" }));
        assert!(trap.contains("next: the plugin is at fault: look for 77"), "{trap}");
        let large = json!({ "code": "payload-too-large" });
        assert!(problem(413, large.clone()).contains("name it in the body"));
        assert!(answer(Asked::ToUpload, 413, large).ends_with("next: make the bundle's files smaller"));
    }

    #[test]
    fn only_posting_a_request_is_asking_to_accept_one() {
        let asked = |method: Method, path: &[&str]| Asked::of(&Call { method, path, ..Call::default() });
        assert_eq!(asked(Method::POST, &["requests", "orders"]), Asked::ToAccept);
        assert_eq!(asked(Method::POST, &["requests", "0198", "retry"]), Asked::Otherwise);
        assert_eq!(asked(Method::PATCH, &["requests", "0198"]), Asked::Otherwise);
    }
}
