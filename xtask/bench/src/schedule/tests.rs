use super::*;

#[test]
fn the_schedule_is_even_and_in_full_milliseconds() {
    let schedule = Schedule { count: 20_000, span: Duration::from_secs(5) };
    assert_eq!([0, 3, 4, 19_999].map(|number| schedule.offset(number).as_millis()), [0, 0, 1, 4_999]);
}
