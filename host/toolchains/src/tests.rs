use std::time::Duration;

use super::*;

#[test]
fn what_was_made_is_current_until_an_input_is_younger() {
    let directory = tempfile::tempdir().unwrap();
    let (made, source) = (directory.path().join("made"), directory.path().join("src/deep/source"));
    std::fs::create_dir_all(source.parent().unwrap()).unwrap();
    std::fs::write(&source, "").unwrap();
    let inputs = [directory.path().join("src")];
    let inputs = [inputs[0].as_path()];
    assert!(!is_current(&made, &inputs), "it is not there");
    std::fs::write(&made, "").unwrap();
    let at = |file: &Path, seconds| {
        let time = SystemTime::now() + Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
    };
    at(&made, 10);
    assert!(is_current(&made, &inputs));
    at(&source, 20);
    assert!(!is_current(&made, &inputs));
    assert!(!is_current(&made, &[&directory.path().join("nothing")]), "an input is missing");
}
