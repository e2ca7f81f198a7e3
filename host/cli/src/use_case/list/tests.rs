use chrono::DateTime;
use serde_json::json;

use super::*;

#[test]
fn a_version_that_does_not_serve_is_noted_below_the_table() {
    let cases = json!({ "useCases": [{ "name": "a", "description": "d", "version": null, "targets": [], "error": "no wasm" }] });
    assert_eq!(
        served_text(&cases),
        "NAME  VERSION  TARGETS  DESCRIPTION\na     none              d\n\na: the newest version does not serve:\n  no wasm\n"
    );
    let update = json!({ "state": "loading", "since": "T" });
    let loading = json!({ "useCases": [{ "name": "a", "description": "", "version": "1", "targets": [], "update": update }] });
    assert!(
        served_text(&loading).ends_with("\n\na: the newest version is loading since T; new plugins are compiled first\n"),
        "{}",
        served_text(&loading)
    );
}

#[test]
fn a_pause_is_noted_below_the_table() {
    let paused = json!([{ "target": "hook", "since": "T1", "until": "T2", "by": "ops" }]);
    let cases = json!({ "useCases": [{ "name": "a", "description": "d", "version": "1", "targets": ["hook"], "paused": paused }] });
    let shown = served_text(&cases);
    assert!(shown.ends_with("\n\na: target hook is paused since T1 until T2 by ops\n"), "{shown}");
}

#[test]
fn versions_of_a_store_are_a_table_or_json() {
    let pushed = VersionDetails::Pushed {
        pushed_at: DateTime::UNIX_EPOCH,
        pushed_by: "ann".to_owned(),
        bytes: 2048,
        signed_by: Vec::new(),
        compiled_for: vec!["arm64".to_owned()],
        cases: Vec::new(),
    };
    let broken = VersionDetails::Unusable { error: "no statement".to_owned() };
    let info = |version: &str, is_current, details| VersionInfo { version: version.to_owned(), is_current, served_until: None, details };
    let listed = [info("1", true, pushed), info("2", false, broken)];
    let shown = versions_text(&listed);
    assert!(shown.contains("*  1        1970-01-01T00:00:00.000Z  ann  2.0 KiB             arm64\n"), "{shown}");
    assert!(shown.ends_with("   2        no statement\n* serves\n"), "{shown}");
    let line = json_line(&listed).unwrap();
    let read: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&read[0]["isCurrent"], &read[0]["bytes"], &read[0]["compiledFor"]), (&json!(true), &json!(2048), &json!(["arm64"])));
    assert_eq!((&read[1]["version"], &read[1]["error"]), (&json!("2"), &json!("no statement")));
}

#[test]
fn versions_of_a_server_end_with_the_reason_why_there_is_no_way_back() {
    let versions = json!([
        { "version": "1", "serves": true, "pushedAt": "T", "pushedBy": "ann", "bytes": 2048, "signedBy": [], "compiledFor": ["arm64"] },
        { "version": "2", "serves": false, "error": "no statement" },
    ]);
    let shown = server_versions_text(&json!({ "versions": versions, "more": 3, "fixed": "it is changed elsewhere" }));
    assert!(shown.contains("*  1        T             ann  2.0 KiB             arm64\n"), "{shown}");
    let end = "   2        no statement\n* serves\nand 3 older ones\nThe server cannot go back to one of them: it is changed elsewhere.\n";
    assert!(shown.ends_with(end), "{shown}");
}
