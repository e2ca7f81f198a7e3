//! The reference validator. Checks the body against the JSON Schema (2020-12) in its config.
//!
//! Each violation becomes one problem: the JSON Pointer of the member, the schema keyword as the code, and a sentence.
//!
//! | config | |
//! |---|---|
//! | `schema` | The schema, JSON text. A `$ref` can only point into the schema itself, not to a URL or a file. |
//!
//! The plugin removes the host's members (`triggerAt`, `delay`, `target`) before the check, so a schema does not need to list
//! them, even with `additionalProperties: false`. If the schema is missing or broken, the plugin traps with a message for the
//! operator: the client cannot correct it.

mod problems;
mod schema;

use postdate_plugin::{Acceptance, Problem, Request, required_config, serde_json::Value, validator};

/// Members of the request body that the host reads.
const HOST_MEMBERS: [&str; 3] = ["triggerAt", "delay", "target"];

fn validate(request: Request) -> Result<Acceptance, Vec<Problem>> {
    let schema = schema::compile(&required_config("schema")).unwrap_or_else(|error| panic!("config `schema`: {error}"));
    let mut body: Value = request.json()?;
    check(&schema, &mut body)?;
    Ok(Acceptance::unchanged())
}

fn check(schema: &jsonschema::Validator, body: &mut Value) -> Result<(), Vec<Problem>> {
    if let Value::Object(members) = body {
        for name in HOST_MEMBERS {
            members.remove(name);
        }
    }
    let problems: Vec<Problem> = schema.iter_errors(body).flat_map(|error| problems::of(&error)).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

validator!(validate);

#[cfg(test)]
mod tests;
