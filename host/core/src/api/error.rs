//! Errors as clients see them: RFC 9457 problem details with a stable `code`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{Outcomes, json_response};
use crate::accept::Rejection;
use crate::access::Denied;
use crate::arm::ArmError;
use crate::id::CorrelationId;
use crate::json::JsonError;
use crate::ports::{LedgerError, ScheduleError, UseCaseError};
use crate::time::TimeError;

/// One error answer.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Reason for the log, where the detail must not tell it.
    cause: Option<String>,
    /// Further members: `problems`, `targets`, `pointer`, `candidates`.
    members: Map<String, Value>,
    headers: HeaderMap,
    /// The request that the error is about; `None` if the error is about the call.
    about: Option<CorrelationId>,
}

/// The answer of an error.
pub(super) struct Problem {
    pub status: StatusCode,
    pub id: CorrelationId,
    pub code: &'static str,
    /// The problem document.
    pub body: Value,
    pub headers: HeaderMap,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            status,
            code,
            detail: detail.into(),
            cause: None,
            members: Map::new(),
            headers: HeaderMap::new(),
            about: None,
        }))
    }

    /// Returns the error for a body larger than `limit` bytes.
    pub fn payload_too_large(limit: usize) -> Self {
        let detail = format!("the body of this call may have at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", detail)
    }

    /// Returns the error for a validator that cannot be called now.
    pub fn validator_unavailable(error: &UseCaseError) -> Self {
        let detail = format!("the validator of the use case cannot be called: {}", error.for_clients());
        unavailable("validator-failed", detail, LOADING_RETRY_SECONDS).with("reason", json!("not-started")).because(error.to_string())
    }

    /// Returns the error for a store of use cases that cannot be read.
    pub fn store(error: &UseCaseError) -> Self {
        let (detail, cause) = (format!("the versions cannot be read: {}", error.for_clients()), error.to_string());
        match error {
            UseCaseError::Host(_) => unavailable("store-unavailable", detail, 1).because(cause),
            UseCaseError::Unusable(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store-failed", detail).because(cause),
        }
    }

    #[must_use]
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.0.members.insert(member.to_owned(), value);
        self
    }

    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        self.0.headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        self
    }

    #[must_use]
    pub fn about(mut self, id: CorrelationId) -> Self {
        self.0.about = Some(id);
        self
    }

    /// Sets the reason that only the log shows.
    #[must_use]
    fn because(mut self, cause: String) -> Self {
        self.0.cause = Some(cause);
        self
    }

    /// Replaces the detail.
    #[must_use]
    pub fn detailed(mut self, detail: String) -> Self {
        self.0.detail = detail;
        self
    }

    /// Appends to the detail.
    #[must_use]
    pub fn and(self, more: &str) -> Self {
        let detail = format!("{}; {more}", self.0.detail);
        self.detailed(detail)
    }

    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// Returns the answer. `call` is the correlation id of the call, for an error that is about no request.
    pub fn into_response(self, call: CorrelationId) -> Response<Bytes> {
        let Problem { status, id, code, body, headers } = self.into_problem(call);
        let mut response = json_response(status, id, &body, "application/problem+json");
        response.headers_mut().extend(headers);
        response.extensions_mut().insert(Outcomes { accepted: 0, refused: vec![code] });
        response
    }

    /// Logs the error, and returns the parts of its answer.
    pub(super) fn into_problem(self, call: CorrelationId) -> Problem {
        let Parts { status, code, detail, cause, members, headers, about } = *self.0;
        let id = about.unwrap_or(call);
        // A use case is loaded at each start, so each call for it meanwhile is no fault.
        if status.is_server_error() && code != LOADING {
            tracing::error!(correlation_id = %id, code, detail, cause, "call failed");
        } else {
            // Do not log the detail, which may quote the client's input.
            tracing::info!(correlation_id = %id, code, status = status.as_u16(), "call refused");
        }
        // The type is "about:blank", for which RFC 9457 requires the status phrase as title. `code` names the problem.
        let mut body = json!({
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "code": code,
            "detail": detail,
            "correlationId": id.to_string(),
        });
        if let Some(object) = body.as_object_mut() {
            object.extend(members);
        }
        Problem { status, id, code, body, headers }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let forbidden = |code| Self::new(StatusCode::FORBIDDEN, code, denied.to_string());
        match &denied {
            Denied::Scope { scope, .. } => forbidden("missing-scope").with("scope", json!(scope.as_str())),
            Denied::UseCase { use_case, .. } => forbidden("use-case-not-permitted").with("useCase", json!(use_case)),
        }
    }
}

