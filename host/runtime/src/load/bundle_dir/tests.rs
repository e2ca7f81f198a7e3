use super::*;

const MANIFEST: &str = "name = 'x'\n[process]\nplugin = 'p.wasm'\nconfig-files = { schema = 's.json' }\n";

fn bundle() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in [(MANIFEST_FILE, MANIFEST), ("p.wasm", "wasm"), ("s.json", "{}"), ("README", "not named")] {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

#[test]
fn only_test_cases_and_files_named_in_the_manifest_are_read() {
    let dir = bundle();
    std::fs::create_dir(dir.path().join("cases")).unwrap();
    for name in ["one.toml", "notes.txt", ".swap.toml"] {
        std::fs::write(dir.path().join("cases").join(name), "").unwrap();
    }
    let source = read_bundle_dir(dir.path()).unwrap();
    assert_eq!(source.files.keys().collect::<Vec<_>>(), ["cases/one.toml", "p.wasm", "s.json", MANIFEST_FILE]);
    let version = source.version();
    std::fs::write(dir.path().join("README"), "changed").unwrap();
    assert_eq!(read_bundle_dir(dir.path()).unwrap().version(), version);
}

#[test]
fn the_error_names_a_missing_file() {
    let dir = bundle();
    std::fs::remove_file(dir.path().join("s.json")).unwrap();
    let error = read_bundle_dir(dir.path()).unwrap_err().to_string();
    assert!(error.contains("process.config-files.schema names the file s.json, which is not in the bundle"), "{error}");
    std::fs::remove_file(dir.path().join(MANIFEST_FILE)).unwrap();
    assert!(read_bundle_dir(dir.path()).unwrap_err().to_string().contains("no use-case.toml"));
    assert!(read_bundle_dir(&dir.path().join("nowhere")).is_err());
}
