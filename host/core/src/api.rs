//! The HTTP API without a server: takes a request's bytes and returns an answer's bytes. axum and `lambda_http` serve it.

mod batch;
mod body;
mod change;
mod document;
mod error;
mod pause;
mod read;
mod submit;
mod use_cases;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

pub use crate::accept::MAX_BODY_BYTES;
use crate::access::{Caller, Scope};
use crate::id::CorrelationId;
use crate::notice::Document;
use crate::ports::{Changes, Intake, LedgerState, Pauses, Requests, Scheduler, UseCases};
use crate::request::Request as Stored;
pub use batch::{MAX_BATCH_BYTES, is_batch};
pub use body::{check_body, check_encoding, check_type, max_bytes, members, text_member};
pub use change::HANDED_OVER;
pub use error::ApiError;

/// The header of every answer that has the correlation id.
pub const CORRELATION_HEADER: &str = "x-correlation-id";

/// The API over its ports.
pub struct Api<U, L, S> {
    pub use_cases: U,
    pub ledger: L,
    pub scheduler: S,
    /// Path before `/requests` in the URLs of clients, such as an API Gateway's stage; else empty.
    pub base_path: String,
}

/// The values that the host adds to a call.
#[derive(Debug, Clone)]
pub struct ApiRequest {
    /// Id of the request that the call makes, else of the call itself.
    pub id: CorrelationId,
    pub now: DateTime<Utc>,
    /// The caller, whom the host has authenticated.
    pub caller: Caller,
    /// Claims of the authorizer for the validator, name and value.
    pub claims: Vec<(String, String)>,
}

/// Numbers and codes of the requests that a call submitted, as an extension of its answer, for a host that counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Requests that were submitted and accepted.
    pub accepted: u32,
    /// Code of the call's error, or of each item of a batch that was refused.
    pub refused: Vec<&'static str>,
}

/// The answer of a call that succeeded. `location` is the path of a new request.
struct Answer {
    status: StatusCode,
    id: CorrelationId,
    body: Document,
    /// JSON text that is the whole answer, in place of `body`.
    text: Option<String>,
    location: Option<String>,
    outcomes: Outcomes,
}

impl<U, L, S> Api<U, L, S>
where
    U: UseCases,
    L: Intake + Requests + Changes + Pauses,
    S: Scheduler,
{
    /// Answers one call. An error becomes an answer, too.
    pub async fn answer(&self, call: ApiRequest, request: Request<Bytes>) -> Response<Bytes> {
        let id = call.id;
        match self.route(call, request).await {
            Ok(answer) => answer.into_response(),
            Err(error) => error.into_response(id),
        }
    }

    async fn route(&self, call: ApiRequest, request: Request<Bytes>) -> Result<Answer, ApiError> {
        let path = request.uri().path().to_owned();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        // A host sends the answer to HEAD without its body.
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let (method, segments) = (method.as_str(), segments.as_slice());
        if let Some(scope) = scope_of(method, segments) {
            call.caller.require(scope)?;
            check_body(request.headers(), request.body(), max_bytes(&path))?;
        }
        match (method, segments) {
            ("GET", ["health"]) => self.health(&call).await,
            ("GET", ["use-cases"]) => self.list_use_cases(&call).await,
            ("GET", ["use-cases", name]) => self.get_use_case(&call, name).await,
            ("GET", ["use-cases", name, "versions"]) => self.list_versions(&call, name).await,
            ("POST", ["use-cases", name, "pause"]) => self.pause(&call, name, &request).await,
            ("POST", ["use-cases", name, "resume"]) => self.resume(&call, name, &request).await,
            ("GET", ["requests"]) => self.list_requests(&call, request.uri().query()).await,
            ("POST", ["requests", name]) => self.submit(call, name, request).await,
            ("POST", ["requests", name, "batch"]) => self.submit_batch(call, name, request).await,
            ("GET", ["requests", id]) => self.get_request(&call, parse_id(id)?, request.uri().query()).await,
            ("GET", ["requests", id, "body"]) => self.get_body(&call, parse_id(id)?).await,
            ("PATCH", ["requests", id]) => self.move_request(&call, parse_id(id)?, &request).await,
            ("DELETE", ["requests", id]) => self.cancel_request(&call, parse_id(id)?).await,
            ("POST", ["requests", id, "retry"]) => self.retry_request(&call, parse_id(id)?).await,
            ("POST", ["requests", id, "erase"]) => self.erase_request(&call, parse_id(id)?).await,
            (_, segments) => Err(no_such_call(&path, segments)),
        }
    }

    /// Returns the state of the service; its details only to a caller with the scope `operate`. Fails while the ledger takes no new
    /// requests, so that a load balancer sends them elsewhere.
    async fn health(&self, call: &ApiRequest) -> Result<Answer, ApiError> {
        let ledger = self.ledger.state();
        let is_operator = call.caller.may(Scope::Operate);
        if ledger.refuses.is_some() {
            let unhealthy = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unhealthy", "no new requests are taken");
            return Err(if is_operator { unhealthy.with("ledger", json!(ledger)) } else { unhealthy });
        }
        if !is_operator {
            return Ok(Answer::new(StatusCode::OK, call.id, json!({ "status": "ok" })));
        }
        let all = self.use_cases.list().await;
        let broken = all.iter().filter_map(|info| Some(json!({ "useCase": info.name, "error": info.error.as_ref()? })));
        let loading = all
            .iter()
            .filter_map(|info| Some(json!({ "useCase": info.name, "version": info.version, "since": info.update.as_ref()?.since })));
        let mut body = json!({
            "status": "ok",
            "version": env!("CARGO_PKG_VERSION"),
            "brokenUseCases": broken.collect::<Vec<_>>(),
            "loadingUseCases": loading.collect::<Vec<_>>(),
        });
        if ledger != LedgerState::default() {
            body["ledger"] = json!(ledger);
        }
        Ok(Answer::new(StatusCode::OK, call.id, body))
    }
}

