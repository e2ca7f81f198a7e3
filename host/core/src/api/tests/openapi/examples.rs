//! Examples of bodies and answers. An end-to-end test sends the bodies to a server with the sample use case `orders`, whose clock stands at
//! 2027-01-01, and compares the answers with their schemas.

use serde_json::{Value, json};

pub const ID: &str = "01a22c20-0a3b-7c50-a5f3-6ab9a4ad9b66";
pub const CURSOR: &str = "MTc5ODc2MTYwNTAwMC8wMWEyMmMyMC0wYTNiLTdjNTAtYTVmMy02YWI5YTRhZDliNjY";
const CALL: &str = "01a22c20-1f00-7d11-8c7e-0f6a5d3e2b10";
const VERSION: &str = "e51c27a547874fcb";

pub fn submissions() -> Value {
    json!({
        "delay": { "summary": "In five seconds", "value": { "item": "book", "quantity": 2, "delay": "PT5S" } },
        "time": {
            "summary": "At a time, on a target",
            "value": { "item": "book", "quantity": 1, "triggerAt": "2027-03-01T09:00:00+01:00", "target": "heavy" },
        },
        "zone": {
            "summary": "At nine o'clock in Berlin",
            "value": { "item": "book", "quantity": 1, "triggerAt": "2027-03-28T09:00:00[Europe/Berlin]" },
        },
    })
}

pub fn batches() -> Value {
    json!({ "two": {
        "summary": "Two requests",
        "value": [
            { "item": "book", "quantity": 2, "delay": "PT5S" },
            { "item": "pen", "quantity": 1, "triggerAt": "2027-03-01T09:00:00Z" },
        ],
    } })
}

pub fn moves() -> Value {
    json!({
        "time": { "summary": "To a time", "value": { "triggerAt": "2027-03-02T09:00:00Z" } },
        "delay": { "summary": "To an hour from now", "value": { "delay": "PT1H" } },
    })
}

pub fn pauses() -> Value {
    json!({
        "all": { "summary": "All targets, without an end", "value": {} },
        "target": { "summary": "One target, until a time", "value": { "target": "heavy", "until": "2027-03-01T09:00:00Z" } },
    })
}

pub fn resumes() -> Value {
    json!({ "target": { "summary": "One target", "value": { "target": "heavy" } } })
}

pub fn roll_backs() -> Value {
    json!({ "version": { "summary": "To a version", "value": { "version": VERSION } } })
}

pub fn clock_moves() -> Value {
    json!({
        "advance": { "summary": "By a week", "value": { "advance": "P7D" } },
        "to": { "summary": "To a time", "value": { "to": "2027-03-01T09:00:00Z" } },
    })
}

pub fn acknowledgement() -> Value {
    json!({
        "correlationId": ID,
        "status": "scheduled",
        "useCase": "orders",
        "target": "here",
        "triggerAt": "2027-01-01T00:00:05.000Z",
        "links": links(),
    })
}

pub fn outcomes() -> Value {
    json!({
        "outcomes": [
            { "status": 202, "body": acknowledgement() },
            { "status": 422, "body": {
                "title": "Unprocessable Entity",
                "status": 422,
                "code": "trigger-in-past",
                "detail": "\"triggerAt\" is 2026-03-01T09:00:00.000Z, which has passed",
                "correlationId": "01a22c20-0a3b-7c50-a5f3-6ab9a4ad9b67",
            } },
        ],
        "correlationId": CALL,
    })
}

pub fn request() -> Value {
    let mut request = listed("succeeded");
    request["attempts"] = json!(1);
    request["finishedAt"] = json!("2027-01-01T00:00:05.120Z");
    request["result"] = json!({ "charged": 25.98 });
    request["history"] = json!([
        { "at": "2027-01-01T00:00:00.000Z", "event": "accepted", "status": "scheduled", "attempt": 0 },
        { "at": "2027-01-01T00:00:05.001Z", "event": "started", "status": "running", "attempt": 1 },
        { "at": "2027-01-01T00:00:05.120Z", "event": "succeeded", "status": "succeeded", "attempt": 1 },
    ]);
    request
}

