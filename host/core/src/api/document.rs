//! Requests as JSON documents.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::civil::Zone;
use crate::notice::{Document, outcome_document};
use crate::request::{HistoryEntry, Request, Status};
use crate::time::rfc3339;

/// Returns a request as answers to changes show it.
pub fn summary(request: &Request, path: &str) -> Document {
    let mut document = details(request);
    document["links"] = links(path);
    document
}

/// Returns a request as lists show it: see [`Request::listed`]. `waits_for` is what its host holds it up for.
pub fn listed(request: &Request, path: &str, waits_for: Option<String>) -> Value {
    let mut document = summary(request, path);
    add_held_up(&mut document, waits_for);
    document.into_members()
}

fn details(request: &Request) -> Document {
    let mut document = outcome_document(request);
    document["receivedAt"] = json!(rfc3339(request.received_at));
    document["version"] = json!(request.version);
    if let Some(owner) = &request.owner {
        document["owner"] = json!(owner);
    }
    if let Some(at) = request.erased_at {
        document["erasedAt"] = json!(rfc3339(at));
    }
    if request.due_at != request.trigger_at && request.finished_at.is_none() && !request.is_held() {
        document["nextAttemptAt"] = json!(rfc3339(request.due_at));
    }
    if request.status == Status::Scheduled {
        if let Some(waiting) = &request.waiting {
            document["waitsFor"] = json!(waiting.on);
            document["waitsSince"] = json!(rfc3339(waiting.since));
        }
        if let Some(at) = request.expires_at() {
            document["expiresAt"] = json!(rfc3339(at));
        }
    }
    document
}

/// Returns a request with its history.
pub fn full(request: &Request, history: &[HistoryEntry], path: &str) -> Document {
    let mut document = details(request);
    document["history"] = history.iter().map(history_line).collect();
    document["links"] = links(path);
    document
}

/// Returns the acknowledgement: the request as it was accepted, without later changes. Shows the time in `zone`, too.
pub fn acknowledgement(request: &Request, path: &str, zone: Option<&Zone>) -> Document {
    let mut document = Document::from(json!({
        "correlationId": request.id,
        "status": "scheduled",
        "useCase": request.use_case,
        "target": request.target,
        "triggerAt": rfc3339(request.first_trigger_at),
    }));
    add_zoned(&mut document, request.first_trigger_at, zone);
    document["links"] = links(path);
    document
}

/// Adds the time in the zone that the client named.
pub fn add_zoned(document: &mut Document, at: DateTime<Utc>, zone: Option<&Zone>) {
    if let Some(text) = zone.and_then(|zone| zone.format(at)) {
        document["triggerAtZoned"] = json!(text);
    }
}

/// Adds what the request waits for, if its host holds it up.
pub fn add_held_up(document: &mut Document, waits_for: Option<String>) {
    if let Some(waits_for) = waits_for {
        document["waitsFor"] = json!(waits_for);
    }
}

fn links(path: &str) -> Value {
    json!({ "self": path })
}

fn history_line(entry: &HistoryEntry) -> Value {
    let mut line = json!({ "at": rfc3339(entry.at), "event": entry.event, "status": entry.status, "attempt": entry.attempt });
    if let Some(detail) = &entry.detail {
        line["detail"] = json!(detail);
    }
    if let Some(by) = &entry.by {
        line["by"] = json!(by);
    }
    line
}
