use super::*;

#[test]
fn added_changed_and_removed_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("a", "1");
    write("b", "1");
    write(".a.swp", "1");
    let directories = [directory.path().to_owned()];
    let before = snapshot(&directories);
    assert_eq!(before.len(), 2);
    std::fs::remove_file(directory.path().join("a")).unwrap();
    write("b", "22");
    write("c", "1");
    write("c.wasm.tmp", "1");
    let names: Vec<String> =
        names(&before, &snapshot(&directories)).iter().map(|name| name.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["b", "c", "a"]);
    assert!(snapshot(&[directory.path().join("nowhere")]).is_empty());
}
