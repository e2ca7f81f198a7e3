use postdate_core::plugin::{Acceptance, JobFailure, Problem};
use serde_json::json;

use super::*;
use crate::cases::{ExpectedAcceptance, ExpectedFailure};
use crate::compare::differences;

#[track_caller]
fn check(expected: &Expected, got: &PluginAnswer, diff: &str) {
    assert!(!differences(expected, got).is_empty(), "the answers do not differ");
    assert_eq!(Compared::answers(expected, got).diff(), diff);
}

#[test]
fn a_result_is_compared_line_by_line() {
    let got = PluginAnswer::Result(Some(r#"{"attempt":2,"more":true,"reminded":"WATER THE PLANTS"}"#.into()));
    check(
        &Expected::Result(json!({ "reminded": "Water the plants", "attempt": 2.0 })),
        &got,
        r#"--- expected
+++ got
@@ -1,7 +1,7 @@
 {
   "outcome": "result",
   "result": {
-    "reminded": "Water the plants",
+    "reminded": "WATER THE PLANTS",
     "attempt": 2.0
   }
 }
"#,
    );
}

#[test]
fn a_text_stays_text() {
    check(
        &Expected::Result(json!("12")),
        &PluginAnswer::Result(Some("13".into())),
        "--- expected\n+++ got\n@@ -1,4 +1,4 @@\n {\n   \"outcome\": \"result\",\n-  \"result\": \"12\"\n+  \"result\": \"13\"\n }\n",
    );
}

#[test]
fn an_acceptance_shows_only_members_that_the_case_compares() {
    let expected = Expected::Accepted(ExpectedAcceptance {
        body: Some(json!({ "total": 1, "gone": 2 })),
        target: None,
        trigger_at: Some("2027-01-01T00:00:00Z".into()),
    });
    let got = PluginAnswer::Accepted(Acceptance {
        body: Some(r#"{"item":"book","total":1}"#.into()),
        target: Some("heavy".into()),
        trigger_at: Some("2027-01-01T01:00:00+01:00".into()),
    });
    let diff = Compared::answers(&expected, &got).diff();
    assert!(diff.contains("-    \"total\": 1,\n-    \"gone\": 2\n+    \"total\": 1\n"), "{diff}");
    assert!(
        diff.contains("   \"triggerAt\": \"2027-01-01T01:00:00+01:00\"") && !diff.contains("heavy") && !diff.contains("book"),
        "{diff}"
    );
}

#[test]
fn problems_that_match_are_not_in_the_diff() {
    let expected = |pointer: &str, message: Option<&str>| ExpectedProblem {
        pointer: pointer.into(),
        code: "c".into(),
        message: message.map(Into::into),
    };
    let got = |pointer: &str, message: &str| Problem { pointer: pointer.into(), code: "c".into(), message: message.into() };
    let diff = Compared::answers(
        &Expected::Problems(vec![expected("/a", None), expected("/b", Some("two"))]),
        &PluginAnswer::Problems(vec![got("/b", "three"), got("/a", "one")]),
    )
    .diff();
    let changed: Vec<&str> = diff.lines().skip(2).filter(|line| line.starts_with(['-', '+'])).collect();
    assert_eq!(changed, [r#"-      "message": "two""#, r#"+      "message": "three""#], "{diff}");
}

#[test]
fn an_answer_of_another_kind_is_whole() {
    let expected = Expected::Failure(ExpectedFailure { retry: Some(true), message_contains: Some("503".into()), ..Default::default() });
    let failed = |message: &str| PluginAnswer::Failure(JobFailure::permanent(message));
    let diff = Compared::answers(&expected, &PluginAnswer::Result(Some("done".into()))).diff();
    assert!(diff.contains("-  \"message\": \"…503…\"") && diff.contains("+  \"result\": \"done\""), "{diff}");
    let diff = Compared::answers(&expected, &failed("HTTP 503 of a server")).diff();
    assert!(diff.contains("   \"message\": \"HTTP 503 of a server\"") && diff.contains("+  \"retry\": false"), "{diff}");
    let diff = Compared::answers(&Expected::Error("trap".into()), &failed("x")).diff();
    assert!(diff.contains("-  \"error\": \"trap\"") && diff.contains("+  \"outcome\": \"failure\""), "{diff}");
}

#[test]
fn bodies_of_requests_are_compared_whole() {
    let diff = Compared::bodies(r#"{"a":1,"b":[1,2]}"#, r#"{"c":3,"b":[1,2],"a":2}"#).diff();
    let changed: Vec<&str> = diff.lines().skip(2).filter(|line| line.starts_with(['-', '+'])).collect();
    assert_eq!(changed, ["-  \"a\": 1,", "+  \"a\": 2,", "-  ]", "+  ],", "+  \"c\": 3"], "{diff}");
    let diff = Compared::bodies("one\ntwo", "one\nthree").diff();
    assert!(diff.ends_with(" one\n-two\n+three\n"), "{diff}");
}
