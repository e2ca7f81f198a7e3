//! A client of the API: makes one call, and returns its answer or an error with the API's problem report.

mod problem;
mod sign;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use clap::Args;
use postdate_core::api::CORRELATION_HEADER;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};

use crate::output;
pub use problem::{CallKind, ProblemReport};
use sign::Signer;

/// Base URL of `postdate serve` with its default address.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than [`ANSWER_TIMEOUT`]: a server compiles an upload before it answers.
const UPLOAD_TIMEOUT: Duration = Duration::from_mins(15);
/// Long enough for whoever watches a stream of events.
const FORWARD_TIMEOUT: Duration = Duration::from_hours(24);
/// Time before the first progress line of an upload, and the longest time between two. Each is twice as long as the one before.
const FIRST_PROGRESS: Duration = Duration::from_secs(3);
const MAX_PROGRESS_INTERVAL: Duration = Duration::from_mins(1);

/// The API's URL and key.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Base URL of the API
    #[arg(long, env = "POSTDATE_URL", default_value = DEFAULT_URL, value_parser = base_url, global = true)]
    pub url: Url,

    /// Key of the API, sent as a bearer token. Prefer the variable: `ps` shows arguments to other users
    #[arg(long, env = "POSTDATE_API_KEY", hide_env_values = true, value_name = "KEY", global = true)]
    pub api_key: Option<String>,

    /// Sign each call with the AWS credentials of the environment, for an API that IAM guards; no key is sent
    #[arg(long, env = "POSTDATE_IAM", global = true)]
    pub iam: bool,
}

fn base_url(text: &str) -> Result<Url, &'static str> {
    // An empty variable counts as unset.
    match Url::parse(if text.is_empty() { DEFAULT_URL } else { text }) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => Ok(url),
        _ => Err("write a URL with scheme and host, such as http://127.0.0.1:8080"),
    }
}

/// The answer of a call that succeeded.
#[derive(Debug)]
pub struct Answer {
    /// The body, unchanged.
    pub text: String,
    /// The body, parsed; an object.
    pub json: Value,
}

pub struct Client {
    http: reqwest::Client,
    base: Url,
    credentials: Credentials,
}

enum Credentials {
    None,
    Key(String),
    Iam(Box<Signer>),
}

/// One call of the API.
#[derive(Debug, Default)]
pub struct HttpCall<'a> {
    pub method: Method,
    /// Segments of the path below the base URL.
    pub path: &'a [&'a str],
    pub query: &'a [(&'a str, String)],
    /// JSON text.
    pub body: Option<String>,
    pub idempotency_key: Option<&'a str>,
    /// Limit of the whole call; by default [`ANSWER_TIMEOUT`].
    pub timeout: Option<Duration>,
}

