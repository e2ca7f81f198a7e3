use super::*;

#[test]
fn who_serves_a_store_need_not_be_who_pushed_to_it() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("orders/current");
    write(root.path(), &path, b"x", None).unwrap();
    // Less the umask, as of any file.
    let plain = root.path().join("plain");
    fs::write(&plain, "x").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), mode(&plain) & 0o644);
}
