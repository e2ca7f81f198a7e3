use super::*;
use postdate_runtime::{LogLine, Stream};

#[test]
fn the_summary_has_the_form_of_cargo_test() {
    let passed = Ran { name: "a".into(), ..Ran::default() };
    let failed = Ran {
        name: "b".into(),
        description: "D".into(),
        complaints: vec!["target: expected \"x\", got none".into()],
        lines: vec![LogLine { stream: Stream::Stderr, text: "hm".into() }],
        ..Ran::default()
    };
    assert_eq!(
        summary(&[passed], 2, Duration::from_millis(120)),
        "\ntest result: ok. 1 passed; 0 failed; 2 filtered out; finished in 0.12s\n\n"
    );
    let expected = "
failures:

---- b ----
D
  target: expected \"x\", got none
the plugin wrote:
  stderr  hm

failures:
    b

test result: FAILED. 0 passed; 1 failed; 0 filtered out; finished in 0.00s

";
    assert_eq!(summary(&[failed], 0, Duration::ZERO), expected);
}

#[test]
fn the_document_has_each_case_with_its_complaints_and_log() {
    let passed = Ran { name: "a".into(), elapsed: Duration::from_millis(5), ..Ran::default() };
    let lines = vec![LogLine { stream: Stream::Stderr, text: "hm".into() }];
    let failed = Ran { name: "b".into(), description: "D".into(), complaints: vec!["x".into()], lines, ..Ran::default() };
    let document = document("orders", "v1", &[passed, failed], 2, Duration::from_millis(7));
    let case = |name: &str, description: &str, complaints: Value, elapsed: f64, log: Value| {
        let passed = complaints == json!([]);
        json!({
            "name": name, "description": description, "passed": passed, "complaints": complaints, "diff": null, "elapsedMs": elapsed,
            "log": log,
        })
    };
    let log = json!([{ "stream": "stderr", "text": "hm" }]);
    let cases = json!([case("a", "", json!([]), 5.0, json!([])), case("b", "D", json!(["x"]), 0.0, log)]);
    let expected = json!({
        "useCase": "orders", "version": "v1", "passed": 1, "failed": 1, "filteredOut": 2, "elapsedMs": 7.0, "cases": cases,
    });
    assert_eq!(document, expected);
}

#[test]
fn a_junit_document_has_each_failure_inside_its_case() {
    let passed = Ran { name: "a".into(), elapsed: Duration::from_millis(5), ..Ran::default() };
    let failed = Ran { name: "<b>".into(), complaints: vec!["x & \"y\"\u{1}".into(), "z".into()], ..Ran::default() };
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" skipped="0" failures="1" errors="0">
    <testsuite name="orders" tests="2" skipped="0" errors="0" failures="1" time="0.005">
        <testcase name="a" classname="orders" time="0.005"/>
        <testcase name="&lt;b&gt;" classname="orders" time="0.000">
            <failure message="x &amp; &quot;y&quot;">x &amp; &quot;y&quot;
z
</failure>
        </testcase>
    </testsuite>
</testsuites>
"#;
    assert_eq!(junit("orders", &[passed, failed]).unwrap(), expected);
}
