use super::*;

#[test]
fn writes_that_find_a_lock_in_a_row_are_one_long_wait() {
    let condition = Condition::new(0, Fatal::default());
    let locked = Err(Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None));
    let begun = Instant::now().checked_sub(2 * LONG_WRITE).expect("a moment before");
    condition.begin_write(begun);
    assert!(condition.state().refuses.is_some_and(|text| text.contains("another program locks ledger.sqlite")));
    condition.end_write(&locked);
    condition.begin_write(Instant::now());
    assert!(condition.stuck().is_some() && condition.is_broken());
    condition.end_write(&Ok(()));
    assert!(condition.state().refuses.is_none() && !condition.is_broken());
    condition.begin_write(Instant::now());
    assert_eq!(condition.stuck(), None);
}