pub fn list() -> Value {
    json!({ "requests": [listed("scheduled")], "nextCursor": CURSOR, "correlationId": CALL })
}

pub fn moved() -> Value {
    let mut request = listed("scheduled");
    request["triggerAt"] = json!("2027-03-02T09:00:00.000Z");
    request
}

pub fn cancelled() -> Value {
    ended("cancelled")
}

pub fn retried() -> Value {
    let mut request = listed("scheduled");
    request["attempts"] = json!(5);
    request["nextAttemptAt"] = json!("2027-01-02T10:00:00.000Z");
    request
}

pub fn erased() -> Value {
    let mut request = ended("cancelled");
    request["erasedAt"] = json!("2027-01-01T00:00:03.000Z");
    request
}

fn ended(status: &str) -> Value {
    let mut request = listed(status);
    request["finishedAt"] = json!("2027-01-01T00:00:03.000Z");
    request
}

fn listed(status: &str) -> Value {
    json!({
        "correlationId": ID,
        "useCase": "orders",
        "status": status,
        "target": "here",
        "triggerAt": "2027-01-01T00:00:05.000Z",
        "attempts": 0,
        "receivedAt": "2027-01-01T00:00:00.000Z",
        "version": VERSION,
        "links": links(),
    })
}

fn links() -> Value {
    json!({ "self": format!("/requests/{ID}") })
}

pub fn use_cases() -> Value {
    json!({
        "useCases": [{
            "name": "orders",
            "description": "Place an order at a chosen time",
            "version": VERSION,
            "targets": ["heavy", "here"],
            "paused": [pause()],
        }],
        "correlationId": CALL,
    })
}

pub fn use_case() -> Value {
    let mut use_case = use_cases()["useCases"][0].clone();
    use_case["plugins"] = json!([{
        "role": "process",
        "plugin": "process.wasm",
        "memoryBytes": 67_108_864,
        "timeoutSeconds": 10.0,
        "headers": [],
        "allowHttp": ["https://shop.example.com"],
        "secrets": ["SHOP_TOKEN"],
    }]);
    use_case["reach"] = json!([{ "target": "here", "kind": "plugin", "isDefault": true, "isDirect": false, "secrets": [] }]);
    use_case["correlationId"] = json!(CALL);
    use_case
}

pub fn versions() -> Value {
    json!({
        "useCase": "orders",
        "versions": [{
            "version": VERSION,
            "isCurrent": true,
            "serves": true,
            "pushedAt": "2027-01-01T00:00:00.000Z",
            "pushedBy": "ci",
            "bytes": 286_720,
            "signedBy": [],
            "compiledFor": ["x86_64"],
            "cases": ["accepts-an-order"],
        }],
        "current": { "since": "2027-01-01T00:00:00.000Z", "by": "ci" },
        "correlationId": CALL,
    })
}

fn pause() -> Value {
    json!({ "since": "2027-01-01T00:00:00.000Z", "target": "heavy", "until": "2027-03-01T09:00:00.000Z", "by": "ops" })
}

pub fn paused() -> Value {
    json!({ "useCase": "orders", "paused": [pause()], "correlationId": CALL })
}

pub fn resumed() -> Value {
    json!({ "useCase": "orders", "paused": [], "correlationId": CALL })
}

pub fn uploaded() -> Value {
    json!({ "useCase": "orders", "version": VERSION, "former": null, "correlationId": CALL })
}

pub fn health() -> Value {
    json!({ "status": "ok", "correlationId": CALL })
}

pub fn clock() -> Value {
    json!({ "now": "2027-01-08T00:00:00.000Z", "correlationId": CALL })
}
