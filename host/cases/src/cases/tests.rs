use serde_json::json;

use super::*;

#[test]
fn every_key_of_a_process_case_is_read() {
    let case = parse(
        "sends",
        r#"
description = "d"
call = "process"
now = "2027-02-01T00:00:00+01:00"
target = "heavy"
attempt = 3
secrets = { KEY = "s" }
body = '{"event": "x"}'
[[http]]
method = "POST"
url = "http://127.0.0.1:9000/x"
headers = { x-attempt = "3" }
body = "{}"
status = 429
answer-headers = { retry-after = "7" }
answer = "busy"
[[http]]
error = "connection-refused"
[expect]
failure = { retry = true, retry-after-seconds = 7, message-contains = "429" }
"#,
    )
    .unwrap();
    assert_eq!((case.name.as_str(), case.call, case.attempt), ("sends", Role::Process, 3));
    assert_eq!(case.now.to_rfc3339(), "2027-01-31T23:00:00+00:00");
    assert_eq!((case.target.as_deref(), case.body.as_str()), (Some("heavy"), r#"{"event": "x"}"#));
    assert!(matches!(&case.http[0].answer, CannedAnswer::Response { status: 429, body, .. } if body == "busy"));
    assert_eq!(case.http[1].answer, CannedAnswer::Error("connection-refused".into()));
    let failure = ExpectedFailure { retry: Some(true), retry_after_seconds: Some(7), message_contains: Some("429".into()) };
    assert_eq!(case.expect, Expected::Failure(failure));
}

#[test]
fn a_body_in_toml_is_converted_to_json() {
    let case = parse(
        "a",
        "call = 'validate'\nheaders = { X-Sig = 's' }\n[body]\nitem = 'book'\nat = 2027-01-01T00:00:00Z\nn = 1.5\nof = [{ a = true }]\n[expect]\naccepted = { body = { n = 1 } }",
    )
    .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&case.body).unwrap(),
        json!({ "item": "book", "at": "2027-01-01T00:00:00Z", "n": 1.5, "of": [{ "a": true }] })
    );
    assert_eq!(case.headers["x-sig"], "s");
    assert_eq!(case.now.to_rfc3339(), "2027-01-01T00:00:00+00:00");
    assert_eq!(case.expect, Expected::Accepted(ExpectedAcceptance { body: Some(json!({ "n": 1 })), ..Default::default() }));
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    let error = format!("{:#}", parse("a", text).unwrap_err());
    assert!(error.contains(expected), "{error:?} does not say {expected:?}");
}

#[test]
fn an_error_names_the_key_that_is_wrong() {
    let good = "call = 'process'\nbody = '{}'\n";
    check_error(good, "missing field `expect`");
    check_error(&format!("{good}[expect]\n"), "exactly one of result, failure, error");
    check_error(&format!("{good}[expect]\nresult = {{}}\nerror = 'trap'"), "exactly one of");
    check_error(&format!("{good}[expect]\naccepted = {{}}"), "exactly one of result, failure, error");
    check_error(&format!("{good}[expect]\nerror = 'boom'"), "\"boom\" is not one of trap, timeout");
    check_error(&format!("{good}[expect]\nresults = 1"), "unknown field `results`");
    check_error(&format!("attempt = 0\n{good}[expect]\nresult = {{}}"), "the first attempt is 1");
    check_error(&format!("now = 'today'\n{good}[expect]\nresult = {{}}"), "now: \"today\"");
    check_error(&format!("{good}[[http]]\nurl = 'http://h'\n[expect]\nresult = {{}}"), "http[0]: needs either status");
    check_error("call = 'validate'\nbody = 1\n[expect]\nerror = 'trap'", "body: must be a table");
    check_error("call = 'validate'\nattempt = 2\nbody = '{}'\n[expect]\nerror = 'trap'", "are for call = \"process\"");
    check_error("call = 'guess'\nbody = '{}'", "unknown variant `guess`");
}

#[test]
fn a_directory_is_read_in_order_of_names_and_a_missing_one_is_empty() {
    let bundle = tempfile::tempdir().unwrap();
    let cases = bundle.path().join(DIR);
    assert_eq!(read_dir(&cases).unwrap(), []);
    std::fs::create_dir(&cases).unwrap();
    for (name, text) in [
        ("b.toml", "call='process'\nbody='{}'\n[expect]\nresult={}"),
        ("a.toml", "call='process'\nbody='{}'\n[expect]\nresult='x'"),
        ("notes.md", ""),
    ] {
        std::fs::write(cases.join(name), text).unwrap();
    }
    let names: Vec<String> = read_dir(&cases).unwrap().into_iter().map(|case| case.name).collect();
    assert_eq!(names, ["a", "b"]);
    std::fs::write(cases.join("c.toml"), "call = ").unwrap();
    assert!(read_dir(&cases).unwrap_err().to_string().contains("c.toml"));
}
