//! The frame of the description: the calls, their parameters, and the codes of their errors. The documents come from their types.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::examples;
use super::operation::{Operation, head, shared_responses};
use crate::accept::MAX_BODY_BYTES;
use crate::api::MAX_BATCH_BYTES;
use crate::api::document::{
    Acknowledgement, BatchOutcomes, ClockTime, Health, PauseList, RequestDocument, RequestList, Uploaded, UseCaseDetails, UseCaseList,
    VersionList,
};
use crate::api::error::ProblemDocument;
use crate::problem::Code;
use crate::request::Status;

/// Errors of every call: of the connection, of browsers, and of the caller's identity.
const ALL: &[Code] = &[
    Code::BadHost,
    Code::MalformedRequest,
    Code::MalformedUri,
    Code::MalformedBody,
    Code::CrossOrigin,
    Code::OwnerUnknown,
    Code::PayloadTooLarge,
    Code::UriTooLong,
    Code::UnknownHost,
    Code::TooManyFailures,
    Code::HeadersTooLarge,
    Code::TooManyConnections,
];
/// Errors of a call that needs a key.
const KEYED: &[Code] = &[Code::Unauthorized, Code::KeyExpired, Code::MissingScope];
/// Errors of a call whose body is read, if it has one.
const READ: &[Code] = &[Code::BodyCutOff, Code::BodyTimeout, Code::UnsupportedMediaType, Code::UnsupportedContentEncoding];
/// Errors of the ledger for a call that reads.
const LEDGER: &[Code] = &[Code::LedgerFailed, Code::LedgerUnavailable];
/// Further errors of a call that writes.
const WRITES: &[Code] = &[Code::LedgerFull, Code::SchedulerFailed, Code::SchedulerUnavailable];
/// Errors of a body that is a JSON object.
const OBJECT: &[Code] = &[Code::MalformedJson, Code::NotAnObject, Code::DuplicateKey, Code::ByteOrderMark];
/// Errors of a time in RFC 3339.
const INSTANT: &[Code] = &[Code::TriggerMalformed, Code::TriggerWithoutOffset];
/// Errors of a time that may be one in a zone.
const TIME: &[Code] = &[
    Code::TriggerMalformed,
    Code::TriggerWithoutOffset,
    Code::TriggerUnknownZone,
    Code::TriggerWrongOffset,
    Code::TriggerInGap,
    Code::TriggerInFold,
];
/// Errors of `triggerAt` and `delay`.
const TRIGGER: &[Code] = &[Code::TriggerMissing, Code::TriggerAmbiguous, Code::TriggerInPast, Code::TriggerTooFar];
/// Errors of the validator.
const VALIDATOR: &[Code] = &[Code::Rejected, Code::ValidatorFailed, Code::ValidatorAnswerUnusable];
const JSON: &str = "application/json";

/// Calls that only one machine answers.
const MACHINE: &str = "One machine only.";

/// Returns the description, except for the schemas of the documents, which `schemas` has afterwards.
pub fn document(schemas: &mut SchemaGenerator) -> Value {
    let problem = reference::<ProblemDocument>(schemas);
    assert_eq!(problem["$ref"], "#/components/schemas/Problem");
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Postdate",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A durable request scheduler: accept a request now, process it once at its time.",
            "description": DESCRIPTION,
            "license": { "name": "Apache 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": ".", "description": "The server, or the stage of the API, that this document comes from." }],
        "tags": [
            { "name": "requests", "description": "Submit, read and change requests." },
            { "name": "use cases", "description": "List, pause and upload use cases." },
            { "name": "service", "description": "The state of the service." },
        ],
        "paths": paths(schemas),
        "components": {
            "schemas": {},
            "parameters": parameters(),
            "headers": headers(),
            "responses": shared_responses(),
            "securitySchemes": { "key": {
                "type": "http",
                "scheme": "bearer",
                "description": KEY,
            } },
        },
        "x-problems": Code::ALL.iter().map(|code| json!({
            "code": code.as_str(),
            "statuses": code.statuses(),
            "meaning": code.meaning(),
        })).collect::<Vec<_>>(),
    })
}

const KEY: &str = "The token of an API key. A server without keys needs none. On AWS, the authorizer in front of the API decides.";

