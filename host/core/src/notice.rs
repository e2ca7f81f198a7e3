//! Notices: requests that notify `[on]`'s targets of how another request ended.

use std::ops::{Index, IndexMut};

use chrono::{DateTime, Utc};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::id::CorrelationId;
use crate::request::{NewRequest, Request, Status};
use crate::time::rfc3339;
use crate::use_case::UseCase;

/// Returns the notice of the end of `ended`, if the manifest names a target for it. A notice has the retries, the lease and the history
/// of any request, and does not expire. The end of a notice has no notice.
pub fn notice(use_case: &UseCase, version: &str, ended: &Request, id: CorrelationId, now: DateTime<Utc>) -> Option<NewRequest> {
    let alias = match ended.status {
        Status::Succeeded => use_case.on.success.as_deref(),
        status if status.is_failure() => use_case.on.failure.as_deref(),
        _ => None,
    };
    let (alias, _) = use_case.targets.get(alias?)?;
    if ended.notice_of.is_some() {
        return None;
    }
    let request = Request::scheduled(use_case, version, alias, id, now, now);
    let request = Request { owner: ended.owner.clone(), notice_of: Some(ended.id), trace: ended.trace, expire_after: None, ..request };
    Some(NewRequest { request, idempotency_key: None, body: outcome_document(ended).to_json() })
}

/// A JSON object about a request. Its member `result` is written byte for byte: a [`Value`] would round long numbers and drop repeated
/// keys.
#[derive(Debug)]
pub(crate) struct Document {
    members: Value,
    /// Written in place of the member `result`.
    result: Option<Box<RawValue>>,
}

/// Name of the member that shows a request's result.
const RESULT: &str = "result";

impl From<Value> for Document {
    fn from(members: Value) -> Self {
        Self { members, result: None }
    }
}

impl Document {
    /// Returns the document of a request that has no result.
    pub fn into_members(self) -> Value {
        self.members
    }

    /// Returns the document as JSON text.
    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Index<&str> for Document {
    type Output = Value;

    fn index(&self, member: &str) -> &Value {
        &self.members[member]
    }
}

impl IndexMut<&str> for Document {
    fn index_mut(&mut self, member: &str) -> &mut Value {
        &mut self.members[member]
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (Some(result), Some(members)) = (&self.result, self.members.as_object()) else { return self.members.serialize(serializer) };
        let mut map = serializer.serialize_map(Some(members.len()))?;
        for (name, value) in members {
            if name == RESULT { map.serialize_entry(name, result)? } else { map.serialize_entry(name, value)? }
        }
        map.end()
    }
}

/// Returns the state of a request as JSON: the body of a notice, and part of the API's answers.
pub(crate) fn outcome_document(request: &Request) -> Document {
    let mut document = Document::from(json!({
        "correlationId": request.id,
        "useCase": request.use_case,
        "status": request.status,
        "target": request.target,
        "triggerAt": rfc3339(request.trigger_at),
        "attempts": request.attempts,
    }));
    if let Some(at) = request.finished_at {
        document["finishedAt"] = json!(rfc3339(at));
    }
    if let Some(text) = &request.result {
        document[RESULT] = json!(text);
        document.result = structured(text);
    }
    if let Some(failure) = &request.failure {
        document["failure"] = json!(failure);
    }
    if !request.labels.is_empty() {
        document["labels"] = json!(request.labels);
    }
    if let Some(parent) = request.notice_of {
        document["noticeOf"] = json!(parent);
    }
    document
}

/// Returns a text that is a JSON object or array, unchanged. Any other text is shown as a string. The strict parser decides, since a
/// client's parser must read the whole document: it refuses lone surrogates, numbers beyond a double, and more than 127 levels.
fn structured(text: &str) -> Option<Box<RawValue>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(_) | Value::Array(_)) => serde_json::from_str(text).ok(),
        _ => None,
    }
}
