use super::*;

#[test]
fn a_bundle_is_copied_without_wasm_and_without_old_files() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    for file in ["use-case.toml", "process.wasm", "cases/one.toml", "compiled/artifacts.json"] {
        let file = from.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "content").unwrap();
    }
    fs::create_dir_all(to.join("cases")).unwrap();
    fs::write(to.join("cases/old.toml"), "old").unwrap();
    copy_without_wasm(&from, &files(&from).unwrap(), &to).unwrap();
    let mut copied = files(&to).unwrap();
    copied.sort();
    assert_eq!(copied, [Path::new("cases/one.toml"), Path::new("use-case.toml")]);
    assert!(!to.join("compiled").exists(), "the directory compiled is not copied");
}
