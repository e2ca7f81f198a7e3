use super::*;

#[test]
fn a_component_is_placed_again_only_after_a_change() {
    let directory = tempfile::tempdir().unwrap();
    let from = directory.path().join("built.wasm");
    let to = directory.path().join("bundle/validate.wasm");
    fs::write(&from, "one").unwrap();
    assert!(place_file(&from, &to).unwrap());
    let placed = fs::metadata(&to).unwrap().modified().unwrap();
    assert!(!place_file(&from, &to).unwrap(), "a server would reload an unchanged component");
    assert_eq!(fs::metadata(&to).unwrap().modified().unwrap(), placed);

    fs::write(&from, "two").unwrap();
    assert!(place_file(&from, &to).unwrap());
    assert_eq!(fs::read_to_string(&to).unwrap(), "two");
    let names: Vec<_> = fs::read_dir(to.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["validate.wasm"], "no temporary file stays");
}

#[test]
fn a_guest_that_was_not_built_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = place_file(&directory.path().join("missing.wasm"), &directory.path().join("to.wasm")).unwrap_err();
    assert!(format!("{error:#}").contains("missing.wasm"), "{error:#}");
}
