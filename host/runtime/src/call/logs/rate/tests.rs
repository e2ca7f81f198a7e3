use std::time::Duration;

use super::*;

#[test]
fn lines_beyond_the_burst_are_dropped_and_counted() {
    let (rate, start) = (LogRate::default(), Instant::now());
    let line = 1000;
    let burst = std::iter::repeat_with(|| rate.take(line, start)).take_while(|taken| *taken).count() as u64;
    assert_eq!(burst, BURST_BYTES / (line as u64 + LINE_BYTES));
    for _ in 0..9 {
        assert!(!rate.take(line, start));
    }
    let later = start + Duration::from_secs(1);
    assert_eq!(rate.dropped(later), Some(10));
    assert_eq!(rate.dropped(later), None);
    let second = std::iter::repeat_with(|| rate.take(line, later)).take_while(|taken| *taken).count() as u64;
    assert!(second.abs_diff(BYTES_PER_SECOND / (line as u64 + LINE_BYTES)) <= 3, "{second}");
}

#[test]
fn many_small_lines_are_limited_too() {
    let (rate, now) = (LogRate::default(), Instant::now());
    let lines = std::iter::repeat_with(|| rate.take(0, now)).take_while(|taken| *taken).count() as u64;
    assert_eq!(lines, BURST_BYTES / LINE_BYTES);
}

#[test]
fn each_use_case_has_its_own_limit() {
    let (rates, now) = (LogRates::default(), Instant::now());
    while rates.of("loud").take(4000, now) {}
    assert!(!rates.of("loud").take(4000, now) && rates.of("quiet").take(4000, now));
}
