use super::compile;

#[track_caller]
fn check(text: &str, part: &str) {
    let error = compile(text).expect_err("a broken schema is an error");
    assert!(error.contains(part), "{error}");
}

#[test]
fn an_invalid_schema_is_an_error_with_its_path() {
    check("{", "not JSON: EOF");
    check(r#"{"properties":{"a":{"type":"strin"}}}"#, "at /properties/a/type");
    check(r#"{"pattern":"("}"#, "(");
    check(r#"{"format":"no-such"}"#, "no-such");
    check(r##"{"$ref":"#/$defs/none"}"##, "$defs/none");
    check(r#"{"$ref":"https://example.com/schema.json"}"#, "https://example.com/schema.json");
}
