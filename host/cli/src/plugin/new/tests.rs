use std::fs;

use super::*;

fn new(name: &str, dir: &Path) -> anyhow::Result<ExitCode> {
    run(New { name: name.to_owned(), lang: Language::Python, template: Template::Reminder, dir: Some(dir.to_owned()), json: false })
}

#[test]
fn a_project_is_written_only_to_an_empty_directory() {
    let directory = tempfile::tempdir().unwrap();
    new("tickets", &directory.path().join("deep/tickets")).unwrap();
    assert!(directory.path().join("deep/tickets/src/validate.py").is_file());
    let readme = directory.path().join("deep/tickets/README.md");
    fs::write(&readme, "mine").unwrap();
    let error = new("tickets", &directory.path().join("deep/tickets")).unwrap_err().to_string();
    assert!(error.contains("is not empty, and no file is overwritten"), "{error}");
    assert_eq!(fs::read_to_string(readme).unwrap(), "mine");
}

#[test]
fn an_invalid_name_is_refused_before_any_file_is_written() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["", "Tickets", "a b", "../x", "a\"\nx = 1", &"a".repeat(33)] {
        let error = format!("{:#}", new(name, &directory.path().join("x")).unwrap_err());
        assert!(error.contains("cannot be the name of a use case"), "{error}");
    }
    assert!(!directory.path().join("x").exists());
}
