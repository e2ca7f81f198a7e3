use std::collections::BTreeMap;

use super::*;
use crate::ledger::SqliteLedger;

fn mode(place: &Path) -> u32 {
    fs::metadata(place).unwrap().mode() & 0o777
}

#[test]
fn a_directory_that_exists_is_tightened_with_everything_of_the_server_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    fs::create_dir_all(data.join("store/orders")).unwrap();
    for file in ["ledger.sqlite", "store/orders/current", "notes.txt"] {
        fs::write(data.join(file), "").unwrap();
        fs::set_permissions(data.join(file), Permissions::from_mode(0o644)).unwrap();
    }
    for place in ["", "store", "store/orders"] {
        fs::set_permissions(data.join(place), Permissions::from_mode(0o755)).unwrap();
    }
    let _lock = open(&data).unwrap();
    for place in ["", "store", "store/orders"] {
        assert_eq!(mode(&data.join(place)), 0o700, "{place}");
    }
    for file in ["ledger.sqlite", "store/orders/current", "lock"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&data.join("notes.txt")), 0o644, "a file that is not the server's keeps its mode");
}

#[tokio::test]
async fn new_files_of_the_ledger_are_for_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let _lock = open(&data).unwrap();
    let ledger = SqliteLedger::open(&data.join("ledger.sqlite")).unwrap();
    ledger.set_setting("x", "y".to_owned()).await.unwrap();
    let modes: BTreeMap<_, _> =
        fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).map(|path| (path.clone(), mode(&path))).collect();
    assert_eq!(modes.len(), 4, "{modes:?}");
    assert!(modes.values().all(|mode| *mode == 0o600), "{modes:?}");
}

#[test]
fn a_directory_that_others_can_write_to_is_refused_and_unchanged() {
    for others in [0o770, 0o702, 0o1777] {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(others)).unwrap();
        let error = open(directory.path()).expect_err("a directory that others can write to was opened").to_string();
        assert!(error.contains(&format!("mode {others:04o}")) && error.contains("chmod 700"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_restore_that_was_cut_off_blocks_a_server_only_if_it_may_have_changed_something() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    fs::create_dir_all(data.join(STAGING_DIR).join(STORE_DIR)).unwrap();
    fs::write(data.join(STAGING_DIR).join(LEDGER_FILE), "half").unwrap();
    drop(open(&data).unwrap());
    assert!(!data.join(STAGING_DIR).exists());
    fs::create_dir(data.join(RESTORING_DIR)).unwrap();
    let error = open(&data).expect_err("a directory that may not be whole was opened").to_string();
    assert!(error.contains("was cut off") && error.contains("--overwrite"), "{error}");
}
