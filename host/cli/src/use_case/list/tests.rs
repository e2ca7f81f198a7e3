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
