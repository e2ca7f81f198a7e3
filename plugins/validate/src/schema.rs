//! Parses and compiles the schema.

use jsonschema::{Draft, Validator};
use postdate_plugin::serde_json::{self, Value};

/// Compiles the schema's text.
///
/// # Errors
/// A message with the reason and the path in the schema.
pub fn compile(text: &str) -> Result<Validator, String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        // In 2020-12, `format` is only an annotation by default; a schema here means it as a check.
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .build(&schema)
        .map_err(|error| match error.instance_path().as_str() {
            "" => format!("not a valid schema: {error}"),
            path => format!("not a valid schema, at {path}: {error}"),
        })
}

#[cfg(test)]
mod tests;
