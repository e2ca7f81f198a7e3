//! The description of the API, `schemas/openapi.json`: made here from the types of the documents and a frame of calls, and compared with
//! the file, which is a part of the program. `POSTDATE_WRITE_OPENAPI=1 cargo test --package postdate-core` writes the file.

mod examples;
mod frame;
mod operation;

use std::collections::BTreeSet;
use std::path::Path;

use http::Method;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::Client;
use crate::api::document::Acknowledgement;
use crate::api::error::ProblemDocument;
use crate::api::{CALLS, OPENAPI};
use crate::id::CorrelationId;
use crate::problem::Code;
use crate::time::Rfc3339;

/// Variable that makes the test write the file in place of comparing it.
const WRITE: &str = "POSTDATE_WRITE_OPENAPI";

impl JsonSchema for Rfc3339 {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl JsonSchema for CorrelationId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CorrelationId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uuid" })
    }
}

impl JsonSchema for Code {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }

    /// A new code is a compatible change of the API, so the schema does not enumerate them: `x-problems` lists them.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[a-z-]+$" })
    }
}

/// The body of a batch's outcome.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub enum ItemBody {
    Accepted(Acknowledgement),
    Refused(Box<ProblemDocument>),
    Shortened(ShortenedBody),
}

/// The body of an outcome whose `shortened` is true.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub struct ShortenedBody {
    correlation_id: CorrelationId,
    /// `scheduled`, or the HTTP status of the problem.
    status: ShortenedStatus,
    /// The problem, if there is one.
    #[schemars(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "only its schema is used")]
enum ShortenedStatus {
    Accepted(String),
    Refused(u16),
}

/// Returns the description as the file has it.
fn described() -> String {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut schemas = settings.into_generator();
    let mut document = frame::document(&mut schemas);
    let mut defined = schemas.take_definitions(true);
    defined.sort_keys();
    defined.values_mut().for_each(tidy);
    document["components"]["schemas"] = Value::Object(defined);
    let mut text = serde_json::to_string_pretty(&document).unwrap();
    text.push('\n');
    text
}

/// Writes a schema as readers and generators of clients expect it: an enumeration of texts as one list, an optional member without `null`,
/// integers without formats that JSON Schema does not know, descriptions on one line.
fn tidy(schema: &mut Value) {
    if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
        let texts: Option<Vec<Value>> = variants.iter().map(texts_of).collect::<Option<Vec<_>>>().map(|texts| texts.concat());
        if let (Some(texts), Some(object)) = (texts, schema.as_object_mut()) {
            object.remove("oneOf");
            object.insert("type".to_owned(), json!("string"));
            object.insert("enum".to_owned(), json!(texts));
        }
    }
    let required: BTreeSet<String> = serde_json::from_value(schema["required"].clone()).unwrap_or_default();
    if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        members.iter_mut().filter(|(name, _)| !required.contains(*name)).for_each(|(_, member)| without_null(member));
    }
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            if object.get("type") == Some(&json!("integer")) {
                object.remove("format");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Returns the texts that a schema enumerates.
fn texts_of(schema: &Value) -> Option<Vec<Value>> {
    match (schema.get("const"), schema.get("enum")) {
        (Some(text), _) if text.is_string() => Some(vec![text.clone()]),
        (_, Some(Value::Array(texts))) => Some(texts.clone()),
        _ => None,
    }
}

fn without_null(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}

fn published() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// Returns method, path and operation of each call of the description.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let items = document["paths"].as_object().unwrap().iter();
    let calls = items.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters");
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
    });
    calls.collect()
}

#[test]
fn published_description_is_that_of_the_types_and_calls() {
    let described = described();
    if std::env::var_os(WRITE).is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/openapi.json");
        return std::fs::write(file, described).unwrap();
    }
    let differs = described.lines().zip(OPENAPI.lines()).find(|(made, published)| made != published);
    assert!(described == OPENAPI, "schemas/openapi.json differs, first at {differs:?}: write it with {WRITE}=1");
}

#[test]
fn description_has_every_call_of_the_core_with_its_scope() {
    let document = published();
    for call in CALLS {
        let operation = &document["paths"][call.path][call.method.to_lowercase()];
        assert!(operation.is_object(), "the description lacks {} {}", call.method, call.path);
        let needed = operation["security"].as_array().unwrap().iter().find_map(|needed| needed["key"][0].as_str());
        assert_eq!(needed, call.scope.map(crate::access::Scope::as_str), "{} {}", call.method, call.path);
    }
}

#[test]
fn description_has_every_code_with_its_statuses() {
    let document = published();
    for code in Code::ALL {
        let listed = document["x-problems"].as_array().unwrap().iter().find(|problem| problem["code"] == code.as_str());
        let listed = listed.unwrap_or_else(|| panic!("the description lacks {code}"));
        assert_eq!(listed["statuses"], json!(code.statuses()), "{code}");
    }
    let (mut answered, mut wrong) = (BTreeSet::new(), Vec::new());
    for (method, path, operation) in operations(&document) {
        for (status, codes) in operation["x-problem-codes"].as_object().into_iter().flatten() {
            assert!(operation["responses"][status].is_object(), "{method} {path}: {status}");
            for text in codes.as_array().unwrap() {
                let code = Code::ALL.iter().find(|code| code.as_str() == text).unwrap_or_else(|| panic!("{text} is no code"));
                answered.insert(code.as_str());
                if !code.statuses().iter().any(|known| known.to_string() == *status) {
                    wrong.push(format!("{method} {path}: {code} has no status {status}"));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    // No call of the description has these: a wrong method, the page, and `postdate ui`.
    let elsewhere = [
        Code::MethodNotAllowed,
        Code::NoPage,
        Code::Unreachable,
        Code::UnknownDeadLetter,
        Code::NoDelayQueue,
        Code::NotRedrivable,
        Code::DeadLettersUnavailable,
    ];
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !answered.contains(code.as_str()) && !elsewhere.contains(code)).collect();
    assert!(missing.is_empty(), "no call answers with {missing:?}");
}

#[test]
fn every_code_has_a_text_of_its_own() {
    let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(texts.len(), Code::ALL.len());
    for code in Code::ALL {
        assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
        assert!(code.meaning().ends_with('.') && !code.statuses().is_empty(), "{code}");
    }
}

#[test]
fn description_is_served_without_a_key() {
    let client = Client::of_orders();
    client.acts_as(&crate::access::Caller::stranger());
    let call = |method: Method| {
        let request = super::request(method.as_str(), "/openapi.json", "");
        let call = crate::api::ApiRequest {
            id: super::sample_id(1),
            now: super::moment(),
            caller: client.caller.borrow().clone(),
            claims: Vec::new(),
        };
        super::block_on(client.api.answer(call, request))
    };
    for method in [Method::GET, Method::HEAD] {
        let answer = call(method);
        assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (200, "application/json"));
        assert_eq!(answer.headers()["x-correlation-id"].to_str().unwrap(), super::sample_id(1).to_string());
        assert_eq!(answer.body(), OPENAPI.as_bytes());
    }
    assert_eq!(call(Method::POST).headers()["allow"], "GET, HEAD");
}

#[test]
fn every_reference_of_the_description_leads_to_something() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let (document, mut found) = (published(), BTreeSet::new());
    references(&document, &mut found);
    assert!(found.len() > 15, "{found:?}");
    for reference in &found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
    }
    let schemas: Map<String, Value> = document["components"]["schemas"].as_object().unwrap().clone();
    for name in schemas.keys() {
        assert!(found.contains(&format!("#/components/schemas/{name}")), "nothing uses the schema {name}");
    }
}
