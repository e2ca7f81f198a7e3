//! Parses `Retry-After`.

use std::time::{Duration, SystemTime};

/// Returns the wait that a `Retry-After` asks for: a number of seconds, or an HTTP date in one of its three forms (RFC 9110, sections
/// 5.6.7 and 10.2.3). A date in the past is no wait. Returns `None` for any other text.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests;
