use super::*;
use crate::testing::moment;

#[test]
fn back_off_grows_to_its_bound() {
    let policy = Backoff { initial: Duration::from_secs(2), factor: 2.0, max: Duration::from_mins(1) };
    let wait = |failures, asked| backoff(&policy, failures, asked, Duration::from_hours(1)).as_secs();
    assert_eq!([1, 2, 3, 5, 6, 7, u32::MAX].map(|n| wait(n, None)), [2, 4, 8, 32, 60, 60, 60]);
    assert_eq!(wait(1, Some(Duration::from_secs(7))), 7);
    assert_eq!(wait(3, Some(Duration::from_secs(7))), 8);
    assert_eq!(wait(1, Some(Duration::MAX)), 3600);
}

#[test]
fn asked_wait_is_at_most_a_day_beyond_the_back_off() {
    let policy = Backoff { initial: Duration::from_secs(2), factor: 2.0, max: Duration::from_hours(1) };
    let wait = |failures, asked| backoff(&policy, failures, Some(Duration::from_secs(asked)), Duration::from_hours(365 * 24)).as_secs();
    assert_eq!(wait(1, 24 * 3600), 24 * 3600);
    assert_eq!(wait(1, 24 * 3600 + 2), 24 * 3600 + 2);
    assert_eq!(wait(1, 24 * 3600 + 3), 24 * 3600 + 2);
    for asked in [1_767_225_600, u64::MAX] {
        assert_eq!(wait(1, asked), 24 * 3600 + 2);
        assert_eq!(wait(100, asked), 25 * 3600);
    }
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
