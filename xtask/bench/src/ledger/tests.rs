use super::*;

#[test]
fn a_filled_ledger_has_each_due_time_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    drop(create(&path).unwrap());
    let first = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
    fill(&path, Lane { version: "v", ..LANE }, 1000, first, Duration::from_secs(1000)).unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.version("validated").unwrap(), "v");
    assert!(reader.version("other").unwrap_err().to_string().contains("other"));
    assert_eq!(reader.unfinished().unwrap(), 1000);
    assert_eq!(reader.with_status(Status::Scheduled).unwrap(), 1000);
    let (times, least, most): (i64, i64, i64) = reader
        .0
        .query_row("SELECT count(DISTINCT due_at), min(due_at), max(due_at) FROM requests", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!((times, least, most), (1000, 1_800_000_000_000, 1_800_000_999_000));
}

#[test]
fn lateness_is_measured_from_trigger_time_to_start_and_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    let connection = create(&path).unwrap();
    let at = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
    insert(&connection, LANE, at, at, 0).unwrap();
    connection
        .execute_batch(
            "UPDATE requests SET status = 'succeeded', finished_at = trigger_at + 7; \
             INSERT INTO history (request, n, at, event, status, attempt) \
             SELECT seq, 2, trigger_at + 3, 'started', 'running', 1 FROM requests",
        )
        .unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.lateness_of_ends().unwrap(), [7.0]);
    assert_eq!(reader.lateness_of_starts().unwrap(), [3.0]);
    assert_eq!(reader.unfinished().unwrap(), 0);
}
