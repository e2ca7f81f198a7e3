use std::os::unix::fs::MetadataExt as _;
use std::time::SystemTime;

use postdate_core::ports::Intake as _;
use postdate_core::testing::{at, new_request, sample_id};
use tempfile::TempDir;

use super::*;
use crate::data_dir::LEDGER_FILE;
use crate::ledger::SqliteLedger;

/// Returns a data directory with one request, in the WAL of a ledger that is open, and a store. One of its use cases has the name
/// `current`.
async fn serving() -> (SqliteLedger, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&data.path().join(LEDGER_FILE)).unwrap();
    ledger.insert(new_request(sample_id(1), "orders", at(60)).into()).await.unwrap();
    let version = data.path().join(STORE_DIR).join("orders/v1/cases");
    fs::create_dir_all(&version).unwrap();
    fs::write(data.path().join(STORE_DIR).join("orders/current"), "v1").unwrap();
    fs::create_dir_all(data.path().join(STORE_DIR).join("current/v2")).unwrap();
    fs::write(data.path().join(STORE_DIR).join("current/current"), "v2").unwrap();
    fs::write(data.path().join(STORE_DIR).join("current/v2/use-case.toml"), "x").unwrap();
    fs::write(data.path().join(STORE_DIR).join(".lock"), "").unwrap();
    fs::write(version.join(".draft-x"), "half").unwrap();
    fs::write(version.join("one.toml"), "").unwrap();
    fs::write(version.join("large.wasm"), vec![7; 2 * 1024 * 1024 + 5]).unwrap();
    (ledger, data)
}

#[tokio::test]
async fn a_backup_of_a_serving_directory_has_its_requests_and_the_files_of_its_store() {
    let (_ledger, data) = serving().await;
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("backup.sqlite");
    let done = back_up(data.path(), &to).unwrap();
    assert_eq!((done.requests, done.files, done.bytes), (1, 5, fs::metadata(&to).unwrap().len()));
    assert_eq!(fs::metadata(&to).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "a draft was left");
    let backup = Connection::open(&to).unwrap();
    let sql = format!("SELECT path, sum(length(content)) FROM {FILES_TABLE} GROUP BY path ORDER BY path");
    let mut files = backup.prepare(&sql).unwrap();
    let files = files.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let files: Vec<(String, u64)> =
        files.map(|file| file.map(|(path, size): (String, i64)| (path, size.unsigned_abs()))).collect::<Result<_, _>>().unwrap();
    let expected = [
        ("current/current", 2),
        ("current/v2/use-case.toml", 1),
        ("orders/current", 2),
        ("orders/v1/cases/large.wasm", 2 * 1024 * 1024 + 5),
        ("orders/v1/cases/one.toml", 0),
    ];
    assert_eq!(files, expected.map(|(path, size)| (path.to_owned(), size)));
}

#[tokio::test]
async fn a_backup_replaces_no_file_and_needs_a_ledger() {
    let (_ledger, data) = serving().await;
    let to = data.path().join("taken");
    fs::write(&to, "mine").unwrap();
    let error = back_up(data.path(), &to).unwrap_err().to_string();
    assert!(error.contains("exists already") && fs::read_to_string(&to).unwrap() == "mine", "{error}");
    let empty = tempfile::tempdir().unwrap();
    let error = back_up(empty.path(), &empty.path().join("x")).unwrap_err().to_string();
    assert!(error.contains("there is no ledger in") && error.contains("--data"), "{error}");
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn drafts_of_killed_backups_are_deleted_after_a_day() {
    let (_ledger, data) = serving().await;
    let place = tempfile::tempdir().unwrap();
    let (now, before) = (SystemTime::now(), SystemTime::now().checked_sub(2 * ABANDONED).unwrap());
    let files = [(".postdate-backup-a", before), (".postdate-backup-a-journal", before), (".postdate-backup-b", now), (".c", before)];
    for (name, changed) in files {
        File::create(place.path().join(name)).unwrap().set_modified(changed).unwrap();
    }
    back_up(data.path(), &place.path().join("backup")).unwrap();
    let mut names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [".c", ".postdate-backup-b", "backup"]);
}