impl From<TimeError> for ApiError {
    fn from(error: TimeError) -> Self {
        let answer = Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.code(), error.to_string());
        if let Some(candidates) = error.candidates() { answer.with("candidates", json!(candidates)) } else { answer }
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Unavailable(_) => unavailable("ledger-unavailable", error.for_clients(), 1).because(error.to_string()),
            LedgerError::Full(_) => unavailable("ledger-full", error.for_clients(), FULL_RETRY_SECONDS).because(error.to_string()),
            LedgerError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", error.for_clients()),
            LedgerError::TooMany { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "list-too-long", error.for_clients()),
            LedgerError::Failed(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ledger-failed", error.for_clients()).because(error.to_string())
            }
        }
    }
}

impl From<ScheduleError> for ApiError {
    fn from(error: ScheduleError) -> Self {
        match &error {
            ScheduleError::Unavailable { retry_after, .. } => {
                // `Retry-After` has whole seconds: round up.
                let seconds = retry_after.map_or(1, |wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
                unavailable("scheduler-unavailable", error.to_string(), seconds.max(1))
            }
            ScheduleError::NoRoom { .. } => unavailable("scheduler-unavailable", error.to_string(), FULL_RETRY_SECONDS),
            ScheduleError::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", error.to_string()),
            ScheduleError::Failed(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "scheduler-failed", error.to_string()),
        }
    }
}

impl From<ArmError> for ApiError {
    fn from(error: ArmError) -> Self {
        match error {
            ArmError::Ledger(error) => error.into(),
            ArmError::Schedule(error) => error.into(),
        }
    }
}

/// `Retry-After` while a use case is loaded. A plugin in Rust is compiled within seconds, one with an interpreter within a minute.
/// The code of an answer for a use case without a loaded version.
const LOADING: &str = "use-case-loading";
const LOADING_RETRY_SECONDS: u64 = 10;

/// `Retry-After` while the disk is full: somebody has to free space.
const FULL_RETRY_SECONDS: u64 = 10;

fn unavailable(code: &'static str, detail: String, retry_after_seconds: u64) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with_header(header::RETRY_AFTER, &retry_after_seconds.to_string())
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let detail = rejection.to_string();
        let unprocessable = |code| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail.clone());
        match rejection {
            Rejection::UnknownUseCase { .. } => Self::new(StatusCode::NOT_FOUND, "unknown-use-case", detail),
            Rejection::BrokenUseCase { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "use-case-broken", detail),
            Rejection::LoadingUseCase { .. } => unavailable(LOADING, detail, LOADING_RETRY_SECONDS),
            Rejection::Body(error) => {
                let code = match error {
                    JsonError::Malformed(_) => "malformed-json",
                    JsonError::ByteOrderMark => "byte-order-mark",
                    JsonError::DuplicateKey(_) => "duplicate-key",
                    JsonError::NotAnObject => "not-an-object",
                };
                Self::new(StatusCode::BAD_REQUEST, code, detail)
            }
            Rejection::Time(error) => error.into(),
            Rejection::TargetNotText => unprocessable("target-malformed").with("pointer", json!("/target")),
            Rejection::UnknownTarget { known, .. } => {
                unprocessable("unknown-target").with("pointer", json!("/target")).with("targets", json!(known))
            }
            Rejection::TargetNotServed { .. } => unprocessable("target-not-served").with("pointer", json!("/target")),
            Rejection::NoticeNotServed { .. } => unprocessable("target-not-served"),
            Rejection::TargetLimit { alias, exceeded } => unprocessable("target-limit")
                .with("target", json!(alias))
                .with("size", json!(exceeded.size))
                .with("limit", json!(exceeded.limit))
                .with("unit", json!(exceeded.unit))
                .with("source", json!(exceeded.source_page)),
            Rejection::Label { name, pointer, .. } => {
                unprocessable("label-unreadable").with("label", json!(name)).with("pointer", json!(pointer))
            }
            Rejection::Problems(problems) => unprocessable("rejected").with("problems", json!(problems)),
            // The detail names plugin, version and reason. The guest's stderr goes only to the log.
            Rejection::Validator(error) => {
                let answer = match error.reason {
                    crate::plugin::Stopped::NotStarted(_) => unavailable("validator-failed", detail, 1),
                    _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "validator-failed", detail),
                };
                answer.with("reason", json!(error.reason.code()))
            }
            Rejection::BadAcceptance { .. } => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "validator-answer-unusable", detail),
            Rejection::KeyReused { first } => Self::new(StatusCode::CONFLICT, "idempotency-key-reused", detail).with("first", json!(first)),
            Rejection::KeyCancelled { first } => {
                Self::new(StatusCode::CONFLICT, "idempotency-key-cancelled", detail).with("first", json!(first))
            }
            Rejection::Ledger(error) => error.into(),
            Rejection::Schedule(error) => error.into(),
            Rejection::MayRun { id, cause } => Self::from(*cause).detailed(detail).with("mayRun", json!(true)).about(id),
        }
    }
}
