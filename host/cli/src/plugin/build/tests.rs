use super::*;

#[test]
fn a_single_file_of_the_project_decides_the_language() {
    let dir = tempfile::tempdir().unwrap();
    assert!(language(dir.path()).unwrap_err().to_string().contains("none of Cargo.toml, package.json, requirements.txt"));
    std::fs::write(dir.path().join("package.json"), "{}").unwrap();
    assert_eq!(language(dir.path()).unwrap(), Language::JavaScript);
    std::fs::write(dir.path().join("Cargo.toml"), "").unwrap();
    assert!(language(dir.path()).unwrap_err().to_string().contains("has Cargo.toml and package.json"));
}