impl<U, L, S: Scheduler> Api<U, L, S> {
    /// Returns a request as lists show it, by its host's knowledge at `now`.
    pub fn show(&self, request: &Stored, now: DateTime<Utc>) -> Value {
        document::listed(request, &self.path_of(request.id), self.scheduler.holds_up(request, now))
    }
}

impl<U, L, S> Api<U, L, S> {
    fn path_of(&self, id: CorrelationId) -> String {
        format!("{}/requests/{id}", self.base_path)
    }
}

impl Answer {
    fn new(status: StatusCode, id: CorrelationId, body: impl Into<Document>) -> Self {
        Self { status, id, body: body.into(), text: None, location: None, outcomes: Outcomes::default() }
    }

    fn into_response(self) -> Response<Bytes> {
        let mut body = self.body;
        body["correlationId"] = Value::String(self.id.to_string());
        let mut response = json_response(self.status, self.id, &body, "application/json");
        if let Some(text) = self.text {
            *response.body_mut() = Bytes::from(text);
        }
        if let Some(location) = self.location.and_then(|path| HeaderValue::try_from(path).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response.extensions_mut().insert(self.outcomes);
        response
    }
}

/// Returns an answer with its correlation id in a header. The caller puts the id into the body.
pub fn json_response(status: StatusCode, id: CorrelationId, body: &impl Serialize, content_type: &'static str) -> Response<Bytes> {
    // Cannot fail: the keys of every body are texts.
    let mut response = Response::new(Bytes::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(CORRELATION_HEADER, id);
    }
    response
}

/// Returns the scope that a call needs; `None` for `GET /health`, which everybody may call, and for calls that do not exist.
fn scope_of(method: &str, segments: &[&str]) -> Option<Scope> {
    match (method, segments) {
        (
            "GET" | "HEAD",
            ["use-cases" | "requests"] | ["use-cases" | "requests", _] | ["requests", _, "body"] | ["use-cases", _, "versions"],
        ) => Some(Scope::Read),
        ("POST", ["requests", _] | ["requests", _, "batch"]) => Some(Scope::Submit),
        ("PATCH" | "DELETE", ["requests", _]) | ("POST", ["requests", _, "retry" | "erase"]) => Some(Scope::Change),
        ("POST", ["use-cases", _, "pause" | "resume"]) => Some(Scope::Deploy),
        _ => None,
    }
}

/// Returns the use case of a call that submits requests.
pub fn submitted_to<'a>(method: &Method, path: &'a str) -> Option<&'a str> {
    let name = path.strip_prefix("/requests/")?;
    let name = name.strip_suffix("/batch").unwrap_or(name);
    (method == Method::POST && !name.contains('/')).then_some(name)
}

/// Returns whether a path has the form of a call of this API, whatever its method and its names.
pub fn is_call(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    matches!(
        segments[..],
        ["health" | "use-cases" | "requests"]
            | ["use-cases" | "requests", _]
            | ["requests", _, "retry" | "batch" | "body" | "erase"]
            | ["use-cases", _, "pause" | "resume" | "versions"]
    )
}

fn parse_id(text: &str) -> Result<CorrelationId, ApiError> {
    text.parse().map_err(|_| ApiError::new(StatusCode::NOT_FOUND, "unknown-request", format!("{text:?} is not a correlation id")))
}

fn no_such_call(path: &str, segments: &[&str]) -> ApiError {
    let allowed: &[Method] = match segments {
        ["health" | "use-cases" | "requests"] | ["use-cases", _] | ["requests", _, "body"] | ["use-cases", _, "versions"] => {
            &[Method::GET, Method::HEAD]
        }
        ["requests", id] if id.parse::<CorrelationId>().is_ok() => &[Method::GET, Method::HEAD, Method::PATCH, Method::DELETE],
        ["requests", _] | ["requests", _, "retry" | "batch" | "erase"] | ["use-cases", _, "pause" | "resume"] => &[Method::POST],
        _ => return ApiError::new(StatusCode::NOT_FOUND, "not-found", format!("the API has no path {path}")),
    };
    let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", format!("{path} answers to {allowed}"))
        .with_header(header::ALLOW, &allowed)
}

#[cfg(test)]
mod tests;
