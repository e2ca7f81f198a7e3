use super::*;
use serde_json::json;

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
    let pushed_at = DateTime::UNIX_EPOCH;
    let pushed = Details::Pushed {
        pushed_at,
        pushed_by: "ann".to_owned(),
        bytes: 2048,
        signed_by: Vec::new(),
        compiled_for: vec!["arm64".to_owned()],
    };
    let broken = Details::Unusable { error: "no statement".to_owned() };
    let listed = [
        ListedVersion { version: "1".to_owned(), is_current: true, details: pushed },
        ListedVersion { version: "2".to_owned(), is_current: false, details: broken },
    ];
    let shown = versions_text(&listed);
    assert!(shown.contains("*  1        1970-01-01T00:00:00.000Z  ann  2.0 KiB             arm64\n"), "{shown}");
    assert!(shown.ends_with("   2        no statement\n* serves\n"), "{shown}");
    let line = json_line(&listed).unwrap();
    let read: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&read[0]["isCurrent"], &read[0]["bytes"], &read[0]["compiledFor"]), (&json!(true), &json!(2048), &json!(["arm64"])));
    assert_eq!((&read[1]["version"], &read[1]["error"]), (&json!("2"), &json!("no statement")));
}