/// A `PUT` with a large body.
pub struct UploadCall<'a> {
    pub path: &'a [&'a str],
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(connection: &Connection) -> anyhow::Result<Self> {
        Self::for_url(connection.url.clone(), connection)
    }

    /// Returns a client for the server at `base`, with the key of `connection`.
    pub fn for_url(base: Url, connection: &Connection) -> anyhow::Result<Self> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("postdate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            // The API does not redirect. Following a redirect would send the key to another server.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let key = connection.api_key.clone().filter(|key| !key.is_empty());
        let credentials = match key {
            _ if connection.iam => Credentials::Iam(Box::default()),
            Some(key) => Credentials::Key(key),
            None => Credentials::None,
        };
        Ok(Self { http: builder.build().context("cannot set up an HTTP client")?, base, credentials })
    }

    /// Returns whether calls carry a key or a signature.
    pub fn has_credentials(&self) -> bool {
        !matches!(self.credentials, Credentials::None)
    }

    /// Passes a call of another client on, with the credentials of this one, if it has any, in place of its own. `path` is below the base
    /// URL, and begins with a slash. The answer has no limit of time: a stream of events has no end.
    pub async fn forward(&self, method: Method, path: &str, mut headers: HeaderMap, body: Bytes) -> anyhow::Result<Response> {
        if self.has_credentials() {
            headers.remove(AUTHORIZATION);
        }
        let base = self.base.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}{path}")).with_context(|| format!("cannot call {path}"))?;
        let request = self.http.request(method, url).headers(headers).body(body).timeout(FORWARD_TIMEOUT);
        self.execute(self.with_key(request)).await
    }

    /// Makes a call. Fails with a [`ProblemReport`] if the API answers with an error.
    pub async fn call(&self, call: HttpCall<'_>) -> anyhow::Result<Answer> {
        let action = CallKind::of(&call.method, call.path);
        let mut request = self.request(call.method, call.path, call.query)?;
        if let Some(timeout) = call.timeout {
            request = request.timeout(timeout);
        }
        if let Some(key) = call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = call.body {
            request = request.header("content-type", "application/json").body(body);
        }
        self.send(request, action).await
    }

    /// Returns the accepted body of a request, unchanged. Fails as [`Client::call`] does.
    pub async fn body_of(&self, id: &str) -> anyhow::Result<Vec<u8>> {
        let raw = self.raw(self.request(Method::GET, &["requests", id, "body"], &[])?).await?;
        // A success has no document of the API, so the header tells that it comes from one.
        if raw.status.is_success() && raw.is_of_api { Ok(raw.content) } else { Err(raw.problem(CallKind::Other)) }
    }

    /// Lists requests, and calls `page` with each answer until there is no further page.
    pub async fn each_page(&self, query: &[(&str, String)], mut page: impl FnMut(&Value) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let answer = self.call(HttpCall { path: &["requests"], query: &query, ..HttpCall::default() }).await?.json;
            page(&answer)?;
            match answer["nextCursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(()),
            }
        }
    }

    /// Uploads, and writes `progress` with the elapsed seconds to stderr, more and more seldom. Fails as
    /// [`Client::call`] does.
    pub async fn upload(&self, upload: UploadCall<'_>, progress: &str) -> anyhow::Result<Answer> {
        let begun = Instant::now();
        let request = self.request(Method::PUT, upload.path, &[])?.timeout(UPLOAD_TIMEOUT);
        let request = request.header("content-type", upload.content_type).body(upload.body);
        let mut answer = std::pin::pin!(self.send(request, CallKind::Upload));
        let mut interval = FIRST_PROGRESS;
        loop {
            match tokio::time::timeout(interval, &mut answer).await {
                Ok(answer) => return answer,
                Err(_) => output::err(&format!("{progress}: {} s\n", begun.elapsed().as_secs())),
            }
            interval = next_interval(interval);
        }
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> anyhow::Result<RequestBuilder> {
        Ok(self.with_key(self.http.request(method, self.url(path, query)?)))
    }

    fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.credentials {
            Credentials::Key(key) => request.bearer_auth(key),
            Credentials::None | Credentials::Iam(_) => request,
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| anyhow!("{} cannot be a base URL", self.base))?.pop_if_empty().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn send(&self, request: RequestBuilder, action: CallKind) -> anyhow::Result<Answer> {
        self.raw(request).await?.read(action)
    }

    async fn raw(&self, request: RequestBuilder) -> anyhow::Result<RawAnswer> {
        let response = self.execute(request).await?;
        let status = response.status();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let is_of_api = response.headers().contains_key(CORRELATION_HEADER);
        let content = response.bytes().await.map_err(|error| self.unreachable(&error))?.into();
        Ok(RawAnswer { status, retry_after, is_of_api, content })
    }

    /// Signs a request if need be, and sends it.
    async fn execute(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let mut request = request.build()?;
        if let Credentials::Iam(signer) = &self.credentials {
            Box::pin(signer.sign(&mut request)).await?;
        }
        self.http.execute(request).await.map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let base = &self.base;
        let next = if error.is_timeout() {
            "the answer took too long: check whether the server is busy, or whether another program listens there"
        } else {
            "check that `postdate serve` runs there, or name another server with --url or POSTDATE_URL"
        };
        // Only the innermost cause tells the reason, such as "Connection refused".
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        anyhow!("cannot reach {base}: {cause}\n  next: {next}")
    }
}

/// The answer of a call, which may come from another server.
struct RawAnswer {
    status: StatusCode,
    retry_after: Option<String>,
    /// The answer has the header of the correlation id.
    is_of_api: bool,
    content: Vec<u8>,
}

impl RawAnswer {
    /// Returns the document of an answer that succeeded; else fails with the [`RawAnswer::problem`].
    fn read(self, action: CallKind) -> anyhow::Result<Answer> {
        // Every document of the API has a correlation id.
        match self.json() {
            Some(json) if self.status.is_success() && json["correlationId"].is_string() => Ok(Answer { text: self.text(), json }),
            _ => Err(self.problem(action)),
        }
    }

    /// Returns a [`ProblemReport`] for an error of the API or of a gateway before it, and another error for the answer of another server.
    fn problem(self, action: CallKind) -> anyhow::Error {
        let (status, text) = (self.status, self.text());
        let report = |text, json| -> anyhow::Error {
            ProblemReport { action, status: status.as_u16(), retry_after: self.retry_after.clone(), text, json }.into()
        };
        match self.json() {
            Some(json) if json.get("code").is_some() => report(text, json),
            // AWS's gateways and a reverse proxy limit calls, or do not reach the API. Their answers have forms of their own.
            _ if [429, 502, 503, 504].contains(&status.as_u16()) => {
                let json = json!({ "code": problem::GATEWAY, "detail": format!("a gateway before the API answers HTTP {status}") });
                report(json.to_string(), json)
            }
            _ => anyhow!("the answer does not come from a Postdate API (HTTP {status}): check the path of --url"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.content).ok().filter(Value::is_object)
    }
}

/// Returns the time until the progress line after next.
fn next_interval(interval: Duration) -> Duration {
    (interval * 2).min(MAX_PROGRESS_INTERVAL)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
