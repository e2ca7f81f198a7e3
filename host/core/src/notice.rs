//! Notices: requests that notify `[on]`'s targets of how another request ended.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::id::CorrelationId;
use crate::request::{NewRequest, Request, Status};
use crate::time::rfc3339;
use crate::use_case::UseCase;

/// Returns the notice of the end of `ended`, if the manifest names a target for it. A notice has the retries, the lease and the history
/// of any request. The end of a notice has no notice.
pub fn notice(use_case: &UseCase, version: &str, ended: &Request, id: CorrelationId, now: DateTime<Utc>) -> Option<NewRequest> {
    let alias = match ended.status {
        Status::Succeeded => use_case.on.success.as_deref(),
        Status::Failed => use_case.on.failure.as_deref(),
        _ => None,
    };
    let (alias, _) = use_case.targets.get(alias?)?;
    if ended.notice_of.is_some() {
        return None;
    }
    let request =
        Request { owner: ended.owner.clone(), notice_of: Some(ended.id), ..Request::scheduled(use_case, version, alias, id, now, now) };
    Some(NewRequest { request, idempotency_key: None, body: outcome_document(ended).to_string() })
}

/// Returns the state of a request as JSON: the body of a notice, and part of the API's answers.
pub(crate) fn outcome_document(request: &Request) -> Value {
    let mut document = Map::new();
    document.insert("correlationId".into(), json!(request.id));
    document.insert("useCase".into(), json!(request.use_case));
    document.insert("status".into(), json!(request.status));
    document.insert("target".into(), json!(request.target));
    document.insert("triggerAt".into(), json!(rfc3339(request.trigger_at)));
    document.insert("attempts".into(), json!(request.attempts));
    if let Some(at) = request.finished_at {
        document.insert("finishedAt".into(), json!(rfc3339(at)));
    }
    if let Some(text) = &request.result {
        document.insert("result".into(), result_value(text));
    }
    if let Some(failure) = &request.failure {
        document.insert("failure".into(), json!(failure));
    }
    if let Some(parent) = request.notice_of {
        document.insert("noticeOf".into(), json!(parent));
    }
    Value::Object(document)
}

/// Returns a result that is a JSON object or array as such, and any other text as a string.
fn result_value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}
