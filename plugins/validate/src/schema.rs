//! Parses and compiles the schema.

use jsonschema::{Draft, Validator};
use postdate_plugin::serde_json::{self, Value};

/// Compiles the schema's text.
///
/// # Errors
/// A sentence that names the error in the schema and its place.
pub fn compile(text: &str) -> Result<Validator, String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        // In 2020-12 `format` is only an annotation by default. A schema for this plugin uses it as a check.
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .build(&schema)
        .map_err(|error| match error.instance_path().as_str() {
            "" => format!("not a valid schema: {error}"),
            place => format!("not a valid schema, at {place}: {error}"),
        })
}

#[cfg(test)]
mod tests;
