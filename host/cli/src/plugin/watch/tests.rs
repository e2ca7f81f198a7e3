use super::*;

#[test]
fn files_that_came_went_or_changed_are_named() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
    write("a", "1");
    write("b", "1");
    write(".a.swp", "1");
    let places = [place.path().to_owned()];
    let before = look(&places);
    assert_eq!(before.len(), 2);
    std::fs::remove_file(place.path().join("a")).unwrap();
    write("b", "22");
    write("c", "1");
    write("c.wasm.tmp", "1");
    let names: Vec<String> = names(&before, &look(&places)).iter().map(|name| name.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["b", "c", "a"]);
    assert!(look(&[place.path().join("nowhere")]).is_empty());
}
