use super::*;

#[test]
fn the_root_is_found_from_a_directory_below_it() {
    let clone = tempfile::tempdir().unwrap();
    let below = clone.path().join("host/core/src");
    std::fs::create_dir_all(&below).unwrap();
    assert_eq!(above(&below), None);
    std::fs::create_dir_all(clone.path().join("xtask")).unwrap();
    std::fs::write(clone.path().join(MARK), "").unwrap();
    assert_eq!(above(&below), Some(clone.path()));
    assert_eq!(above(clone.path()), Some(clone.path()));
    assert!(root().join("host/toolchains/Cargo.toml").is_file());
}
