//! Errors as clients see them: RFC 9457 problem details with a stable `code`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::{Outcomes, json_response};
use crate::accept::{MAX_BODY_BYTES, Rejection};
use crate::access::Denied;
use crate::arm::ArmError;
use crate::id::CorrelationId;
use crate::json::JsonError;
use crate::plugin;
use crate::ports::{LedgerError, LedgerState, ScheduleError, UseCaseError};
use crate::problem::Code;
use crate::request::Status;
use crate::time::{Rfc3339, TimeError};

/// One error answer.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: Code,
    detail: String,
    /// Reason for the log, where the detail must not tell it.
    cause: Option<String>,
    members: Members,
    headers: HeaderMap,
    /// The request that the error is about; `None` if the error is about the call.
    about: Option<CorrelationId>,
}

/// Members of a problem document beside those that each has.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Members {
    /// JSON Pointer (RFC 6901) into the body that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Reasons of the validator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problems: Option<Vec<plugin::Problem>>,
    /// Name of the query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Scope that the caller lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Use case that the caller may not use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_case: Option<String>,
    /// Status of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_status: Option<Status>,
    /// The time that the request keeps after a move that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_at: Option<Rfc3339>,
    /// Two times that may be meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<[String; 2]>,
    /// Aliases of the targets that the use case has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<String>>,
    /// Alias of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Size of what was sent, in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Largest size, in `unit`; for a batch, in requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'static str>,
    /// Page that states the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// Name of the label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Why the validator gave no answer: `trap`, `timeout`, `memory`, `output`, `limit` or `not-started`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Id of the first request with the idempotency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<CorrelationId>,
    /// True if the request that `correlationId` names may run all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_run: Option<bool>,
    /// State of the ledger, for a caller with the scope `operate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerState>,
}

/// A problem (RFC 9457). Its type is `about:blank`; `code` says which problem it is.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Problem"))]
#[serde(rename_all = "camelCase")]
pub struct ProblemDocument {
    /// The phrase of the HTTP status.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The problem, for programs. Further codes may be added.
    pub code: Code,
    /// The problem, for people.
    pub detail: String,
    /// Id of the request that the problem is about, else of the call.
    pub correlation_id: CorrelationId,
    #[serde(flatten)]
    pub members: Members,
}

/// The answer of an error.
pub(super) struct ProblemAnswer {
    pub status: StatusCode,
    pub body: ProblemDocument,
    pub headers: HeaderMap,
}

impl ApiError {
    /// Returns an error. `code` has `status` among its statuses.
    pub fn new(status: StatusCode, code: Code, detail: impl Into<String>) -> Self {
        debug_assert!(code.statuses().contains(&status.as_u16()), "{code} has no status {status}");
        Self(Box::new(Parts {
            status,
            code,
            detail: detail.into(),
            cause: None,
            members: Members::default(),
            headers: HeaderMap::new(),
            about: None,
        }))
    }

    /// Returns the error for a body larger than `limit` bytes.
    pub fn payload_too_large(limit: usize) -> Self {
        let detail = format!("the body of this call may have at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, detail)
    }

    /// Returns the error for a validator that cannot be called now.
    pub fn validator_unavailable(error: &UseCaseError) -> Self {
        let detail = format!("the validator of the use case cannot be called: {}", error.for_clients());
        unavailable(Code::ValidatorFailed, detail, LOADING_RETRY_SECONDS)
            .with(|members| members.reason = Some("not-started"))
            .because(error.to_string())
    }

    /// Returns the error for a path with other methods than the called one. `allowed` is the value of the header `Allow`.
    pub fn method_not_allowed(path: &str, allowed: &str) -> Self {
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed, format!("{path} answers to {allowed}"));
        error.with_header(header::ALLOW, allowed)
    }

    /// Returns the error for a store of use cases that cannot be read.
    pub fn store(error: &UseCaseError) -> Self {
        let (detail, cause) = (format!("the versions cannot be read: {}", error.for_clients()), error.to_string());
        match error {
            UseCaseError::Host(_) => unavailable(Code::StoreUnavailable, detail, 1).because(cause),
            UseCaseError::Unusable(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::StoreFailed, detail).because(cause),
        }
    }

    #[must_use]
    pub fn with(mut self, set: impl FnOnce(&mut Members)) -> Self {
        set(&mut self.0.members);
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
        self.0.code.as_str()
    }

    /// Returns the answer. `call` is the correlation id of the call, for an error that is about no request.
    pub fn into_response(self, call: CorrelationId) -> Response<Bytes> {
        let ProblemAnswer { status, body, headers } = self.into_problem(call);
        let mut response = json_response(status, body.correlation_id, &body, "application/problem+json");
        response.headers_mut().extend(headers);
        response.extensions_mut().insert(Outcomes { accepted: 0, refused: vec![body.code.as_str()] });
        response
    }

    /// Logs the error, and returns the parts of its answer.
    pub(super) fn into_problem(self, call: CorrelationId) -> ProblemAnswer {
        let Parts { status, code, detail, cause, members, headers, about } = *self.0;
        let id = about.unwrap_or(call);
        // A use case is loaded at each start, so each call for it meanwhile is no fault.
        if status.is_server_error() && code != LOADING {
            tracing::error!(correlation_id = %id, %code, detail, cause, "call failed");
        } else {
            // Do not log the detail, which may quote the client's input.
            tracing::info!(correlation_id = %id, %code, status = status.as_u16(), "call refused");
        }
        // The type is "about:blank", for which RFC 9457 requires the status phrase as title. `code` names the problem.
        let title = status.canonical_reason().unwrap_or("Error");
        let body = ProblemDocument { title, status: status.as_u16(), code, detail, correlation_id: id, members };
        ProblemAnswer { status, body, headers }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let forbidden = |code| Self::new(StatusCode::FORBIDDEN, code, denied.to_string());
        match &denied {
            Denied::Scope { scope, .. } => forbidden(Code::MissingScope).with(|members| members.scope = Some(scope.to_string())),
            Denied::UseCase { use_case, .. } => {
                forbidden(Code::UseCaseNotPermitted).with(|members| members.use_case = Some(use_case.clone()))
            }
        }
    }
}

