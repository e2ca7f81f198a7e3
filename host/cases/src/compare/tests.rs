use std::time::Duration;

use postdate_core::plugin::{Role, Stopped};

use super::*;

#[track_caller]
fn check(expected: &Expected, got: &PluginAnswer, differences_expected: &[&str]) {
    // Members of an object are compared in no fixed order.
    let mut differences = differences(expected, got);
    differences.sort();
    let mut differences_expected = differences_expected.to_vec();
    differences_expected.sort_unstable();
    assert_eq!(differences, differences_expected);
}

fn accepted(body: &str) -> PluginAnswer {
    PluginAnswer::Accepted(Acceptance {
        body: Some(body.into()),
        target: Some("heavy".into()),
        trigger_at: Some("2027-01-01T01:00:00+01:00".into()),
    })
}

#[test]
fn a_body_is_compared_as_a_subset_at_any_depth() {
    let expect = |body: Value| Expected::Accepted(ExpectedAcceptance { body: Some(body), ..Default::default() });
    let got = accepted(r#"{"total":12,"of":{"a":1,"b":[1,{"c":2,"d":3}]},"x":1.5}"#);
    check(&expect(json!({})), &got, &[]);
    check(&expect(json!({ "total": 12.0, "of": { "b": [1, { "c": 2 }] } })), &got, &[]);
    check(
        &expect(json!({ "total": 13, "of": { "b": [1] }, "y": null })),
        &got,
        &[r#"body.of.b: expected [1], got [1,{"c":2,"d":3}]"#, "body.total: expected 13, got 12", "body.y: expected null, got none"],
    );
    check(
        &expect(json!({ "a": 1 })),
        &PluginAnswer::Accepted(Acceptance::default()),
        &["body: expected a new body, but the validator keeps the request's"],
    );
}

#[test]
fn target_and_time_are_compared_only_if_expected() {
    let expect = |target: &str, at: &str| {
        Expected::Accepted(ExpectedAcceptance { target: Some(target.into()), trigger_at: Some(at.into()), body: None })
    };
    check(&expect("heavy", "2027-01-01T00:00:00Z"), &accepted("{}"), &[]);
    check(
        &expect("here", "2027-01-01T00:00:01Z"),
        &accepted("{}"),
        &[r#"target: expected "here", got "heavy""#, r#"trigger-at: expected "2027-01-01T00:00:01Z", got "2027-01-01T01:00:00+01:00""#],
    );
}

#[test]
fn problems_match_exactly_in_any_order() {
    let expected = |pointer: &str, message: Option<&str>| ExpectedProblem {
        pointer: pointer.into(),
        code: "c".into(),
        message: message.map(Into::into),
    };
    let got = |pointer: &str, message: &str| Problem { pointer: pointer.into(), code: "c".into(), message: message.into() };
    let both = PluginAnswer::Problems(vec![got("/a", "one"), got("/a", "two")]);
    check(&Expected::Problems(vec![expected("/a", None), expected("/a", Some("one"))]), &both, &[]);
    check(&Expected::Problems(vec![expected("/a", None)]), &both, &[r#"got the problem c at "/a": "two""#]);
    check(
        &Expected::Problems(vec![expected("/a", None), expected("/a", None), expected("/b", Some("m"))]),
        &both,
        &[r#"expected the problem c at "/b": "m""#],
    );
}

#[test]
fn a_result_is_equal_text_or_a_superset() {
    let got = |text: &str| PluginAnswer::Result(Some(text.into()));
    check(&Expected::Result(json!({})), &PluginAnswer::Result(None), &[]);
    check(&Expected::Result(json!("ok")), &got("ok"), &[]);
    check(&Expected::Result(json!("ok")), &got("\"ok\""), &[r#"result: expected "ok", got "\"ok\"""#]);
    check(&Expected::Result(json!({ "a": 1 })), &got(r#"{"a":1,"b":2}"#), &[]);
    check(&Expected::Result(json!({ "a": 1 })), &got("no json"), &[r#"result: expected {"a":1}, got "no json""#]);
    check(&Expected::Result(json!({ "a": 1 })), &PluginAnswer::Result(None), &[r#"result: expected {"a":1}, got none"#]);
}

#[test]
fn members_of_a_failure_are_compared_only_if_expected() {
    let got = PluginAnswer::Failure(JobFailure { message: "HTTP 429".into(), retry: true, retry_after: Some(Duration::from_secs(7)) });
    let expect = |retry, seconds, part: &str| {
        Expected::Failure(ExpectedFailure { retry: Some(retry), retry_after_seconds: Some(seconds), message_contains: Some(part.into()) })
    };
    check(&Expected::Failure(ExpectedFailure::default()), &got, &[]);
    check(&expect(true, 7, "429"), &got, &[]);
    assert_eq!(differences(&expect(false, 8, "500"), &got).len(), 3);
}

#[test]
fn an_answer_of_another_kind_is_shown_whole() {
    let stopped = PluginError {
        use_case: "a".into(),
        role: Role::Process,
        version: "v".into(),
        reason: Stopped::Memory(1 << 20),
        stderr: Vec::new(),
    };
    let got: PluginAnswer = stopped.into();
    check(&Expected::Error("memory".into()), &got, &[]);
    let differences = differences(&Expected::Error("trap".into()), &got);
    let shown = |difference: &str, start: &str| serde_json::from_str::<Value>(difference.strip_prefix(start).unwrap()).unwrap();
    let document = shown(&differences[0], r#"expected the error "trap", got "#);
    assert_eq!((&document["error"], &document["outcome"]), (&json!("memory"), &json!("error")));

    let failed = PluginAnswer::Failure(JobFailure::permanent("m"));
    let differences = self::differences(&Expected::Result(json!({})), &failed);
    let document = json!({ "outcome": "failure", "message": "m", "retry": false, "retryAfterSeconds": null });
    assert_eq!(shown(&differences[0], "expected a result, got "), document);
}
