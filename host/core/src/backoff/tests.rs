use super::*;
use crate::testing::{moment, sample_id};

#[test]
fn back_off_grows_to_its_bound() {
    let policy = Backoff { initial: Duration::from_secs(2), factor: 2.0, max: Duration::from_mins(1), jitter: 0.5 };
    let wait = |failures, asked| backoff(&policy, failures, asked, Duration::from_hours(1), 0.0).as_secs();
    assert_eq!([1, 2, 3, 5, 6, 7, u32::MAX].map(|n| wait(n, None)), [2, 4, 8, 32, 60, 60, 60]);
    assert_eq!(wait(1, Some(Duration::from_secs(7))), 7);
    assert_eq!(wait(3, Some(Duration::from_secs(7))), 8);
    assert_eq!(wait(1, Some(Duration::MAX)), 3600);
}

#[test]
fn asked_wait_is_at_most_a_day_beyond_the_back_off() {
    let policy = Backoff { initial: Duration::from_secs(2), factor: 2.0, max: Duration::from_hours(1), jitter: 0.0 };
    let longest = Duration::from_hours(365 * 24);
    let wait = |failures, asked| backoff(&policy, failures, Some(Duration::from_secs(asked)), longest, 0.9).as_secs();
    assert_eq!(wait(1, 24 * 3600), 24 * 3600);
    assert_eq!(wait(1, 24 * 3600 + 2), 24 * 3600 + 2);
    assert_eq!(wait(1, 24 * 3600 + 3), 24 * 3600 + 2);
    for asked in [1_767_225_600, u64::MAX] {
        assert_eq!(wait(1, asked), 24 * 3600 + 2);
        assert_eq!(wait(100, asked), 25 * 3600);
    }
}

#[test]
fn jitter_makes_every_wait_longer_up_to_the_longest() {
    let policy = Backoff { initial: Duration::from_secs(10), factor: 2.0, max: Duration::from_secs(40), jitter: 0.2 };
    let wait = |failures, asked, spread| backoff(&policy, failures, asked, Duration::from_mins(1), spread).as_secs_f64();
    for (failures, spread, expected) in [(1, 0.0, 10.0), (1, 0.5, 11.0), (1, 1.0, 12.0), (3, 0.5, 44.0), (9, 1.0, 48.0)] {
        assert!((wait(failures, None, spread) - expected).abs() < 1e-6, "after {failures} failures, {spread}: {expected} s");
    }
    assert!((wait(1, Some(Duration::from_secs(50)), 0.5) - 55.0).abs() < 1e-6, "later than asked, and never earlier");
    assert!((wait(1, Some(Duration::MAX), 1.0) - 60.0).abs() < 1e-6);
}

#[test]
fn a_herd_is_spread_evenly_and_differently_after_each_attempt() {
    let mut tenths = [[0_u32; 10]; 10];
    for n in 0..1000 {
        let parts = [1, 2].map(|attempt| spread(sample_id(n), attempt));
        let again = [1, 2].map(|attempt| spread(sample_id(n), attempt));
        assert_eq!(parts.map(f64::to_bits), again.map(f64::to_bits), "the same at each call");
        let [first, second] = parts.map(|part| usize::from((0..10_u8).rfind(|tenth| f64::from(*tenth) / 10.0 <= part).unwrap()));
        tenths[first][second] += 1;
    }
    let sums = tenths.map(|row| row.iter().sum::<u32>());
    assert!(sums.iter().all(|sum| (60..140).contains(sum)), "{sums:?}");
    assert!(tenths.as_flattened().iter().all(|count| *count < 30), "an attempt does not follow from the one before: {tenths:?}");
}

#[test]
fn wait_after_host_faults_doubles_up_to_its_bound() {
    let mut now = moment();
    let mut waiting = None;
    let waits: Vec<i64> = (0..10)
        .map(|_| {
            let at = after_host_fault(waiting.as_ref(), now);
            waiting.get_or_insert(Waiting { on: "a slot".to_owned(), since: now });
            let wait = at - now;
            now = at;
            wait.num_milliseconds()
        })
        .collect();
    assert_eq!(waits, [250, 250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
}

#[test]
fn wait_after_host_fault_has_a_lower_bound_when_the_clock_steps_back() {
    let waiting = Waiting { on: "a slot".to_owned(), since: moment() + TimeDelta::hours(1) };
    assert_eq!(after_host_fault(Some(&waiting), moment()), moment() + TimeDelta::milliseconds(250));
}
