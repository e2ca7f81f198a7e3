//! The target kind `http`: the body as it is, posted to the one URL that the operator named. Every host delivers so.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postdate_core::fire::MAX_RESULT_BYTES;
use postdate_core::plugin::{JobFailure, JobResult};
use postdate_core::request::Claimed;
use reqwest::{Response, StatusCode, header};

/// Delivers over HTTP/1.1, with connections kept; follows no redirect.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    client: reqwest::Client,
}

impl HttpTarget {
    pub fn new() -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("postdate/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client })
    }

    /// One attempt, within `timeout` in all. `now` is asked when the answer is there: a `Retry-After` may name a date.
    pub async fn deliver(&self, url: &str, timeout: Duration, claimed: &Claimed, now: impl FnOnce() -> DateTime<Utc>) -> JobResult {
        let request = &claimed.request;
        // A notice is about another request: that one's id is what its receiver knows.
        let subject = request.notice_of.unwrap_or(request.id);
        let post = self
            .client
            .post(url)
            .timeout(timeout)
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-correlation-id", subject.to_string())
            .header("x-postdate-use-case", &request.use_case)
            .header("x-postdate-attempt", request.attempts)
            // The same at every attempt, so that a receiver can tell a repetition.
            .header("idempotency-key", request.id.to_string())
            .body(claimed.body.clone());
        match post.send().await {
            Ok(response) => judge(response, now()).await,
            Err(error) => Err(not_delivered(url, &error)),
        }
    }
}

/// 2xx is success; 408, 425, 429 and 5xx ask for another attempt; everything else will not get better.
async fn judge(mut response: Response, now: DateTime<Utc>) -> JobResult {
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now));
    let text = read_bounded(&mut response).await;
    if status.is_success() {
        return text.map(|text| (!text.is_empty()).then_some(text)).map_err(|error| not_delivered(response.url().as_str(), &error));
    }
    let again = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    let retry = status.is_server_error() || again.contains(&status);
    let excerpt: String = text.unwrap_or_default().chars().take(200).collect();
    Err(JobFailure { message: format!("the target answered {status}: {excerpt}"), retry, retry_after: retry_after.filter(|_| retry) })
}

/// At most [`MAX_RESULT_BYTES`] and a little: an endless answer is not read to its end.
async fn read_bounded(response: &mut Response) -> reqwest::Result<String> {
    let mut bytes = Vec::new();
    while bytes.len() <= MAX_RESULT_BYTES
        && let Some(chunk) = response.chunk().await?
    {
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn not_delivered(url: &str, error: &reqwest::Error) -> JobFailure {
    let what = if error.is_timeout() { "did not answer in time" } else { "could not be reached" };
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    JobFailure { message: format!("the target {url} {what}: {cause}"), retry: true, retry_after: None }
}

/// Seconds, or an HTTP date (RFC 9110, section 10.2.3).
fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(value.trim()).ok()?;
    Some((at.to_utc() - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests;