const DESCRIPTION: &str = "The same API serves on one machine and on AWS; calls that only one machine has say so. Times are RFC 3339 \
    in UTC with milliseconds. Each answer has the header `x-correlation-id`. An error is a problem document (RFC 9457) with a stable \
    `code`; `x-problems` lists the codes, and `x-problem-codes` of a call those that it can have, by status. Any path of this document \
    answers another method with 405 `method-not-allowed` and the header `Allow`.";

fn paths(schemas: &mut SchemaGenerator) -> Value {
    let mut paths = json!({});
    let calls = [requests(schemas), changes(schemas), use_cases(schemas), service(schemas)].into_iter().flatten();
    for (method, path, operation) in calls {
        let operation = operation.into_value();
        if method == "get" && path != "/events" {
            paths[path]["head"] = head(&operation);
        }
        paths[path][method] = operation;
    }
    // The order does not follow from this file's.
    if let Some(paths) = paths.as_object_mut() {
        paths.sort_keys();
        paths.values_mut().filter_map(Value::as_object_mut).for_each(serde_json::Map::sort_keys);
    }
    paths
}

type Calls = Vec<(&'static str, &'static str, Operation)>;

fn requests(schemas: &mut SchemaGenerator) -> Calls {
    let submit = Operation::new("submit", "requests", Some("submit"), "Submit a request")
        .description("The request is durable when the answer arrives. Exactly one of `triggerAt` and `delay` is required.")
        .parameters([shared("UseCase"), shared("IdempotencyKey"), shared("TraceParent")])
        .body(body(&json!({ "$ref": "#/components/schemas/Submission" }), &examples::submissions(), true, MAX_BODY_BYTES))
        .answers(202, "The request was accepted.", JSON, &content::<Acknowledgement>(schemas, &examples::acknowledgement()))
        .with_header("location", "Location")
        .linked(&["getRequest", "getBody", "moveRequest", "cancelRequest", "retryRequest", "eraseRequest"])
        .fails(&[ALL, KEYED, READ, OBJECT, TIME, TRIGGER, VALIDATOR, LEDGER, WRITES, SUBMIT]);
    define(schemas, "Submission", submission());
    let batch = Operation::new("submitBatch", "requests", Some("submit"), "Submit up to 500 requests")
        .description("The answer is 200 if the array could be read, and has an outcome for each item, in order.")
        .parameters([shared("UseCase"), shared("IdempotencyKey"), shared("TraceParent")])
        .body(body(
            &json!({ "type": "array", "minItems": 1, "maxItems": 500, "items": { "$ref": "#/components/schemas/Submission" } }),
            &examples::batches(),
            true,
            MAX_BATCH_BYTES,
        ))
        .answers(200, "The outcome of each item.", JSON, &content::<BatchOutcomes>(schemas, &examples::outcomes()))
        .fails(&[
            ALL,
            KEYED,
            READ,
            &[Code::MalformedJson, Code::IdempotencyKeyMalformed, Code::UseCaseNotPermitted, Code::BatchSize, Code::TooManyBatches],
        ]);
    let list = Operation::new("listRequests", "requests", Some("read"), "List requests in order of `triggerAt`")
        .description(
            "A call has at most one of the three pairs of bounds. A page ends after `limit` requests or 384 KiB, and can have fewer \
            requests than `limit`, or none, although a next page exists. Results are not listed.",
        )
        .parameters(list_parameters(schemas))
        .answers(200, "A page of the list.", JSON, &content::<RequestList>(schemas, &examples::list()))
        .fails(&[ALL, KEYED, READ, LEDGER, &[Code::BadQuery, Code::ListTooLong]]);
    let get = Operation::new("getRequest", "requests", Some("read"), "Return a request with its history")
        .parameters([
            shared("Id"),
            query(
                "wait",
                "Answer when the request has ended, or at the end of this wait: at most 50 s on one machine, 20 s on AWS.",
                &json!({
                    "type": "string", "pattern": "^[0-9]{1,4}(ms|s|m)$",
                }),
                &json!("1s"),
            ),
        ])
        .answers(200, "The request.", JSON, &content::<RequestDocument>(schemas, &examples::request()))
        .fails(&[ALL, KEYED, READ, LEDGER, &[Code::BadQuery, Code::UnknownRequest, Code::TooManyWaits]]);
    let body = Operation::new("getBody", "requests", Some("read"), "Return the accepted body, byte for byte")
        .parameters([shared("Id")])
        .answers(200, "The body that the validator accepted.", JSON, &json!({ "schema": { "type": "object" } }))
        .fails(&[ALL, KEYED, READ, LEDGER, &[Code::UnknownRequest, Code::Erased]]);
    vec![
        ("post", "/requests/{use-case}", submit),
        ("post", "/requests/{use-case}/batch", batch),
        ("get", "/requests", list),
        ("get", "/requests/{id}", get),
        ("get", "/requests/{id}/body", body),
    ]
}

