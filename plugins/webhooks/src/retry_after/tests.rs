use std::time::UNIX_EPOCH;

use super::*;

/// 1994-11-06T08:49:30.5Z: 6.5 seconds before the example date in RFC 9110.
const NOW: Duration = Duration::from_millis(784_111_770_500);

#[track_caller]
fn check(value: &str, expected: Option<Duration>) {
    assert_eq!(retry_after(value, UNIX_EPOCH + NOW), expected, "{value}");
}

#[test]
fn seconds_are_a_wait_and_too_many_are_the_longest_one() {
    check("7", Some(Duration::from_secs(7)));
    check(" 0 ", Some(Duration::ZERO));
    check("18446744073709551615", Some(Duration::from_secs(u64::MAX)));
    check("99999999999999999999999", Some(Duration::from_secs(u64::MAX)));
}

#[test]
fn a_date_is_a_wait_in_each_of_the_three_forms_of_http() {
    let wait = Some(Duration::from_millis(6_500));
    check("Sun, 06 Nov 1994 08:49:37 GMT", wait);
    check("Sunday, 06-Nov-94 08:49:37 GMT", wait);
    check("Sun Nov  6 08:49:37 1994", wait);
    check("Sun, 06 Nov 1994 08:00:00 GMT", Some(Duration::ZERO));
}

#[test]
fn other_texts_are_no_wait() {
    for value in ["", "-1", "1.5", "soon", "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 +0100"] {
        check(value, None);
    }
}
