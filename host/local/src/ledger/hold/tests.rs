use std::cell::RefCell;
use std::path::PathBuf;

use postdate_core::testing::{at, new_request, sample_id};
use tempfile::TempDir;

use super::*;
use crate::ledger::{MIGRATIONS, SqliteLedger};

/// Returns the path of a ledger whose schema has this version, and its directory, which is deleted on drop.
fn of_version(version: usize) -> (PathBuf, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    let schema = MIGRATIONS[..version.min(MIGRATIONS.len())].concat();
    Connection::open(&path).unwrap().execute_batch(&format!("{schema} PRAGMA user_version = {version};")).unwrap();
    (path, directory)
}

#[test]
fn between_two_transactions_is_a_pause_in_which_another_program_can_write() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    drop(SqliteLedger::open(&path).unwrap());
    let (mut connection, other) = (connect(&path).unwrap(), connect(&path).unwrap());
    other.busy_timeout(Duration::ZERO).unwrap();
    let ids: Vec<_> = (0..).take(2 * CHUNK + 1).map(sample_id).collect();
    let transaction = connection.transaction().unwrap();
    for id in &ids {
        rows::insert(&transaction, &new_request(*id, "orders", at(0))).unwrap();
    }
    transaction.commit().unwrap();

    let pauses = RefCell::new(Vec::new());
    let pause = |took: Duration| {
        other.execute("INSERT OR REPLACE INTO settings VALUES ('probe', '')", []).unwrap();
        pauses.borrow_mut().push(took);
    };
    let hold = Change::Hold { reason: "restored".to_owned() };
    assert_eq!(change_all(&mut connection, &ids, &hold, at(30), pause).unwrap(), ids.len());
    let pauses = pauses.into_inner();
    assert!(pauses.len() == 2 && pauses.iter().all(|took| *took > Duration::ZERO), "{pauses:?}");
    assert_eq!(resume(&path, None, at(60)).unwrap(), ids.len());
}

#[test]
fn a_ledger_of_another_schema_is_neither_resumed_nor_measured() {
    let newest = MIGRATIONS.len();
    let older = |version| format!("has schema version {version}, and this program needs version {newest}: start the server once");
    let newer = format!("has schema version {}, and this program knows versions up to {newest}", newest + 1);
    for (version, expected) in [(0, older(0)), (newest - 1, older(newest - 1)), (newest + 1, newer)] {
        let (path, directory) = of_version(version);
        let before = std::fs::read(&path).unwrap();
        for error in [crate::resume(directory.path(), None).unwrap_err(), crate::stats(directory.path()).unwrap_err()] {
            assert!(error.to_string().contains(&expected), "{error}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before, "a refused ledger was changed");
    }
    let (_path, directory) = of_version(newest);
    assert_eq!(crate::resume(directory.path(), None).unwrap(), 0);
    assert_eq!(crate::stats(directory.path()).unwrap().requests.rows, 0);
}
