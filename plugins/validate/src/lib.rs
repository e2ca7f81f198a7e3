//! The reference validator, for use cases without code of their own.
//!
//! Validates the body against the JSON Schema (2020-12) in its config. Returns one problem for each violation, with the JSON
//! Pointer of the member, the schema keyword as the code, and a message.
//!
//! | config | |
//! |---|---|
//! | `schema` | The schema, JSON text. `$ref` resolves only within the schema, not to a URL or a file. |
//!
//! The host's own members (`triggerAt`, `delay`, `target`) are removed before the validation, so that a schema with
//! `additionalProperties: false` need not name them. A missing or invalid schema is an error of the operator, not of the client:
//! the plugin traps with a message.

mod problems;
mod schema;

use postdate_plugin::{Acceptance, Problem, Request, required_config, serde_json::Value, validator};

/// Members of the request that only the host reads.
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
