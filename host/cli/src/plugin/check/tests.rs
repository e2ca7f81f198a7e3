use super::*;
use postdate_runtime::inspect::{Export, Import};

#[test]
fn each_import_is_listed_with_its_verdict() {
    let import = |name: &str, verdict| Import { name: name.into(), verdict };
    let inspection = Inspection {
        kind: Kind::Component { imports: Vec::new(), exports: Vec::new() },
        exports: vec![Export { name: "postdate:plugin/process@1.0.0".into(), role: Some(Role::Process), supported: true }],
        imports: vec![
            import("wasi:cli/stderr@0.2.3", ImportVerdict::Given { note: "log" }),
            import("wasi:http/types@0.2.4", ImportVerdict::NeedsGrant { key: "allow-http", note: "or refused" }),
            import("acme:x/y", ImportVerdict::Refused { why: "is unknown".into(), fix: "remove it".into() }),
        ],
    };
    let expected = "p.wasm: a component of 2.0 KiB
exports
  postdate:plugin/process@1.0.0  the process plugin
imports
  wasi:cli/stderr@0.2.3  given          log
  wasi:http/types@0.2.4  needs a grant  allow-http: or refused
  acme:x/y               refused        is unknown: remove it
";
    assert_eq!(findings("p.wasm", 2048, &inspection), expected);
    let document = Plugin { file: "p.wasm".into(), bytes: 2048, inspection }.document();
    let expected = json!({
        "file": "p.wasm",
        "bytes": 2048,
        "exports": [{ "name": "postdate:plugin/process@1.0.0", "role": "process", "isSupported": true }],
        "imports": [
            { "name": "wasi:cli/stderr@0.2.3", "verdict": "given", "note": "log" },
            { "name": "wasi:http/types@0.2.4", "verdict": "needs-grant", "grant": "allow-http", "note": "or refused" },
            { "name": "acme:x/y", "verdict": "refused", "why": "is unknown", "fix": "remove it" },
        ],
    });
    assert_eq!(document, expected);
}

#[test]
fn a_refused_bundle_is_not_loadable_and_has_its_problems() {
    let bundle = Bundle { name: "orders".into(), version: "v1".into(), cases: 2 };
    let checked = Checked { plugins: Vec::new(), problems: vec!["x".into()], bundle: Some(bundle) };
    let expected = json!({ "isLoadable": false, "problems": ["x"], "plugins": [], "useCase": "orders", "version": "v1", "caseCount": 2 });
    assert_eq!(checked.document(), expected);
    assert_eq!(checked.text(), "no host can load it:\n  x\n");
    let fine = Checked { problems: Vec::new(), ..checked };
    assert_eq!(fine.text(), "ok: a host can load the use case orders (version v1); it has 2 cases\n");
}

#[test]
fn the_conclusion_lists_the_problems() {
    assert_eq!(conclusion(&[Role::Validate], &[]), "ok: a host can load it as the validate plugin of a use case\n");
    assert_eq!(conclusion(&[], &["is empty".into(), "x".into()]), "no host can load it:\n  is empty\n  x\n");
    let nothing = inspect(b"");
    assert_eq!(findings("p.wasm", 0, &nothing), "p.wasm (0 bytes)\n");
}

#[test]
fn the_bundle_around_a_plugin_is_valid() {
    for role in [Role::Validate, Role::Process] {
        assert!(bundle_for(role, &Bytes::new()).use_case().is_ok(), "{role}");
    }
}
