//! A client of the API: one call, and its answer or its problem.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::problem::{Asked, Problem};

/// Where `postdate serve` listens unless it is told otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// A server compiles what it was sent before it answers.
const UPLOAD_TIMEOUT: Duration = Duration::from_mins(15);
/// How often somebody who waits is told so.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where the API is, and how to be let in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Base URL of the API
    #[arg(long, env = "POSTDATE_URL", default_value = DEFAULT_URL, value_parser = base_url, global = true)]
    pub url: Url,

    /// Key of the API, sent as a bearer token; better set as the variable, where other users' `ps` does not show it
    #[arg(long, env = "POSTDATE_API_KEY", hide_env_values = true, value_name = "KEY", global = true)]
    pub api_key: Option<String>,
}

fn base_url(text: &str) -> Result<Url, String> {
    // A variable that is set to nothing says nothing.
    match Url::parse(if text.is_empty() { DEFAULT_URL } else { text }) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => Ok(url),
        _ => Err("write it whole, such as http://127.0.0.1:8080".to_owned()),
    }
}

/// A good answer: the text as it came, and what it says.
#[derive(Debug)]
pub struct Answer {
    pub text: String,
    pub json: Value,
}

pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<String>,
}

/// One call.
#[derive(Debug, Default)]
pub struct Call<'a> {
    pub method: Method,
    /// Segments of the path below the base URL.
    pub path: &'a [&'a str],
    pub query: &'a [(&'a str, String)],
    /// JSON text.
    pub body: Option<String>,
    pub idempotency_key: Option<&'a str>,
}

/// A call that sends much, and may wait long for its answer.
pub struct Upload<'a> {
    pub path: &'a [&'a str],
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(connection: &Connection) -> anyhow::Result<Self> {
        Self::of(connection.url.clone(), connection)
    }

    /// Of another server, with the same key.
    pub fn of(base: Url, connection: &Connection) -> anyhow::Result<Self> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("postdate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            // The API has no redirects; to follow one would carry the key to wherever it points.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let key = connection.api_key.clone().filter(|key| !key.is_empty());
        Ok(Self { http: builder.build().context("cannot set up an HTTP client")?, base, key })
    }

    pub async fn call(&self, call: Call<'_>) -> anyhow::Result<Answer> {
        let url = self.url(call.path, call.query)?;
        let asked = Asked::of(&call);
        let mut request = self.http.request(call.method, url);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(key) = call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = call.body {
            request = request.header("content-type", "application/json").body(body);
        }
        self.send(request, asked).await
    }

    /// `PUT`. Every few seconds it says on stderr what it waits for.
    pub async fn upload(&self, upload: Upload<'_>, waiting_for: &str) -> anyhow::Result<Answer> {
        let mut request = self.http.put(self.url(upload.path, &[])?).timeout(UPLOAD_TIMEOUT);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let begun = std::time::Instant::now();
        let request = request.header("content-type", upload.content_type).body(upload.body);
        let mut answer = std::pin::pin!(self.send(request, Asked::ToUpload));
        loop {
            match tokio::time::timeout(PATIENCE, &mut answer).await {
                Ok(answer) => return answer,
                Err(_) => crate::output::err(&format!("{waiting_for}: {} s\n", begun.elapsed().as_secs())),
            }
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder, asked: Asked) -> anyhow::Result<Answer> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        read(asked, status, retry_after, text)
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| anyhow!("{} cannot be a base URL", self.base))?.pop_if_empty().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let base = &self.base;
        let next = if error.is_timeout() {
            "it took too long: is the server busy, or is something else listening there?"
        } else {
            "is `postdate serve` running there? Start it, or name another server with --url or POSTDATE_URL"
        };
        // The innermost cause is the one that says something: "Connection refused".
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        anyhow!("cannot reach {base}: {cause}\n  next: {next}")
    }
}

fn read(asked: Asked, status: StatusCode, retry_after: Option<String>, text: String) -> anyhow::Result<Answer> {
    let json: Option<Value> = serde_json::from_str(&text).ok().filter(Value::is_object);
    match json {
        // Every answer of the API has one.
        Some(json) if status.is_success() && json["correlationId"].is_string() => Ok(Answer { text, json }),
        Some(json) if json.get("code").is_some() => Err(Problem { asked, status: status.as_u16(), retry_after, text, json }.into()),
        _ => bail!("this is not an answer of a Postdate API (HTTP {status}): check the path of --url"),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