impl From<TimeError> for ApiError {
    fn from(error: TimeError) -> Self {
        let answer = Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.code(), error.to_string());
        answer.with(|members| members.candidates = error.candidates().cloned())
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Unavailable(_) => unavailable(Code::LedgerUnavailable, error.for_clients(), 1).because(error.to_string()),
            LedgerError::Full(_) => unavailable(Code::LedgerFull, error.for_clients(), FULL_RETRY_SECONDS).because(error.to_string()),
            LedgerError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, error.for_clients()),
            LedgerError::TooMany { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, Code::ListTooLong, error.for_clients()),
            LedgerError::Failed(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::LedgerFailed, error.for_clients()).because(error.to_string())
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
                unavailable(Code::SchedulerUnavailable, error.to_string(), seconds.max(1))
            }
            ScheduleError::NoRoom { .. } => unavailable(Code::SchedulerUnavailable, error.to_string(), FULL_RETRY_SECONDS),
            ScheduleError::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::PayloadTooLarge, error.to_string()),
            ScheduleError::Failed(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::SchedulerFailed, error.to_string()),
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

/// The code of an answer for a use case without a loaded version.
const LOADING: Code = Code::UseCaseLoading;
/// `Retry-After` while a use case is loaded. A plugin in Rust is compiled within seconds, one with an interpreter within a minute.
const LOADING_RETRY_SECONDS: u64 = 10;

/// `Retry-After` while the disk is full: somebody has to free space.
const FULL_RETRY_SECONDS: u64 = 10;

fn unavailable(code: Code, detail: String, retry_after_seconds: u64) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with_header(header::RETRY_AFTER, &retry_after_seconds.to_string())
}

/// Sets the pointer of a problem with the target.
pub(super) fn at_target(members: &mut Members) {
    members.pointer = Some("/target".to_owned());
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let detail = rejection.to_string();
        let unprocessable = |code| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail.clone());
        match rejection {
            Rejection::UnknownUseCase { .. } => Self::new(StatusCode::NOT_FOUND, Code::UnknownUseCase, detail),
            Rejection::BrokenUseCase { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::UseCaseBroken, detail),
            Rejection::LoadingUseCase { .. } => unavailable(LOADING, detail, LOADING_RETRY_SECONDS),
            Rejection::BodyTooLarge => Self::payload_too_large(MAX_BODY_BYTES),
            Rejection::Body(error) => {
                let code = match error {
                    JsonError::Malformed(_) => Code::MalformedJson,
                    JsonError::ByteOrderMark => Code::ByteOrderMark,
                    JsonError::DuplicateKey(_) => Code::DuplicateKey,
                    JsonError::NotAnObject => Code::NotAnObject,
                };
                Self::new(StatusCode::BAD_REQUEST, code, detail)
            }
            Rejection::Time(error) => error.into(),
            Rejection::TargetNotText => unprocessable(Code::TargetMalformed).with(at_target),
            Rejection::UnknownTarget { known, .. } => {
                unprocessable(Code::UnknownTarget).with(at_target).with(|members| members.targets = Some(known))
            }
            Rejection::TargetNotServed { .. } => unprocessable(Code::TargetNotServed).with(at_target),
            Rejection::NoticeNotServed { .. } => unprocessable(Code::TargetNotServed),
            Rejection::TargetLimit { alias, exceeded } => unprocessable(Code::TargetLimit).with(|members| {
                members.target = Some(alias);
                members.size = Some(exceeded.size as u64);
                members.limit = Some(exceeded.limit as u64);
                members.unit = Some(exceeded.unit);
                members.source = Some(exceeded.source_page);
            }),
            Rejection::Label { name, pointer, .. } => {
                unprocessable(Code::LabelUnreadable).with(|members| (members.label, members.pointer) = (Some(name), Some(pointer)))
            }
            Rejection::Problems(problems) => unprocessable(Code::Rejected).with(|members| members.problems = Some(problems)),
            // The detail names plugin, version and reason. The guest's stderr goes only to the log.
            Rejection::Validator(error) => {
                let answer = match error.reason {
                    crate::plugin::Stopped::NotStarted(_) => unavailable(Code::ValidatorFailed, detail, 1),
                    _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::ValidatorFailed, detail),
                };
                answer.with(|members| members.reason = Some(error.reason.code()))
            }
            Rejection::BadAcceptance { .. } => Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::ValidatorAnswerUnusable, detail),
            Rejection::KeyReused { first } => {
                Self::new(StatusCode::CONFLICT, Code::IdempotencyKeyReused, detail).with(|members| members.first = Some(first))
            }
            Rejection::KeyCancelled { first } => {
                Self::new(StatusCode::CONFLICT, Code::IdempotencyKeyCancelled, detail).with(|members| members.first = Some(first))
            }
            Rejection::Ledger(error) => error.into(),
            Rejection::Schedule(error) => error.into(),
            Rejection::MayRun { id, cause } => Self::from(*cause).detailed(detail).with(|members| members.may_run = Some(true)).about(id),
        }
    }
}
