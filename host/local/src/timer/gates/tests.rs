use chrono::TimeDelta;
use postdate_core::testing::at;

use super::*;

fn lane(target: &str) -> Lane {
    Lane { use_case: "orders".to_owned(), target: target.to_owned(), due_at: at(0) }
}

fn limits(concurrency: Option<u32>, rate: Option<&str>) -> Limits {
    Limits { concurrency, rate: rate.map(|text| text.parse().unwrap()) }
}

#[test]
fn a_limited_lane_closes_and_no_other_does() {
    let mut gates = Gates::default();
    let one = limits(Some(1), None);
    assert_eq!(gates.closed(&lane("hook"), one, at(0)), None);
    assert_eq!(gates.begin(&lane("hook"), one, at(0)), None);
    let closed = gates.closed(&lane("hook"), one, at(0)).unwrap();
    assert_eq!(closed.until(), None);
    assert_eq!(gates.waits_for("orders", "hook", at(0)).as_deref(), Some("a place at target hook (1 of 1)"));
    assert_eq!(gates.closed(&lane("mail"), Limits::default(), at(0)), None);
    assert_eq!(gates.waits_for("orders", "mail", at(0)), None);
    gates.end("orders", "hook", one, true);
    assert_eq!(gates.closed(&lane("hook"), one, at(0)), None);
}

#[test]
fn a_rate_goes_on_after_a_restart_as_it_was() {
    let rate = limits(None, Some("1/m"));
    let booked = Gates::default().begin(&lane("hook"), rate, at(1)).unwrap();
    let mut again = Gates::new(Paused::default(), vec![("orders".to_owned(), "hook".to_owned(), booked.0, booked.1)]);
    let closed = again.closed(&lane("hook"), rate, at(59)).unwrap();
    assert_eq!(closed.until(), Some(at(60)));
    assert_eq!(again.closed(&lane("hook"), rate, at(60)), None);
}

#[test]
fn a_clock_that_goes_back_does_not_close_a_lane_for_long() {
    let rate = limits(None, Some("1/s"));
    let mut gates = Gates::default();
    gates.begin(&lane("hook"), rate, at(3600));
    assert_eq!(gates.closed(&lane("hook"), rate, at(0)), None);
    gates.begin(&lane("hook"), rate, at(0));
    assert_eq!(gates.closed(&lane("hook"), rate, at(0)).unwrap().until(), Some(at(0) + TimeDelta::seconds(1)));
}

#[test]
fn an_attempt_that_did_not_begin_leaves_its_slot_to_another() {
    let limits = limits(None, Some("1/s"));
    let mut gates = Gates::default();
    for has_begun in [false, false, true] {
        assert_eq!(gates.closed(&lane("hook"), limits, at(0)), None);
        gates.begin(&lane("hook"), limits, at(0));
        gates.end("orders", "hook", limits, has_begun);
    }
    assert!(gates.closed(&lane("hook"), limits, at(0)).is_some());
}
