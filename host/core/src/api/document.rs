//! Requests as JSON documents.

use serde_json::{Map, Value, json};

use crate::request::{HistoryEntry, Request};
use crate::schedule::rfc3339;

/// A request as lists and changes show it.
pub fn summary(request: &Request, path: &str) -> Value {
    let mut document = details(request);
    document["links"] = links(path);
    document
}

fn details(request: &Request) -> Value {
    let mut document = outcome_document(request);
    document["receivedAt"] = json!(rfc3339(request.received_at));
    document["version"] = json!(request.version);
    if request.due_at != request.trigger_at && request.finished_at.is_none() {
        document["nextAttemptAt"] = json!(rfc3339(request.due_at));
    }
    document
}

/// A request whole.
pub fn full(request: &Request, history: &[HistoryEntry], path: &str) -> Value {
    let mut document = details(request);
    document["history"] = history.iter().map(history_line).collect();
    document["links"] = links(path);
    document
}

/// How a request stands: also the body that `[on]`'s targets are sent.
pub fn outcome_document(request: &Request) -> Value {
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

/// The acknowledgement: what the request was when it was accepted, whatever it is by now.
pub fn acknowledgement(request: &Request, path: &str) -> Value {
    json!({
        "correlationId": request.id,
        "status": "scheduled",
        "useCase": request.use_case,
        "target": request.target,
        "triggerAt": rfc3339(request.first_trigger_at),
        "links": links(path),
    })
}

fn links(path: &str) -> Value {
    json!({ "self": path })
}

/// A result that is a JSON object or array is shown as one; any other text as text.
fn result_value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}

fn history_line(entry: &HistoryEntry) -> Value {
    let mut line = json!({ "at": rfc3339(entry.at), "event": entry.event, "status": entry.status, "attempt": entry.attempt });
    if let Some(detail) = &entry.detail {
        line["detail"] = json!(detail);
    }
    line
}
