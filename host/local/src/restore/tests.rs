use std::os::unix::fs::symlink;

use postdate_core::lifecycle::Change;
use postdate_core::ports::{Changes as _, Intake as _, Requests as _};
use postdate_core::request::Event;
use postdate_core::testing::{at, new_request, sample_id};
use tempfile::TempDir;

use super::*;
use crate::back_up;
use crate::ledger::SqliteLedger;

fn ledger_at(data: &Path) -> SqliteLedger {
    SqliteLedger::open(&data.join(LEDGER_FILE)).unwrap()
}

/// Makes a data directory whose test clock stands at second 100, with a request that runs, one that is due, and one for later, and with two
/// use cases, of which one has the name `current`; and its backup.
async fn backed_up() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("lost");
    fs::create_dir_all(data.join("store/orders")).unwrap();
    fs::write(data.join("store/orders/current"), "v1").unwrap();
    fs::create_dir_all(data.join("store/current/v2")).unwrap();
    fs::write(data.join("store/current/current"), "v2").unwrap();
    fs::write(data.join("store/current/v2/use-case.toml"), "name = 'current'").unwrap();
    let ledger = ledger_at(&data);
    ledger.set_setting("clock", "test".to_owned()).await.unwrap();
    ledger.set_setting("test-clock", postdate_core::time::rfc3339(at(100))).await.unwrap();
    for (n, seconds) in [(1, 0), (2, 50), (3, 200)] {
        ledger.insert(new_request(sample_id(n), "orders", at(seconds)).into()).await.unwrap();
    }
    ledger.change(sample_id(1), Change::Claim { lease: std::time::Duration::from_mins(1) }, at(0)).await.unwrap();
    let backup = place.path().join("backup.sqlite");
    back_up(&data, &backup).unwrap();
    (place, backup)
}

fn options(from: &Path, data: &Path) -> Restore {
    Restore { from: from.to_owned(), data: data.to_owned(), overwrite: false, run_due: false }
}

#[tokio::test]
async fn a_restored_directory_holds_what_ran_or_was_due_and_has_its_store() {
    let (place, backup) = backed_up().await;
    let data = place.path().join("new");
    let restored = restore(&options(&backup, &data)).unwrap();
    assert_eq!((restored.requests, restored.held, restored.files, restored.former), (3, 2, Some(3), None));
    for (file, content) in [("orders/current", "v1"), ("current/current", "v2"), ("current/v2/use-case.toml", "name = 'current'")] {
        assert_eq!(fs::read_to_string(data.join(STORE_DIR).join(file)).unwrap(), content, "{file}");
    }
    let mut names: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [LEDGER_FILE, "lock", "store"]);
    let _lock = data_dir::open(&data).unwrap();
    let ledger = ledger_at(&data);
    for (n, is_held) in [(1, true), (2, true), (3, false)] {
        let (request, history) = ledger.find(sample_id(n)).await.unwrap().unwrap();
        assert_eq!(request.is_held(), is_held, "{n}");
        let last = history.last().unwrap();
        let reason = format!("restored from a backup of {}: it may have run since", restored.made_at.as_deref().unwrap());
        assert_eq!(is_held, last.event == Event::Held && last.detail.as_ref() == Some(&reason), "{last:?}");
    }
    assert_eq!(crate::resume(&data, None).unwrap(), 2);
    assert_eq!(ledger.request(sample_id(2)).await.unwrap().unwrap().due_at, at(100));
}

#[tokio::test]
async fn due_requests_stay_due_where_the_operator_says_so() {
    let (place, backup) = backed_up().await;
    let data = place.path().join("new");
    let restored = restore(&Restore { run_due: true, ..options(&backup, &data) }).unwrap();
    assert_eq!(restored.held, 0);
    assert_eq!(ledger_at(&data).request(sample_id(2)).await.unwrap().unwrap().due_at, at(50));
}

#[tokio::test]
async fn a_ledger_is_replaced_only_on_demand_without_a_server_and_is_moved_aside() {
    let (place, backup) = backed_up().await;
    let data = place.path().join("lost");
    ledger_at(&data).insert(new_request(sample_id(4), "orders", at(300)).into()).await.unwrap();
    let error = restore(&options(&backup, &data)).unwrap_err().to_string();
    assert!(error.contains("has a ledger or a store already") && error.contains("--overwrite"), "{error}");
    let overwrite = Restore { overwrite: true, ..options(&backup, &data) };
    let lock = data_dir::open(&data).unwrap();
    let error = restore(&overwrite).unwrap_err().to_string();
    assert!(error.contains("another server uses"), "{error}");
    assert!(ledger_at(&data).request(sample_id(4)).await.unwrap().is_some());
    drop(lock);

    let former = restore(&overwrite).unwrap().former.unwrap();
    assert!(ledger_at(&data).request(sample_id(4)).await.unwrap().is_none());
    assert!(ledger_at(&former).request(sample_id(4)).await.unwrap().is_some());
    assert_eq!(fs::read_to_string(former.join("store/orders/current")).unwrap(), "v1");
}

