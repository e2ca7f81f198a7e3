//! The calls of the API that the core answers: method, path, scope.

use http::{Method, StatusCode};

use super::{ApiError, Code};
use crate::access::Scope;
use crate::id::CorrelationId;

/// A call's meaning, apart from its method and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Describe,
    Health,
    ListUseCases,
    GetUseCase,
    ListVersions,
    Pause,
    Resume,
    ListRequests,
    Submit,
    SubmitBatch,
    GetRequest,
    GetBody,
    Move,
    Cancel,
    Retry,
    Erase,
}

/// A call of the API.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub operation: Operation,
    pub method: &'static str,
    /// Path with at most one variable segment, `{use-case}`, `{name}` or `{id}`.
    pub path: &'static str,
    /// Scope that the call needs. `None` for a call that needs no key.
    pub scope: Option<Scope>,
}

/// All calls. `HEAD` answers where `GET` does, and is not listed.
pub const CALLS: &[Call] = &[
    call(Operation::Describe, "GET", "/openapi.json", None),
    call(Operation::Health, "GET", "/health", None),
    call(Operation::ListUseCases, "GET", "/use-cases", Some(Scope::Read)),
    call(Operation::GetUseCase, "GET", "/use-cases/{name}", Some(Scope::Read)),
    call(Operation::ListVersions, "GET", "/use-cases/{name}/versions", Some(Scope::Read)),
    call(Operation::Pause, "POST", "/use-cases/{name}/pause", Some(Scope::Deploy)),
    call(Operation::Resume, "POST", "/use-cases/{name}/resume", Some(Scope::Deploy)),
    call(Operation::ListRequests, "GET", "/requests", Some(Scope::Read)),
    call(Operation::Submit, "POST", "/requests/{use-case}", Some(Scope::Submit)),
    call(Operation::SubmitBatch, "POST", "/requests/{use-case}/batch", Some(Scope::Submit)),
    call(Operation::GetRequest, "GET", "/requests/{id}", Some(Scope::Read)),
    call(Operation::Move, "PATCH", "/requests/{id}", Some(Scope::Change)),
    call(Operation::Cancel, "DELETE", "/requests/{id}", Some(Scope::Change)),
    call(Operation::GetBody, "GET", "/requests/{id}/body", Some(Scope::Read)),
    call(Operation::Retry, "POST", "/requests/{id}/retry", Some(Scope::Change)),
    call(Operation::Erase, "POST", "/requests/{id}/erase", Some(Scope::Change)),
];

const fn call(operation: Operation, method: &'static str, path: &'static str, scope: Option<Scope>) -> Call {
    Call { operation, method, path, scope }
}

impl Call {
    /// Returns the variable segment of a path that has the form of this call's, or an empty text if the form has none. `None` for any other
    /// path.
    fn variable<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (mut form, mut given, mut variable) = (self.path.split('/'), path.split('/'), "");
        loop {
            match (form.next(), given.next()) {
                (None, None) => return Some(variable),
                (Some(name), Some(segment)) if name.starts_with('{') => variable = segment,
                (Some(name), Some(segment)) if name == segment => {}
                _ => return None,
            }
        }
    }
}

/// Returns the call of this method and path, with the variable segment of the path.
///
/// # Errors
/// `not-found` if no call has the path, `method-not-allowed` if none of these has the method.
pub(super) fn find<'p>(method: &Method, path: &'p str) -> Result<(&'static Call, &'p str), ApiError> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let mut of_method = CALLS.iter().filter(|call| call.method == method);
    of_method.find_map(|call| Some((call, call.variable(path)?))).ok_or_else(|| no_such_call(path))
}

/// Returns whether a path has the form of a call, whatever its method and its names.
pub fn is_call(path: &str) -> bool {
    CALLS.iter().any(|call| call.variable(path).is_some())
}

/// Returns whether calls of this path need no key. They have no body.
pub fn is_public(path: &str) -> bool {
    CALLS.iter().any(|call| call.scope.is_none() && call.path == path)
}

fn no_such_call(path: &str) -> ApiError {
    let is_id = |text: &str| text.parse::<CorrelationId>().is_ok();
    // A path `/requests/…` is that of a request if it ends with an id, else that of a use case.
    let is_meant = |call: &&Call| match call.variable(path) {
        Some(variable) if ["/requests/{id}", "/requests/{use-case}"].contains(&call.path) => is_id(variable) == call.path.ends_with("{id}"),
        found => found.is_some(),
    };
    let methods = CALLS.iter().filter(is_meant).flat_map(|call| if call.method == "GET" { vec!["GET", "HEAD"] } else { vec![call.method] });
    let allowed = methods.collect::<Vec<_>>().join(", ");
    if allowed.is_empty() {
        return ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, format!("the API has no path {path}"));
    }
    ApiError::method_not_allowed(path, &allowed)
}
