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
fn the_space_of_a_store_is_that_of_its_files_and_directories_in_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let store = Directory::new(dir.path().join("store"));
    assert_eq!(store.space().unwrap(), 0, "no directory yet");
    std::fs::create_dir_all(store.root().join("orders/v/cases")).unwrap();
    for (file, bytes) in [("orders/current", 0), ("orders/v/p.wasm", 4097), ("orders/v/cases/one.toml", 4096)] {
        std::fs::write(store.root().join(file), vec![0; bytes]).unwrap();
    }
    assert_eq!(store.space().unwrap(), (3 + 1 + 2 + 1) * 4096, "three directories, and the blocks of the files");
}