/// Errors of a submission beside those of any change.
const SUBMIT: &[Code] = &[
    Code::IdempotencyKeyMalformed,
    Code::IdempotencyKeyReused,
    Code::IdempotencyKeyCancelled,
    Code::UseCaseNotPermitted,
    Code::UnknownUseCase,
    Code::UseCaseBroken,
    Code::UseCaseLoading,
    Code::TargetMalformed,
    Code::UnknownTarget,
    Code::TargetNotServed,
    Code::TargetLimit,
    Code::LabelUnreadable,
];

fn changes(schemas: &mut SchemaGenerator) -> Calls {
    let change = |id, summary| Operation::new(id, "requests", Some("change"), summary).parameters([shared("Id")]);
    let failing = |codes: &[Code]| [ALL, KEYED, READ, LEDGER, WRITES, &[Code::UnknownRequest], codes].concat();
    let moving = change("moveRequest", "Move a scheduled request to another time")
        .description("A move that fails leaves the request at its old time, which the error has as `triggerAt`.")
        .body(body(&json!({ "$ref": "#/components/schemas/Move" }), &examples::moves(), true, MAX_BODY_BYTES))
        .answers(200, "The request, without its history.", JSON, &content::<RequestDocument>(schemas, &examples::moved()))
        .fails(&[&failing(&[Code::NotScheduled, Code::HandedOver, Code::NotChangeable]), OBJECT, TIME, TRIGGER, VALIDATOR]);
    define(schemas, "Move", trigger(false));
    let cancel = change("cancelRequest", "Cancel a scheduled request")
        .answers(200, "The request, without its history.", JSON, &content::<RequestDocument>(schemas, &examples::cancelled()))
        .fails(&[&failing(&[Code::NotScheduled, Code::HandedOver])]);
    let retry = change("retryRequest", "Run a request again that failed or expired, now")
        .answers(202, "The request, without its history.", JSON, &content::<RequestDocument>(schemas, &examples::retried()))
        .fails(&[&failing(&[Code::NotFailed, Code::Erased])]);
    let erase = change("eraseRequest", "Erase what a request says, and cancel it if it is scheduled")
        .answers(200, "The request, without its history.", JSON, &content::<RequestDocument>(schemas, &examples::erased()))
        .fails(&[&failing(&[Code::Running, Code::HandedOver])]);
    vec![
        ("patch", "/requests/{id}", moving),
        ("delete", "/requests/{id}", cancel),
        ("post", "/requests/{id}/retry", retry),
        ("post", "/requests/{id}/erase", erase),
    ]
}

