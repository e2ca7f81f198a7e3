//! Converts a schema violation to problems of the contract.

use jsonschema::{ValidationError, error::ValidationErrorKind};
use postdate_plugin::{Problem, serde_json::Value};

/// Replaces the invalid value in a message, since values may be long or private. The pointer names the member.
const VALUE: &str = "the value";

/// Returns one problem, or one for each member that the schema does not expect.
pub fn of(error: &ValidationError) -> Vec<Problem> {
    let path = error.instance_path().as_str();
    let code = error.kind().keyword();
    let at = |name: &str, message: String| Problem::new(format!("{path}/{}", escape(name)), code, message);
    match error.kind() {
        ValidationErrorKind::Required { property: Value::String(name) } => vec![at(name, format!("`{name}` is missing"))],
        ValidationErrorKind::AdditionalProperties { unexpected } | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(|name| at(name, format!("`{name}` is not expected here"))).collect()
        }
        _ => vec![Problem::new(path, code, error.masked_with(VALUE).to_string())],
    }
}

/// Escapes one token of a JSON Pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
