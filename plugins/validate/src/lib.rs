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
mod tests {
    use super::*;

    const SCHEMA: &str = r##"{
        "type": "object",
        "required": ["event", "data"],
        "additionalProperties": false,
        "properties": {
            "event": {"type": "string", "pattern": "^[a-z.]+$", "maxLength": 10},
            "mail": {"type": "string", "format": "email"},
            "at": {"format": "date-time"},
            "count": {"type": "integer", "minimum": 1},
            "kind": {"enum": ["a", "b"]},
            "data": {"type": "object", "unevaluatedProperties": false, "properties": {"x/y": {"$ref": "#/$defs/short"}}}
        },
        "$defs": {"short": {"maxLength": 2}}
    }"##;

    #[track_caller]
    fn check_body(body: &str, expected: &[(&str, &str)]) {
        let schema = schema::compile(SCHEMA).unwrap();
        let mut body = postdate_plugin::serde_json::from_str(body).unwrap();
        let problems = check(&schema, &mut body).err().unwrap_or_default();
        let mut actual: Vec<_> = problems.iter().map(|p| (p.pointer.as_str(), p.code.as_str())).collect();
        actual.sort_unstable();
        assert_eq!(actual, expected);
    }

    #[test]
    fn a_body_that_fits_has_no_problem() {
        check_body(r#"{"event":"a.b","data":{}}"#, &[]);
        check_body(r#"{"event":"a.b","data":{},"mail":"a@example.com","at":"2027-01-01T00:00:00Z","kind":"a"}"#, &[]);
    }

    #[test]
    fn the_members_of_the_host_are_not_the_schemas_business() {
        check_body(r#"{"event":"a","data":{},"triggerAt":"x","delay":"PT1S","target":"here"}"#, &[]);
    }

    #[test]
    fn every_violation_is_a_problem_with_its_place_and_keyword() {
        check_body("{}", &[("/data", "required"), ("/event", "required")]);
        check_body(r#"{"event":7,"data":{}}"#, &[("/event", "type")]);
        check_body(r#"{"event":"NOT FITTING","data":{}}"#, &[("/event", "maxLength"), ("/event", "pattern")]);
        check_body(r#"{"event":"a","data":{},"count":0,"kind":"c"}"#, &[("/count", "minimum"), ("/kind", "enum")]);
        check_body(r#"{"event":"a","data":{},"mail":"none","at":"soon"}"#, &[("/at", "format"), ("/mail", "format")]);
    }

    #[test]
    fn a_name_is_pointed_at_and_escaped() {
        let expected = &[("/data/p~1q", "unevaluatedProperties"), ("/data/x~1y", "maxLength"), ("/o~0o", "additionalProperties")];
        check_body(r#"{"event":"a","data":{"x/y":"long","p/q":1},"o~o":1}"#, expected);
    }

    #[test]
    fn a_message_does_not_repeat_the_value() {
        let schema = schema::compile(SCHEMA).unwrap();
        let mut body = postdate_plugin::serde_json::json!({"event": "SECRET", "data": {}, "kind": "SECRET"});
        let problems = check(&schema, &mut body).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(problems.iter().all(|p| !p.message.contains("SECRET") && p.message.len() > 10), "{problems:?}");
    }
}
