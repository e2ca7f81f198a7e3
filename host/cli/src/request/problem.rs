//! An error answer of the API (RFC 9457) for people: what, code, each problem, correlation id, and what to do next.

use std::fmt;

use serde_json::Value;

use super::show::text_of;
use crate::output::{columns, printable};

/// An `application/problem+json` answer.
#[derive(Debug)]
pub struct Problem {
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
            "unknown-request" => "see the ids with `postdate request list`".to_owned(),
            "unknown-target" => "name one of them with --target, or none for the use case's default".to_owned(),
            "rejected" => "nothing was scheduled: correct what the problems point at, and post again".to_owned(),
            "trigger-missing" | "trigger-ambiguous" | "trigger-malformed" | "trigger-without-offset" => {
                "give --at 2027-03-01T09:00:00+01:00, or --in 90s".to_owned()
            }
            "trigger-in-past" => "give a later time with --at, or a delay with --in".to_owned(),
            "trigger-too-far" => "give an earlier time, or raise schedule.max-ahead in the use case's manifest".to_owned(),
            "validator-failed" | "validator-answer-unusable" => {
                format!(
                    "the plugin is at fault: look for {id} in the server's log, and try it with `postdate plugin run validate DIR --body FILE`"
                )
            }
            "not-scheduled" | "not-failed" => format!("see how it stands with `postdate request get {id}`"),
            "idempotency-key-reused" => {
                format!("take a new key for a new request; the first one is `postdate request get {}`", text_of(&self.json, "first"))
            }
            "payload-too-large" => "send less: put large content elsewhere and name it in the body".to_owned(),
            _ if self.status == 503 => match &self.retry_after {
                Some(seconds) => format!("try again in {} s; with --idempotency-key a repeat is safe", printable(seconds)),
                None => "try again in a moment; with --idempotency-key a repeat is safe".to_owned(),
            },
            _ if self.status >= 500 => format!("look for {id} in the server's log"),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problem(status: u16, json: Value) -> String {
        Problem { status, retry_after: Some("2".to_owned()), text: json.to_string(), json }.to_string()
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
        assert!(problem(500, json!({ "code": "ledger-failed", "correlationId": "77" })).ends_with("look for 77 in the server's log"));
        assert!(!problem(400, json!({ "code": "bad-query", "detail": "query parameter" })).contains("next:"));
    }
}
