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
    assert!(matches!(read_bundle_dir(&dir.path().join("nowhere")), Err(ReadBundleError::NoDirectory { .. })));
}

#[test]
fn links_that_leave_the_bundle_directories_and_large_files_are_refused() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    let dir = bundle();
    let schema = dir.path().join("s.json");
    std::fs::remove_file(&schema).unwrap();
    std::os::unix::fs::symlink(outside.path(), &schema).unwrap();
    assert!(matches!(read_bundle_dir(dir.path()), Err(ReadBundleError::Outside { .. })));

    std::fs::remove_file(&schema).unwrap();
    std::fs::create_dir(&schema).unwrap();
    assert!(matches!(read_bundle_dir(dir.path()), Err(ReadBundleError::NotAFile { .. })));

    std::fs::remove_dir(&schema).unwrap();
    std::fs::File::create(&schema).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    assert!(matches!(read_bundle_dir(dir.path()), Err(ReadBundleError::TooLarge { .. })));

    std::fs::File::create(dir.path().join(MANIFEST_FILE)).unwrap().set_len(MAX_MANIFEST_BYTES + 1).unwrap();
    assert!(matches!(read_bundle_dir(dir.path()), Err(ReadBundleError::TooLarge { .. })));
}
