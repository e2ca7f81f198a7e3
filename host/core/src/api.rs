//! The HTTP API without a server: takes a request's bytes and returns an answer's bytes. axum and `lambda_http` serve it.

mod batch;
mod body;
mod calls;
mod change;
pub mod document;
mod error;
mod pause;
mod read;
mod submit;
mod use_cases;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;

pub use crate::accept::MAX_BODY_BYTES;
use crate::access::{Caller, Scope};
use crate::id::CorrelationId;
use crate::ports::{Changes, Intake, LedgerState, Pauses, Requests, Scheduler, UseCaseInfo, UseCases};
pub use crate::problem::Code;
use crate::request::Request as Stored;
pub use batch::{MAX_BATCH_BYTES, is_batch};
pub use body::{check_body, check_encoding, check_type, max_bytes, members, text_member};
pub use calls::{CALLS, Call, Operation, is_call, is_public};
use document::{BrokenUseCase, Health, HealthDetails, LoadingUseCase, RequestDocument};
pub use error::ApiError;

/// The header of every answer that has the correlation id.
pub const CORRELATION_HEADER: &str = "x-correlation-id";

/// The description of the API in `OpenAPI` 3.1. A test makes it from the types of the documents, and compares.
pub const OPENAPI: &str = include_str!("../../../schemas/openapi.json");

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
    /// JSON text.
    body: Bytes,
    location: Option<String>,
    outcomes: Outcomes,
}

impl<U: UseCases, L: Intake + Requests + Changes + Pauses, S: Scheduler> Api<U, L, S> {
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
        // A host sends the answer to HEAD without its body.
        let (&Call { operation, scope, .. }, name) = calls::find(request.method(), &path)?;
        if let Some(scope) = scope {
            call.caller.require(scope)?;
            check_body(request.headers(), request.body(), max_bytes(&path))?;
        }
        let query = request.uri().query();
        match operation {
            Operation::Describe => Ok(Answer::of_text(StatusCode::OK, call.id, OPENAPI)),
            Operation::Health => self.health(&call).await,
            Operation::ListUseCases => self.list_use_cases(&call).await,
            Operation::GetUseCase => self.get_use_case(&call, name).await,
            Operation::ListVersions => self.list_versions(&call, name).await,
            Operation::Pause => self.pause(&call, name, &request).await,
            Operation::Resume => self.resume(&call, name, &request).await,
            Operation::ListRequests => self.list_requests(&call, query).await,
            Operation::Submit => self.submit(call, name, request).await,
            Operation::SubmitBatch => self.submit_batch(call, name, request).await,
            Operation::GetRequest => self.get_request(&call, parse_id(name)?, query).await,
            Operation::GetBody => self.get_body(&call, parse_id(name)?).await,
            Operation::Move => self.move_request(&call, parse_id(name)?, &request).await,
            Operation::Cancel => self.cancel_request(&call, parse_id(name)?).await,
            Operation::Retry => self.retry_request(&call, parse_id(name)?).await,
            Operation::Erase => self.erase_request(&call, parse_id(name)?).await,
        }
    }

    /// Returns the state of the service; its details only to a caller with the scope `operate`. Fails while the ledger takes no new
    /// requests, so that a load balancer sends them elsewhere.
    async fn health(&self, call: &ApiRequest) -> Result<Answer, ApiError> {
        let ledger = self.ledger.state();
        let is_operator = call.caller.may(Scope::Operate);
        if ledger.refuses.is_some() {
            let unhealthy = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unhealthy, "no new requests are taken");
            return Err(if is_operator { unhealthy.with(|members| members.ledger = Some(ledger)) } else { unhealthy });
        }
        let details = if is_operator { Some(self.health_details(ledger).await) } else { None };
        Ok(Answer::new(StatusCode::OK, call.id, &Health { status: "ok", details, correlation_id: call.id }))
    }

    async fn health_details(&self, ledger: LedgerState) -> HealthDetails {
        let all = self.use_cases.list().await;
        let broken = |info: &UseCaseInfo| Some(BrokenUseCase { use_case: info.name.clone(), error: info.error.clone()? });
        let loading = |info: &UseCaseInfo| {
            let since = info.update.as_ref()?.since.clone();
            Some(LoadingUseCase { use_case: info.name.clone(), version: info.version.clone(), since })
        };
        HealthDetails {
            version: env!("CARGO_PKG_VERSION"),
            broken_use_cases: all.iter().filter_map(broken).collect(),
            loading_use_cases: all.iter().filter_map(loading).collect(),
            ledger: (ledger != LedgerState::default()).then_some(ledger),
        }
    }
}

impl<U, L, S: Scheduler> Api<U, L, S> {
    /// Returns a request by its host's knowledge at `now`. Lists show it so, if it is [`listed`](Stored::listed).
    pub fn show(&self, request: &Stored, now: DateTime<Utc>) -> RequestDocument {
        RequestDocument::of(request, &self.path_of(request.id)).held_up(self.scheduler.holds_up(request, now))
    }
}

impl<U, L, S> Api<U, L, S> {
    fn path_of(&self, id: CorrelationId) -> String {
        format!("{}/requests/{id}", self.base_path)
    }
}

impl Answer {
    /// Returns an answer with this document, which has the id as its `correlationId`.
    fn new(status: StatusCode, id: CorrelationId, document: &impl Serialize) -> Self {
        Self::of_text(status, id, json_text(document))
    }

    fn of_text(status: StatusCode, id: CorrelationId, body: impl Into<Bytes>) -> Self {
        Self { status, id, body: body.into(), location: None, outcomes: Outcomes::default() }
    }

    fn into_response(self) -> Response<Bytes> {
        let mut response = text_response(self.status, self.id, self.body, "application/json");
        if let Some(location) = self.location.and_then(|path| HeaderValue::try_from(path).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response.extensions_mut().insert(self.outcomes);
        response
    }
}

/// Returns an answer with its correlation id in a header. The caller puts the id into the body.
pub fn json_response(status: StatusCode, id: CorrelationId, body: &impl Serialize, content_type: &'static str) -> Response<Bytes> {
    text_response(status, id, json_text(body).into(), content_type)
}

fn json_text(document: &impl Serialize) -> Vec<u8> {
    // Cannot fail: the keys of every document are texts.
    serde_json::to_vec(document).unwrap_or_default()
}

fn text_response(status: StatusCode, id: CorrelationId, body: Bytes, content_type: &'static str) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(CORRELATION_HEADER, id);
    }
    response
}

/// Returns the use case of a call that submits requests.
pub fn submitted_to<'a>(method: &Method, path: &'a str) -> Option<&'a str> {
    let name = path.strip_prefix("/requests/")?;
    let name = name.strip_suffix("/batch").unwrap_or(name);
    (method == Method::POST && !name.contains('/')).then_some(name)
}

fn parse_id(text: &str) -> Result<CorrelationId, ApiError> {
    text.parse().map_err(|_| ApiError::new(StatusCode::NOT_FOUND, Code::UnknownRequest, format!("{text:?} is not a correlation id")))
}

#[cfg(test)]
mod tests;
