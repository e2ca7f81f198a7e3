use std::time::Duration;

use super::*;

#[test]
fn an_output_is_current_until_an_input_is_newer() {
    let directory = tempfile::tempdir().unwrap();
    let (made, source) = (directory.path().join("made"), directory.path().join("src/deep/source"));
    fs::create_dir_all(source.parent().unwrap()).unwrap();
    fs::write(&source, "").unwrap();
    let inputs = &[directory.path().join("src")];
    assert!(!is_current(&made, inputs), "the output is missing");
    fs::write(&made, "").unwrap();
    let at = |file: &Path, seconds| {
        let time = SystemTime::now() + Duration::from_secs(seconds);
        fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
    };
    at(&made, 10);
    assert!(is_current(&made, inputs));
    at(&source, 20);
    assert!(!is_current(&made, inputs));
    assert!(!is_current(&made, [directory.path().join("nothing")]), "an input is missing");
}

#[test]
fn a_copy_is_written_only_if_the_content_differs() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("from"), directory.path().join("deep/to.wasm"));
    assert!(copy_if_changed(&from, &to).unwrap_err().to_string().contains("cannot read"));
    fs::write(&from, "1").unwrap();
    assert!(copy_if_changed(&from, &to).unwrap());
    assert!(!copy_if_changed(&from, &to).unwrap());
    fs::write(&from, "2").unwrap();
    assert!(copy_if_changed(&from, &to).unwrap());
    assert_eq!(fs::read_to_string(&to).unwrap(), "2");
    assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
}