fn use_cases(schemas: &mut SchemaGenerator) -> Calls {
    let list = Operation::new("listUseCases", "use cases", Some("read"), "List the use cases that the caller may use")
        .answers(200, "The use cases.", JSON, &content::<UseCaseList>(schemas, &examples::use_cases()))
        .fails(&[ALL, KEYED, READ, LEDGER]);
    let common = &[ALL, KEYED, READ, OBJECT, LEDGER, &[Code::UseCaseNotPermitted, Code::MemberMalformed]].concat();
    let pause = Operation::new("pauseUseCase", "use cases", Some("deploy"), "Pause a use case or one target of it")
        .description("Requests are accepted meanwhile; those that fall due wait. Without `target` all targets are paused.")
        .parameters([shared("Name")])
        .body(body(&json!({ "$ref": "#/components/schemas/PauseStart" }), &examples::pauses(), false, MAX_BODY_BYTES))
        .answers(200, "The pauses that the use case has now.", JSON, &content::<PauseList>(schemas, &examples::paused()))
        .fails(&[common, &[Code::UnknownUseCase, Code::UnknownTarget, Code::TargetNotPausable]]);
    define(schemas, "PauseStart", pause_start());
    let resume = Operation::new("resumeUseCase", "use cases", Some("deploy"), "End the pause of a target, or every pause of a use case")
        .parameters([shared("Name")])
        .body(body(&json!({ "$ref": "#/components/schemas/PauseEnd" }), &examples::resumes(), false, MAX_BODY_BYTES))
        .answers(200, "The pauses that the use case has now.", JSON, &content::<PauseList>(schemas, &examples::resumed()))
        .fails(&[common, &[Code::NotPaused]]);
    define(
        schemas,
        "PauseEnd",
        json!({
            "type": "object",
            "description": "The end of a pause.",
            "properties": { "target": { "type": "string", "description": "Alias of the target." } },
            "additionalProperties": false,
        }),
    );
    let get = Operation::new("getUseCase", "use cases", Some("read"), "Return one use case")
        .description("A caller with the scope `deploy` or `operate` gets its grants as well.")
        .parameters([shared("Name")])
        .answers(200, "The use case.", JSON, &content::<UseCaseDetails>(schemas, &examples::use_case()))
        .fails(&[ALL, KEYED, READ, LEDGER, &[Code::UnknownUseCase, Code::UseCaseNotPermitted]]);
    let versions = Operation::new("listVersions", "use cases", Some("read"), "List the stored versions of a use case, the newest first")
        .parameters([shared("Name")])
        .answers(200, "The versions.", JSON, &content::<VersionList>(schemas, &examples::versions()))
        .fails(&[ALL, KEYED, READ, &[Code::UnknownUseCase, Code::UseCaseNotPermitted, Code::StoreFailed, Code::StoreUnavailable]]);
    define(
        schemas,
        "RollBack",
        json!({
            "type": "object",
            "description": "The version that serves afterwards.",
            "properties": { "version": { "type": "string", "description": "Without it, the version before." } },
            "additionalProperties": false,
        }),
    );
    let roll_back = Operation::new("rollBackUseCase", "use cases", Some("deploy"), "Make a former version serve again")
        .description(MACHINE)
        .parameters([shared("Name")])
        .body(body(&json!({ "$ref": "#/components/schemas/RollBack" }), &examples::roll_backs(), false, MAX_BODY_BYTES))
        .answers(200, "The version that serves now, and the one before.", JSON, &content::<Uploaded>(schemas, &examples::uploaded()))
        .fails(&[
            ALL,
            KEYED,
            READ,
            OBJECT,
            &[Code::NotFound, Code::UnknownVersion, Code::NoFormerVersion, Code::StoreFailed, Code::MemberMalformed],
            UPLOAD,
        ]);
    let upload = Operation::new("uploadUseCase", "use cases", Some("deploy"), "Upload a bundle")
        .description(&format!("Checks, tests, compiles and stores the bundle, which then serves. The server must have keys. {MACHINE}"))
        .parameters([shared("Name")])
        .body(json!({
            "description": "A tar archive of the bundle, of at most 160 MiB.",
            "required": true,
            "content": { "application/x-tar": { "schema": { "type": "string", "format": "binary" } } },
        }))
        .answers(200, "The version that serves now, and the one before.", JSON, &content::<Uploaded>(schemas, &examples::uploaded()))
        .fails(&[ALL, KEYED, READ, &[Code::NotFound, Code::LedgerFull], UPLOAD]);
    vec![
        ("get", "/use-cases", list),
        ("get", "/use-cases/{name}", get),
        ("get", "/use-cases/{name}/versions", versions),
        ("post", "/use-cases/{name}/rollback", roll_back),
        ("post", "/use-cases/{name}/pause", pause),
        ("post", "/use-cases/{name}/resume", resume),
        ("put", "/use-cases/{name}", upload),
    ]
}

const UPLOAD: &[Code] = &[
    Code::UploadsNeedAKey,
    Code::UnknownUseCase,
    Code::UseCaseNotPermitted,
    Code::SignatureRefused,
    Code::ServedFromDirectory,
    Code::UseCaseMoved,
    Code::SecretMissing,
    Code::BundleRefused,
    Code::UploadFailed,
    Code::UploadsBusy,
    Code::StoreUnavailable,
    Code::StoreFull,
    Code::TooManyUseCases,
    Code::CodeFull,
];

