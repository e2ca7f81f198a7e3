//! Turns an HTTP answer into the result or the failure of the job.

use std::time::SystemTime;

use postdate_plugin::{
    Failure,
    http::{Answer, Error},
};

/// Largest part of an answer that becomes the result.
pub const RESULT_LIMIT_BYTES: usize = 64 * 1_024;

/// Largest part of an answer that a permanent failure quotes.
const QUOTE_CHARACTERS: usize = 200;

/// Returns the result of a 2xx answer, or else a failure with or without another attempt.
pub fn judge(answer: Result<Answer, Error>, origin: &str, now: SystemTime) -> Result<Option<String>, Failure> {
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(result(&answer)),
        Ok(answer) if is_transient(answer.status) => {
            let failure = Failure::retry(format!("{origin} answered {}", answer.status));
            Err(match answer.header("retry-after").and_then(|value| retry_after_seconds(value, now)) {
                Some(seconds) => failure.after_seconds(seconds),
                None => failure,
            })
        }
        Ok(answer) => Err(Failure::permanent(format!("{origin} answered {}{}", answer.status, quote(&answer)))),
        Err(Error::Failed(code)) => Err(Failure::retry(format!("no answer from {origin}: {code}"))),
        Err(Error::Refused(code)) => Err(Failure::permanent(format!(
            "the host refused {origin} ({code}): grant it with `allow-http = [\"{origin}\"]` under [process] in use-case.toml"
        ))),
        Err(error @ Error::Invalid(_)) => Err(Failure::permanent(error.to_string())),
    }
}

/// Returns `true` if the same request may succeed later: time-out, too early, too many requests, server error.
fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

fn result(answer: &Answer) -> Option<String> {
    let mut text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.truncated {
        text.push_str("... [cut at 64 KiB]");
    }
    (!text.is_empty()).then_some(text)
}

fn quote(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let start: String = text.trim().chars().take(QUOTE_CHARACTERS).collect();
    if start.is_empty() { String::new() } else { format!(": {start}") }
}

/// Returns the seconds from now that `Retry-After` names, as seconds or as a date (RFC 9110, 10.2.3); `None` if it is neither.
fn retry_after_seconds(value: &str, now: SystemTime) -> Option<u32> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().unwrap_or(u32::MAX));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    // Rounded up, so that the next attempt is not too early. A date in the past means zero seconds.
    let wait = date.duration_since(now).unwrap_or_default();
    Some(u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
