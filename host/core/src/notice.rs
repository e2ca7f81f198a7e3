//! Notices: requests that notify `[on]`'s targets of how another request ended.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::id::CorrelationId;
use crate::request::{NewRequest, Request, Status};
use crate::time::Rfc3339;
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
    Some(NewRequest { request, idempotency_key: None, body: OutcomeDocument::from(ended).to_json() })
}

/// The state of a request: the body of a notice, and part of the API's answers.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OutcomeDocument {
    pub correlation_id: CorrelationId,
    pub use_case: String,
    pub status: Status,
    /// Alias of the target.
    pub target: String,
    /// Time of the first attempt.
    pub trigger_at: Rfc3339,
    /// Attempts begun. Attempts that the host could not begin do not count.
    pub attempts: u32,
    /// Time of the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Rfc3339>,
    /// The JSON object or array that the processor or the target returned, byte for byte; any other text as a string. At most 64 KiB.
    /// Lists omit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(schema_with = "result_schema"))]
    pub result: Option<ResultText>,
    /// Reason why the last attempt failed, or why none began. Lists show its first 1,000 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Values of the labels, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// For a notice, the request whose end it reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice_of: Option<CorrelationId>,
}

impl From<&Request> for OutcomeDocument {
    fn from(request: &Request) -> Self {
        Self {
            correlation_id: request.id,
            use_case: request.use_case.clone(),
            status: request.status,
            target: request.target.clone(),
            trigger_at: Rfc3339(request.trigger_at),
            attempts: request.attempts,
            finished_at: request.finished_at.map(Rfc3339),
            result: request.result.as_deref().map(ResultText::from),
            failure: request.failure.clone(),
            labels: request.labels.clone(),
            notice_of: request.notice_of,
        }
    }
}

impl OutcomeDocument {
    fn to_json(&self) -> String {
        // Cannot fail: all keys are texts.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The text of a result as documents show it. JSON is written byte for byte: a [`Value`] would round long numbers and drop repeated keys.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ResultText {
    /// An object or an array.
    Json(Box<RawValue>),
    Text(String),
}

impl From<&str> for ResultText {
    fn from(text: &str) -> Self {
        structured(text).map_or_else(|| Self::Text(text.to_owned()), Self::Json)
    }
}

/// The keys of an object, and the items of an array, are those of the processor or the target.
#[cfg(test)]
fn result_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["object", "array", "string"], "items": {} })
}

/// Returns a text that is a JSON object or array, unchanged. Any other text is shown as a string. The strict parser decides, since a
/// client's parser must read the whole document: it refuses lone surrogates, numbers beyond a double, and more than 127 levels.
fn structured(text: &str) -> Option<Box<RawValue>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(_) | Value::Array(_)) => serde_json::from_str(text).ok(),
        _ => None,
    }
}