fn service(schemas: &mut SchemaGenerator) -> Calls {
    let machine = |id, scope, summary| Operation::new(id, "service", Some(scope), summary).description(MACHINE);
    let describe = Operation::new("describe", "service", None, "Return this document")
        .answers(200, "The description of the API in OpenAPI 3.1.", JSON, &json!({ "schema": { "type": "object" } }))
        .fails(&[ALL]);
    let health = Operation::new("health", "service", None, "Return whether the service takes requests")
        .description("Only a caller with the scope `operate` gets more than `status`.")
        .answers(200, "The service takes requests.", JSON, &content::<Health>(schemas, &examples::health()))
        .fails(&[ALL, &[Code::Unhealthy]]);
    let metrics = machine("metrics", "operate", "Return metrics as text of OpenMetrics")
        .answers(200, "The metrics.", "application/openmetrics-text", &json!({ "schema": { "type": "string" } }))
        .fails(&[ALL, KEYED, &[Code::NotFound, Code::MetricsFailed]]);
    let events = Operation::new("events", "service", Some("read"), "Return changes of requests as they happen")
        .description(&format!(
            "Server-sent events. `request` has a request as lists show it; `missed` says that the client was too slow. {MACHINE}"
        ))
        .answers(200, "The events, until either side ends them.", "text/event-stream", &json!({ "schema": { "type": "string" } }))
        .fails(&[ALL, KEYED, &[Code::NotFound]]);
    let show = machine("getTestClock", "read", "Return the time of the test clock")
        .answers(200, "The time.", JSON, &content::<ClockTime>(schemas, &examples::clock()))
        .fails(&[ALL, KEYED, READ, &[Code::NotFound, Code::NoTestClock]]);
    let advance = machine("moveTestClock", "operate", "Move the test clock, and run what falls due on the way")
        .body(body(&json!({ "$ref": "#/components/schemas/ClockMove" }), &examples::clock_moves(), true, MAX_BODY_BYTES))
        .answers(200, "The time after the move.", JSON, &content::<ClockTime>(schemas, &examples::clock()))
        .fails(&[ALL, KEYED, READ, INSTANT, LEDGER, &[Code::NotFound, Code::NoTestClock, Code::TestClockMalformed, Code::TestClockStuck]]);
    define(
        schemas,
        "ClockMove",
        json!({
            "type": "object",
            "description": "A move of the test clock: either member.",
            "properties": {
                "advance": { "type": "string", "pattern": DURATION, "description": "ISO 8601 duration, such as `P7D`." },
                "to": { "type": "string", "description": "Time that the clock shows afterwards: RFC 3339 with an offset." },
            },
            "additionalProperties": false,
        }),
    );
    vec![
        ("get", "/openapi.json", describe),
        ("get", "/health", health),
        ("get", "/metrics", metrics),
        ("get", "/events", events),
        ("get", "/test-clock", show),
        ("post", "/test-clock", advance),
    ]
}

/// An ISO 8601 duration of weeks, days, hours, minutes and seconds, in this order.
const DURATION: &str = "^P(?!$)([0-9]+([.,][0-9]+)?W)?([0-9]+([.,][0-9]+)?D)?\
    (T(?!$)([0-9]+([.,][0-9]+)?H)?([0-9]+([.,][0-9]+)?M)?([0-9]+([.,][0-9]+)?S)?)?$";

/// The members that say when a request runs. Other members are allowed if `open`.
fn trigger(open: bool) -> Value {
    json!({
        "type": "object",
        "description": "The time of a request: exactly one of `triggerAt` and `delay`.",
        "properties": {
            "triggerAt": {
                "type": "string",
                "description": "Time in RFC 3339 with an offset, or in RFC 9557 with a zone.",
                "examples": ["2027-03-01T09:00:00+01:00", "2027-03-28T09:00:00[Europe/Berlin]"],
            },
            "delay": {
                "type": "string",
                "description": "ISO 8601 duration in weeks, days, hours, minutes and seconds, from now.",
                "pattern": DURATION,
                "examples": ["PT90S", "P7D", "PT1H30M"],
            },
        },
        "additionalProperties": open,
    })
}

fn submission() -> Value {
    let mut schema = trigger(true);
    schema["description"] = json!("A request: exactly one of `triggerAt` and `delay`, and what the validator of the use case asks for.");
    schema["properties"]["target"] = json!({ "type": "string", "description": "Alias of a target of the use case." });
    schema
}

