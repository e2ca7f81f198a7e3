use super::*;

#[test]
fn the_schedule_is_even_and_in_full_milliseconds() {
    let schedule = Schedule { count: 20_000, span: Duration::from_secs(5) };
    assert_eq!([0, 3, 4, 19_999].map(|number| schedule.offset(number).as_millis()), [0, 0, 1, 4_999]);
}

#[test]
fn the_bare_timer_is_never_early() {
    let lateness = bare_timer(Schedule { count: 10, span: Duration::from_millis(20) }).unwrap();
    assert_eq!(lateness.len(), 10);
    assert!(lateness.iter().all(|late| (0.0..1000.0).contains(late)), "{lateness:?}");
}
