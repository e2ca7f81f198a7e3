use std::time::Duration;

use super::*;

/// Space of each version of a test: two small files and a directory, each a block of 4 KiB.
const SPACE: u64 = 3 * 4096;

/// Writes versions of [`SPACE`], which were loaded one second after the other, the first one first.
fn unpacked(root: &Path, versions: &[&str]) {
    for (seconds, version) in (1..).zip(versions) {
        let dir = root.join(version);
        fs::create_dir_all(dir.join("compiled")).unwrap();
        fs::write(dir.join("use-case.toml"), [0; 40]).unwrap();
        fs::write(dir.join("compiled/process.cwasm"), [0; 60]).unwrap();
        File::open(&dir).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }
}

#[test]
fn the_version_loaded_least_recently_is_deleted_first() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("cache");
    make_room(&root, 0).unwrap();
    unpacked(&root, &["orders/v1", "mail/v1", "orders/v2"]);
    used(&root.join("orders/v1"));
    let left = |most| {
        make_room(&root, most).unwrap();
        ["orders/v1", "mail/v1", "orders/v2"].into_iter().filter(|version| root.join(version).is_dir()).collect::<Vec<_>>()
    };
    assert_eq!(left(3 * SPACE), ["orders/v1", "mail/v1", "orders/v2"]);
    assert_eq!(left(3 * SPACE - 1), ["orders/v1", "orders/v2"]);
    assert_eq!(left(SPACE + 1), ["orders/v1"]);
    assert_eq!(left(0), Vec::<&str>::new());
}

#[test]
fn the_rest_of_an_interrupted_fetch_is_deleted() {
    let scratch = tempfile::tempdir().unwrap();
    unpacked(scratch.path(), &["orders/.v1.77", "orders/v2"]);
    make_room(scratch.path(), SPACE).unwrap();
    assert!(!scratch.path().join("orders/.v1.77").exists() && scratch.path().join("orders/v2").is_dir());
}
