//! The HTTP API without a server: takes a request's bytes and returns an answer's bytes. axum and `lambda_http` serve it.

mod change;
mod document;
mod error;
mod key;
mod read;
mod submit;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

pub use error::ApiError;
pub use key::ApiKey;

use crate::id::CorrelationId;
use crate::notice::Document;
use crate::ports::{Changes, Intake, LedgerState, Requests, Scheduler, UseCases};

/// Limit of a request body, in bytes. A larger one is answered with 413.
pub const MAX_BODY_BYTES: usize = 256 << 10;
/// The header of every answer that has the correlation id.
pub const CORRELATION_HEADER: &str = "x-correlation-id";

/// The API over its ports.
pub struct Api<U, L, S> {
    pub use_cases: U,
    pub ledger: L,
    pub scheduler: S,
    /// The key that every call except `GET /health` must send as a bearer token, if the host has one.
    pub key: Option<ApiKey>,
    /// Path before `/requests` in the URLs of clients, such as an API Gateway's stage; else empty.
    pub base_path: String,
}

/// The values that the host adds to a call.
#[derive(Debug, Clone)]
pub struct ApiRequest {
    /// Id of the request that the call makes, else of the call itself.
    pub id: CorrelationId,
    pub now: DateTime<Utc>,
    /// Claims of the authorizer, name and value.
    pub caller: Vec<(String, String)>,
}

/// The answer of a call that succeeded. `location` is the path of a new request.
struct Answer {
    status: StatusCode,
    id: CorrelationId,
    body: Document,
    location: Option<String>,
}

impl<U, L, S> Api<U, L, S>
where
    U: UseCases,
    L: Intake + Requests + Changes,
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

    /// Refuses a call without the key, if the API has one.
    pub fn authorize(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        self.key.as_ref().map_or(Ok(()), |key| key.check(headers))
    }

    async fn route(&self, call: ApiRequest, request: Request<Bytes>) -> Result<Answer, ApiError> {
        let path = request.uri().path().to_owned();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        if segments != ["health"] {
            self.authorize(request.headers())?;
        }
        match (request.method().as_str(), segments.as_slice()) {
            ("GET", ["health"]) => self.health(call.id).await,
            ("GET", ["use-cases"]) => Ok(self.list_use_cases(call.id).await),
            ("GET", ["requests"]) => self.list_requests(call.id, request.uri().query()).await,
            ("POST", ["requests", name]) => self.submit(call, name, request).await,
            ("GET", ["requests", id]) => self.get_request(parse_id(id)?).await,
            ("PATCH", ["requests", id]) => self.move_request(call.now, parse_id(id)?, &request).await,
            ("DELETE", ["requests", id]) => self.cancel_request(call.now, parse_id(id)?).await,
            ("POST", ["requests", id, "retry"]) => self.retry_request(call.now, parse_id(id)?).await,
            (_, segments) => Err(no_such_call(&path, segments)),
        }
    }

    /// Fails while the ledger takes no new requests, so that a load balancer sends them elsewhere.
    async fn health(&self, id: CorrelationId) -> Result<Answer, ApiError> {
        let ledger = self.ledger.state();
        if let Some(reason) = &ledger.refuses {
            let unhealthy = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unhealthy", format!("no new requests are taken: {reason}"));
            return Err(unhealthy.with("ledger", json!(ledger)));
        }
        let broken: Vec<Value> = self
            .use_cases
            .list()
            .await
            .into_iter()
            .filter_map(|info| info.error.map(|error| json!({ "useCase": info.name, "error": error })))
            .collect();
        let mut body = json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "brokenUseCases": broken });
        if ledger != LedgerState::default() {
            body["ledger"] = json!(ledger);
        }
        Ok(Answer { status: StatusCode::OK, id, body: body.into(), location: None })
    }

    async fn list_use_cases(&self, id: CorrelationId) -> Answer {
        let body = json!({ "useCases": self.use_cases.list().await }).into();
        Answer { status: StatusCode::OK, id, body, location: None }
    }

    fn path_of(&self, id: CorrelationId) -> String {
        format!("{}/requests/{id}", self.base_path)
    }
}

impl Answer {
    fn into_response(self) -> Response<Bytes> {
        let mut body = self.body;
        body["correlationId"] = Value::String(self.id.to_string());
        let mut response = json_response(self.status, self.id, &body, "application/json");
        if let Some(location) = self.location.and_then(|path| HeaderValue::try_from(path).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
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

fn parse_id(text: &str) -> Result<CorrelationId, ApiError> {
    text.parse().map_err(|_| ApiError::new(StatusCode::NOT_FOUND, "unknown-request", format!("{text:?} is not a correlation id")))
}

fn no_such_call(path: &str, segments: &[&str]) -> ApiError {
    let allowed: &[Method] = match segments {
        ["health" | "use-cases" | "requests"] => &[Method::GET],
        ["requests", id] if id.parse::<CorrelationId>().is_ok() => &[Method::GET, Method::PATCH, Method::DELETE],
        ["requests", _] | ["requests", _, "retry"] => &[Method::POST],
        _ => return ApiError::new(StatusCode::NOT_FOUND, "not-found", format!("the API has no path {path}")),
    };
    let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", format!("{path} answers to {allowed}"))
        .with_header(header::ALLOW, &allowed)
}

#[cfg(test)]
mod tests;
