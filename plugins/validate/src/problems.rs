//! A schema violation as the contract's problems.

use jsonschema::{ValidationError, error::ValidationErrorKind};
use postdate_plugin::{Problem, serde_json::Value};

/// What a message says in place of the offending value: values may be long or private, and the pointer names the member.
const VALUE: &str = "the value";

/// One problem, or one for each name where the violation is about several members.
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

/// One token of a JSON Pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
