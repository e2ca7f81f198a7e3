use super::*;

fn new(name: &str, dir: &Path) -> anyhow::Result<ExitCode> {
    run(New { name: name.to_owned(), lang: Language::Python, dir: Some(dir.to_owned()) })
}

#[test]
fn a_project_is_written_into_an_empty_directory_and_into_no_other() {
    let place = tempfile::tempdir().unwrap();
    new("tickets", &place.path().join("deep/tickets")).unwrap();
    assert!(place.path().join("deep/tickets/src/validate.py").is_file());
    let readme = place.path().join("deep/tickets/README.md");
    fs::write(&readme, "mine").unwrap();
    let error = new("tickets", &place.path().join("deep/tickets")).unwrap_err().to_string();
    assert!(error.contains("is not empty, and nothing is overwritten"), "{error}");
    assert_eq!(fs::read_to_string(readme).unwrap(), "mine");
}

#[test]
fn a_name_is_held_to_the_manifests_rule_before_anything_is_written() {
    let place = tempfile::tempdir().unwrap();
    for name in ["", "Tickets", "a b", "../x", "a\"\nx = 1", &"a".repeat(33)] {
        let error = format!("{:#}", new(name, &place.path().join("x")).unwrap_err());
        assert!(error.contains("cannot be the name of a use case"), "{error}");
    }
    assert!(!place.path().join("x").exists());
}
