use super::*;

#[test]
fn test_programs_are_read_from_cargos_messages() {
    let message = r#"{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","executable":"/a/target/x-1"}"#;
    assert_eq!((text(message, "manifest_path"), text(message, "executable")), (Some("/a/Cargo.toml"), Some("/a/target/x-1")));
    assert_eq!(text(r#"{"executable":null}"#, "executable"), None);
}

#[test]
fn packages_are_found_by_name_in_the_workspace() {
    let names = |asked: &[&str]| {
        let asked: Vec<String> = asked.iter().map(|&name| name.to_owned()).collect();
        packages(&asked).map(|found| found.into_iter().map(|package| package.name).collect::<Vec<_>>())
    };
    assert!(names(&[]).unwrap().contains(&"postdate-runtime".to_owned()));
    assert_eq!(names(&["postdate-core"]).unwrap(), ["postdate-core"]);
    assert!(names(&["postdate-nothing"]).is_err());
    assert!(integration_tests(&root().join("host/runtime")).contains(&"hostile".to_owned()));
}
