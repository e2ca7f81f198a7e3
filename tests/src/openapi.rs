//! The description of the API, `schemas/openapi.json`, and the check that an answer of the API follows it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::tools::root;

/// The description, as the repository has it.
static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let path = root().join("schemas/openapi.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{} is not JSON: {error}", path.display()))
});

/// The schemas, closed: a member that a document has and its schema does not name is a fault of the description.
static CLOSED: LazyLock<Value> = LazyLock::new(|| {
    let mut components = json!({ "schemas": DESCRIPTION["components"]["schemas"] });
    let schemas = components["schemas"].as_object_mut().expect("the description has schemas");
    for schema in schemas.values_mut().filter(|schema| schema["properties"].is_object() && schema["additionalProperties"].is_null()) {
        schema["additionalProperties"] = json!(false);
    }
    components
});

/// Returns the description.
pub fn description() -> &'static Value {
    &DESCRIPTION
}

/// A call of the description.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// In capitals.
    pub method: &'static str,
    /// Path with variables in braces.
    pub path: &'static str,
    pub operation: &'static Value,
}

/// Returns all calls of the description.
pub fn calls() -> impl Iterator<Item = Call> {
    let paths = DESCRIPTION["paths"].as_object().expect("the description has paths");
    paths.iter().flat_map(|(path, item)| {
        let methods = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"].into_iter();
        methods.filter_map(move |method| Some(Call { method, path, operation: item.get(method.to_lowercase())? }))
    })
}

/// Compares an answer with the description of its call: its status, the code of a problem, and the members of its document. An answer to a
/// call that is not described must be an error.
///
/// # Errors
/// The difference, for people.
pub fn check(method: &str, path: &str, status: u16, body: &Value) -> Result<(), String> {
    let Some(call) = find(method, path) else {
        return if status >= 400 { Ok(()) } else { Err(format!("{method} {path} answers {status} and is not in schemas/openapi.json")) };
    };
    let name = format!("{method} {}, {status}", call.path);
    let response = &call.operation["responses"][status.to_string()];
    let response = response["$ref"].as_str().and_then(|reference| DESCRIPTION.pointer(&reference[1..])).unwrap_or(response);
    if response.is_null() {
        return Err(format!("{name}: schemas/openapi.json lacks this status: {body}"));
    }
    if status >= 400 {
        let codes = &call.operation["x-problem-codes"][status.to_string()];
        if !codes.as_array().is_some_and(|codes| codes.contains(&body["code"])) {
            return Err(format!("{name}: schemas/openapi.json lacks the code {} here", body["code"]));
        }
    }
    let content = response["content"].as_object().and_then(|content| content.values().next());
    let Some(reference) = content.and_then(|content| content["schema"]["$ref"].as_str()) else { return Ok(()) };
    validator(reference).validate(body).map_err(|error| format!("{name}: {error} at {}: {body}", error.instance_path()))
}

/// Returns the call with this method whose path has the form of `path`.
fn find(method: &str, path: &str) -> Option<Call> {
    calls().find(|call| {
        let (form, given): (Vec<&str>, Vec<&str>) = (call.path.split('/').collect(), path.split('/').collect());
        call.method == method
            && form.len() == given.len()
            && form.iter().zip(given).all(|(name, part)| name.starts_with('{') || *name == part)
    })
}

/// Returns the validator of a schema of the description.
fn validator(reference: &str) -> Arc<Validator> {
    static BUILT: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let schema = json!({ "$ref": reference, "components": &*CLOSED });
        let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
        Arc::new(options.build(&schema).unwrap_or_else(|error| panic!("{reference} is not usable: {error}")))
    };
    Arc::clone(built.entry(reference.to_owned()).or_insert_with(make))
}

#[cfg(test)]
mod tests;
