use super::*;

#[test]
fn a_written_object_is_readable_by_other_users() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("orders/current");
    write(root.path(), &path, b"x", None).unwrap();
    // The umask applies, as for any file.
    let plain = root.path().join("plain");
    fs::write(&plain, "x").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), mode(&plain) & 0o644);
}

#[test]
fn the_size_of_a_store_is_that_of_all_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = Directory::new(dir.path().join("store"));
    assert_eq!(store.bytes().unwrap(), 0, "no directory yet");
    std::fs::create_dir_all(store.root().join("orders/v/cases")).unwrap();
    for (file, bytes) in [("orders/current", 3), ("orders/v/p.wasm", 1000), ("orders/v/cases/one.toml", 20)] {
        std::fs::write(store.root().join(file), vec![0; bytes]).unwrap();
    }
    assert_eq!(store.bytes().unwrap(), 1023);
}
