//! The reference validator: a use case without a line of code.
//!
//! It holds the body against the JSON Schema (2020-12) in its config and answers with one problem for each violation:
//! the JSON Pointer of the member, the schema keyword as the code, a sentence.
//!
//! | config | |
//! |---|---|
//! | `schema` | The schema, JSON text. Must stand alone: `$ref` reaches within it, never to a network or a file. |
//!
//! The host's own members (`triggerAt`, `delay`, `target`) are taken away before the check, so a schema need not know
//! them, not even with `additionalProperties: false`. A missing or broken schema is the operator's fault and not the
//! client's: the plugin traps and says what is wrong.

mod problems;
mod schema;

use postdate_plugin::{Acceptance, Problem, Request, required_config, serde_json::Value, validator};

/// Members of the request that are the host's business.
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
