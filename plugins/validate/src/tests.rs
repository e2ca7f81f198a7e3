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
fn a_valid_body_has_no_problem() {
    check_body(r#"{"event":"a.b","data":{}}"#, &[]);
    check_body(r#"{"event":"a.b","data":{},"mail":"a@example.com","at":"2027-01-01T00:00:00Z","kind":"a"}"#, &[]);
}

#[test]
fn members_of_the_host_are_not_checked() {
    check_body(r#"{"event":"a","data":{},"triggerAt":"x","delay":"PT1S","target":"here"}"#, &[]);
}

#[test]
fn each_violation_is_a_problem_with_its_pointer_and_keyword() {
    check_body("{}", &[("/data", "required"), ("/event", "required")]);
    check_body(r#"{"event":7,"data":{}}"#, &[("/event", "type")]);
    check_body(r#"{"event":"NOT FITTING","data":{}}"#, &[("/event", "maxLength"), ("/event", "pattern")]);
    check_body(r#"{"event":"a","data":{},"count":0,"kind":"c"}"#, &[("/count", "minimum"), ("/kind", "enum")]);
    check_body(r#"{"event":"a","data":{},"mail":"none","at":"soon"}"#, &[("/at", "format"), ("/mail", "format")]);
}

#[test]
fn pointers_to_unexpected_members_are_escaped() {
    let expected = &[("/data/p~1q", "unevaluatedProperties"), ("/data/x~1y", "maxLength"), ("/o~0o", "additionalProperties")];
    check_body(r#"{"event":"a","data":{"x/y":"long","p/q":1},"o~o":1}"#, expected);
}

#[test]
fn a_message_does_not_contain_the_value() {
    let schema = schema::compile(SCHEMA).unwrap();
    let mut body = postdate_plugin::serde_json::json!({"event": "SECRET", "data": {}, "kind": "SECRET"});
    let problems = check(&schema, &mut body).unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().all(|p| !p.message.contains("SECRET") && p.message.len() > 10), "{problems:?}");
}
