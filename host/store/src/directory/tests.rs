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
