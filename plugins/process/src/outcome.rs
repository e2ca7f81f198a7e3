//! Turns the answer of the HTTP request into the job's result or failure.

use std::time::SystemTime;

use postdate_plugin::{
    Failure,
    http::{Answer, Error, Request},
};
use postdate_webhooks::{excerpt, retry_after};

/// Limit of the result. A longer answer is cut.
pub const RESULT_LIMIT_BYTES: usize = 64 * 1_024;

/// Returns the result for a status of 2xx, and otherwise the failure, which says if another attempt may succeed.
pub fn judge(answer: Result<Answer, Error>, origin: &str, request: &Request, now: SystemTime) -> Result<Option<String>, Failure> {
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(result(&answer)),
        Ok(answer) if is_transient(answer.status) => {
            let failure = Failure::retry(format!("{origin} answered {}", answer.status));
            Err(match answer.header("retry-after").and_then(|value| retry_after_seconds(value, now)) {
                Some(seconds) => failure.after_seconds(seconds),
                None => failure,
            })
        }
        Ok(answer) => Err(Failure::permanent(format!("{origin} answered {}{}", answer.status, quote(&answer, request)))),
        Err(Error::Failed(code)) => Err(Failure::retry(format!("no answer from {origin}: {code}"))),
        Err(Error::Refused(code)) => Err(Failure::permanent(format!(
            "the host refused {origin} ({code}): grant it with `allow-http = [\"{origin}\"]` under [process] in use-case.toml"
        ))),
        Err(error @ Error::Invalid(_)) => Err(Failure::permanent(error.to_string())),
    }
}

/// Returns true if the same request may succeed later: timeout, too early, too many requests, or a server error.
fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

fn result(answer: &Answer) -> Option<String> {
    let mut text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.truncated {
        let whole = answer.body.len() >= RESULT_LIMIT_BYTES;
        text.push_str(if whole { "... [cut at 64 KiB]" } else { "... [the answer broke off]" });
    }
    (!text.is_empty()).then_some(text)
}

/// Returns the start of the answer. A server may repeat the URL or a header of the request, which a failure must not show.
fn quote(answer: &Answer, request: &Request) -> String {
    let headers = request.headers.iter().filter(|(name, _)| name != "content-type").map(|(_, value)| value.as_str());
    let start = excerpt(&String::from_utf8_lossy(&answer.body), &request.url, headers);
    if start.is_empty() { String::new() } else { format!(": {start}") }
}

/// Returns the wait in seconds, rounded up, since rounding down would retry too early.
fn retry_after_seconds(value: &str, now: SystemTime) -> Option<u32> {
    let wait = retry_after(value, now)?;
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    Some(u32::try_from(seconds).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
