use super::*;

#[test]
fn another_user_can_serve_a_store_than_the_one_who_pushed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("orders/current");
    write(root.path(), &path, b"x", None).unwrap();
    // Less the umask, as of any file.
    let plain = root.path().join("plain");
    fs::write(&plain, "x").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), mode(&plain) & 0o644);
}