fn pause_start() -> Value {
    json!({
        "type": "object",
        "description": "A pause.",
        "properties": {
            "target": { "type": "string", "description": "Alias of the target." },
            "until": { "type": "string", "description": "End of the pause: time in RFC 3339 with an offset." },
        },
        "additionalProperties": false,
    })
}

fn list_parameters(schemas: &mut SchemaGenerator) -> Vec<Value> {
    let time = |name, text: &str| query(name, text, &json!({ "type": "string", "format": "date-time" }), &json!("2027-01-01T00:00:00Z"));
    let status = reference::<Status>(schemas);
    vec![
        query("useCase", "Name of a use case.", &json!({ "type": "string", "pattern": "^[a-z0-9-]{1,32}$" }), &json!("orders")),
        query("status", "Status of the requests.", &status, &json!("scheduled")),
        time("from", "Least `triggerAt`."),
        time("to", "`triggerAt` is before this time."),
        time("dueFrom", "Least time of the next attempt. Selects scheduled requests, in the order of that time."),
        time("dueTo", "The next attempt is before this time. Selects scheduled requests, in the order of that time."),
        time("endedFrom", "Least `finishedAt`. Selects requests that have ended, in the order of their ends."),
        time("endedTo", "`finishedAt` is before this time. Selects requests that have ended, in the order of their ends."),
        query("limit", "Most requests of a page.", &json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 50 }), &json!(50)),
        query("cursor", "`nextCursor` of the page before.", &json!({ "type": "string" }), &json!(examples::CURSOR)),
        json!({
            "name": "labels",
            "in": "query",
            "description": "`label.NAME=VALUE`: value of a label. With several, of at most 5, a request must have all of them.",
            "style": "form",
            "explode": true,
            "schema": {
                "type": "object",
                "propertyNames": { "pattern": "^label\\.[a-z0-9-]{1,32}$" },
                "additionalProperties": { "type": "string", "maxLength": 256 },
                "maxProperties": 5,
            },
            "example": { "label.customer": "42" },
        }),
    ]
}

fn parameters() -> Value {
    let use_case = json!({ "type": "string" });
    let name = |name: &str| parameter("path", name, "Name of a use case: 1 to 32 of a-z, 0-9 and `-`.", &use_case, "orders");
    let key = "A repeat with the same key and the same bytes returns the first acknowledgement. Counts within one use case, for one owner.";
    let key_schema = json!({ "type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": 255 });
    let trace = "The client's span (W3C Trace Context). An invalid value is ignored.";
    let span = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    json!({
        "UseCase": name("use-case"),
        "Name": name("name"),
        "Id": parameter("path", "id", "Id of a request.", &json!({ "type": "string", "format": "uuid" }), examples::ID),
        "IdempotencyKey": parameter("header", "Idempotency-Key", key, &key_schema, "order-4711"),
        "TraceParent": parameter("header", "traceparent", trace, &json!({ "type": "string" }), span),
    })
}

fn parameter(place: &str, name: &str, text: &str, schema: &Value, example: &str) -> Value {
    let required = place == "path";
    json!({ "name": name, "in": place, "required": required, "description": text, "schema": schema, "example": example })
}

fn headers() -> Value {
    json!({
        "CorrelationId": {
            "description": "Id of the request that the call is about, else of the call.",
            "required": true,
            "schema": { "type": "string", "format": "uuid" },
        },
        "Location": { "description": "Path of the request.", "required": true, "schema": { "type": "string" } },
        "RetryAfter": { "description": "Seconds after which to repeat the call.", "schema": { "type": "integer", "minimum": 0 } },
        "Authenticate": { "description": "`Bearer`.", "schema": { "type": "string" } },
    })
}

fn shared(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

fn query(name: &str, text: &str, schema: &Value, example: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": text, "schema": schema, "example": example })
}

fn body(schema: &Value, examples: &Value, required: bool, max_bytes: usize) -> Value {
    json!({
        "description": format!("At most {} KiB.", max_bytes >> 10),
        "required": required,
        "content": { JSON: { "schema": schema, "examples": examples } },
    })
}

fn content<T: JsonSchema>(schemas: &mut SchemaGenerator, example: &Value) -> Value {
    json!({ "schema": reference::<T>(schemas), "example": example })
}

/// Returns the reference to a type's schema, which the generator keeps.
fn reference<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

fn define(schemas: &mut SchemaGenerator, name: &str, schema: Value) {
    schemas.definitions_mut().insert(name.to_owned(), schema);
}
