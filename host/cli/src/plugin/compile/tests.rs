use super::*;

#[test]
fn the_conclusion_counts_machine_code_of_earlier_runs() {
    let mut artifacts = Artifacts { version: "0123456789abcdef".into(), files: [].into(), artifacts: Vec::new() };
    assert_eq!(
        conclusion(Path::new("x/compiled"), &artifacts, 0),
        "wrote x/compiled/artifacts.json (version 0123456789abcdef); the use case has no plugins to compile\n"
    );
    let text = r#"{"role":"process","arch":"arm64","wasmtime":"1","engine":"0","file":"f","bytes":1,"digest":"d"}"#;
    artifacts.artifacts.push(serde_json::from_str(text).unwrap());
    assert_eq!(
        conclusion(Path::new("x/compiled"), &artifacts, 0),
        "wrote x/compiled/artifacts.json (version 0123456789abcdef, with 1 compiled before)\n"
    );
    let expected = json!({ "version": "0123456789abcdef", "file": "x/compiled/artifacts.json", "compiled": [], "kept": 1 });
    assert_eq!(document(Path::new("x/compiled"), &artifacts, &[]), expected);
    assert_eq!(conclusion(Path::new("x/compiled"), &artifacts, 1), "wrote x/compiled/artifacts.json (version 0123456789abcdef)\n");
}

#[test]
fn a_row_shows_whole_milliseconds() {
    assert_eq!(row(Role::Validate, Arch::Arm64, 123_456, Duration::from_micros(7_900)), ["validate", "arm64", "123456", "7 ms"]);
}
