//! Converts a schema violation to problems of the contract.

use jsonschema::{ValidationError, error::ValidationErrorKind};
use postdate_plugin::{Problem, serde_json::Value};

/// Stands for the wrong value in a message. Values may be long or private, and the pointer identifies the member.
const VALUE: &str = "the value";

/// Returns one problem, or one for each name if the violation is about several members.
pub fn of(error: &ValidationError) -> Vec<Problem> {
    let place = error.instance_path().as_str();
    let code = error.kind().keyword();
    let at = |name: &str, message: String| Problem::new(format!("{place}/{}", escape(name)), code, message);
    match error.kind() {
        ValidationErrorKind::Required { property: Value::String(name) } => vec![at(name, format!("`{name}` is missing"))],
        ValidationErrorKind::AdditionalProperties { unexpected } | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(|name| at(name, format!("`{name}` is not expected here"))).collect()
        }
        _ => vec![Problem::new(place, code, error.masked_with(VALUE).to_string())],
    }
}

/// Escapes one token of a JSON Pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