#[tokio::test]
async fn a_plain_copy_of_a_ledger_is_restored_without_a_store() {
    let (place, _) = backed_up().await;
    let (from, data) = (place.path().join("lost").join(LEDGER_FILE), place.path().join("new"));
    fs::create_dir_all(data.join("store")).unwrap();
    let restored = restore(&options(&from, &data)).unwrap();
    assert_eq!((restored.requests, restored.held, restored.files, restored.made_at), (3, 2, None, None));
}

#[tokio::test]
async fn a_broken_backup_changes_nothing() {
    let (place, backup) = backed_up().await;
    let data = place.path().join("lost");
    let whole = fs::read(&backup).unwrap();
    let wrong = place.path().join("wrong");
    for (content, said) in [(&whole[..whole.len() / 2], ""), (b"no database", "not a database"), (b"", "is not a ledger")] {
        fs::write(&wrong, content).unwrap();
        let error = restore(&Restore { overwrite: true, ..options(&wrong, &data) }).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let outside = Connection::open(&backup).unwrap();
    outside.execute(&format!("UPDATE {FILES_TABLE} SET path = '../' || path"), []).unwrap();
    drop(outside);
    let error = restore(&Restore { overwrite: true, ..options(&backup, &data) }).unwrap_err().to_string();
    assert!(error.contains("not below the store"), "{error}");
    assert_eq!(ledger_at(&data).request(sample_id(2)).await.unwrap().unwrap().due_at, at(50));
    assert!(!data.join(STAGING_DIR).exists() && data_dir::open(&data).is_ok());
}

#[tokio::test]
async fn no_server_starts_on_a_directory_whose_restore_was_cut_off() {
    let (place, backup) = backed_up().await;
    let data = place.path().join("new");
    fs::create_dir_all(data.join(RESTORING_DIR)).unwrap();
    let is_refused = || data_dir::open(&data).is_err_and(|error| error.to_string().contains("was cut off"));
    assert!(is_refused());
    // A repeat that cannot move the store to its place does not make the directory whole.
    symlink("nowhere", data.join(STORE_DIR)).unwrap();
    let error = format!("{:#}", restore(&options(&backup, &data)).unwrap_err());
    assert!(error.contains("cannot move") && is_refused(), "{error}");
    fs::remove_file(data.join(STORE_DIR)).unwrap();
    restore(&options(&backup, &data)).unwrap();
    assert!(data_dir::open(&data).is_ok());
}

#[tokio::test]
async fn a_restore_that_cannot_move_a_part_moves_everything_back_and_can_be_repeated() {
    let (place, backup) = backed_up().await;
    let data = place.path().join("lost");
    ledger_at(&data).insert(new_request(sample_id(4), "orders", at(300)).into()).await.unwrap();
    // A link to a disk that is not mounted: no directory can take its place.
    let (store, unmounted) = (data.join(STORE_DIR), place.path().join("unmounted"));
    fs::remove_dir_all(&store).unwrap();
    symlink(&unmounted, &store).unwrap();
    let overwrite = Restore { overwrite: true, ..options(&backup, &data) };
    let error = format!("{:#}", restore(&overwrite).unwrap_err());
    assert!(error.contains("cannot move") && error.contains("store"), "{error}");
    let mut names: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| ![WAL_FILE, SHM_FILE].contains(&name.as_str()));
    names.sort();
    assert_eq!(names, [LEDGER_FILE, "lock", STORE_DIR]);
    assert_eq!(fs::read_link(&store).unwrap(), unmounted);
    drop(data_dir::open(&data).unwrap());
    assert!(ledger_at(&data).request(sample_id(4)).await.unwrap().is_some());

    fs::create_dir(&unmounted).unwrap();
    let former = restore(&overwrite).unwrap().former.unwrap();
    assert!(ledger_at(&former).request(sample_id(4)).await.unwrap().is_some());
    assert!(ledger_at(&data).request(sample_id(4)).await.unwrap().is_none());
    assert_eq!(fs::read_to_string(store.join("orders/current")).unwrap(), "v1");
}
