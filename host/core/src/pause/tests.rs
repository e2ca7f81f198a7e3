use super::*;
use crate::testing::at;

fn pause(target: Option<&str>, until: Option<i64>) -> Pause {
    Pause { use_case: "orders".to_owned(), target: target.map(str::to_owned), since: at(0), until: until.map(at), by: None }
}

#[test]
fn a_pause_covers_its_targets_until_its_end() {
    assert!(pause(None, None).covers("orders", "hook", at(1_000_000)));
    assert!(!pause(None, None).covers("orders-2", "hook", at(0)));
    assert!(pause(Some("hook"), None).covers("orders", "hook", at(0)));
    assert!(!pause(Some("hook"), None).covers("orders", "mail", at(0)));
    assert!(pause(None, Some(10)).covers("orders", "hook", at(9)));
    assert!(!pause(None, Some(10)).covers("orders", "hook", at(10)));
}

#[test]
fn of_two_pauses_the_one_that_ends_last_counts() {
    let pauses = [pause(None, Some(10)), pause(Some("hook"), None)];
    assert_eq!(pause_of(&pauses, "orders", "hook", at(0)).unwrap().waits_for(), "the end of the pause of target hook");
    assert_eq!(pause_of(&pauses, "orders", "mail", at(0)).unwrap().waits_for(), "the end of the pause of use case orders");
    assert_eq!(pause_of(&pauses, "orders", "mail", at(10)), None);
}

#[test]
fn requests_are_released_within_a_minute_of_the_end_in_the_order_of_their_times() {
    let hour = TimeDelta::hours(1);
    let uneven = TimeDelta::milliseconds(6_059_999);
    let year = hour * 24 * 365;
    for (length, apart_ms, last_ms) in
        [(hour, 10, 36_000), (uneven, 9, 59_999), (hour * 24, 0, 60_000), (year, 0, 60_000), (TimeDelta::zero(), 0, 0)]
    {
        let until = at(0) + length;
        let pause = Pause { until: Some(until), ..pause(None, None) };
        let after = |due: DateTime<Utc>| (pause.release(until, due) - until).num_milliseconds();
        assert_eq!([after(at(0) - hour), after(at(0)), after(until), after(until + hour)], [0, 0, last_ms, last_ms], "{length}");
        assert_eq!(after(at(1)), apart_ms.min(last_ms), "{length}");
        let all: Vec<i64> = (0..=1_000).map(|part| after(at(0) + length / 1_000 * part)).collect();
        assert!(all.is_sorted(), "{length}: {all:?}");
    }
}
