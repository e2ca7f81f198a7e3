use super::*;

fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

#[track_caller]
fn check(now: &str, due: &str, has_queue: bool, direct: bool, expected: &str) {
    let (now, due) = (time(now), time(due));
    let route = Route::of(due, now, has_queue, direct);
    let (earliest, latest) = match route {
        // The target host waits for the fraction of a second.
        Route::Queue { delay_seconds } => {
            assert!((0..=900).contains(&delay_seconds));
            let appears = now + TimeDelta::seconds(delay_seconds.into());
            assert!(due - appears < TimeDelta::seconds(1), "the rest is short enough to wait for");
            (appears.max(due), appears.max(due))
        }
        Route::At(minute) if has_queue && !direct => {
            assert!(minute + MINUTE <= due, "fired at the end of its minute, it is not late");
            assert!(due - minute <= MAX_DELAY, "fired at the beginning of its minute, the rest can be parked");
            assert!(minute >= now + MINUTE, "the rule is there in time");
            (due, due)
        }
        Route::At(minute) => {
            assert!(minute >= now + MINUTE, "the rule is there in time");
            (minute, minute + MINUTE)
        }
    };
    assert!(earliest >= due, "early");
    assert!(latest - due.max(now + MINUTE) <= MINUTE * 2, "later than stated");
    let shown = match route {
        Route::Queue { delay_seconds } => format!("queue {delay_seconds}"),
        Route::At(minute) => minute.format("at %Y-%m-%d %H:%M").to_string(),
    };
    assert_eq!(shown, expected);
}

#[test]
fn a_near_time_uses_the_queue() {
    check("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z", true, false, "queue 0");
    check("2027-01-01T00:00:00.4Z", "2027-01-01T00:00:01.3Z", true, false, "queue 0");
    check("2027-01-01T00:00:00Z", "2027-01-01T00:00:01.999Z", true, false, "queue 1");
    check("2027-01-01T00:00:00Z", "2027-01-01T00:15:00Z", true, false, "queue 900");
    check("2027-01-01T00:00:00Z", "2026-12-31T23:00:00Z", true, false, "queue 0");
}

#[test]
fn a_time_beyond_the_queue_gets_a_rule_for_the_minute_before() {
    check("2027-01-01T00:00:00Z", "2027-01-01T00:15:00.001Z", true, false, "at 2027-01-01 00:14");
    check("2027-01-01T00:00:30Z", "2027-01-01T00:15:59Z", true, false, "at 2027-01-01 00:14");
    check("2027-01-01T00:00:00Z", "2027-06-01T12:30:00Z", true, false, "at 2027-06-01 12:29");
    check("2027-01-01T00:00:00Z", "2027-06-01T12:30:59.999Z", true, false, "at 2027-06-01 12:29");
    check("2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z", true, false, "at 2027-12-31 23:59");
    check("2027-01-01T00:00:00Z", "2028-01-01T00:00:59Z", true, false, "at 2027-12-31 23:59");
    check("2027-01-01T00:00:00Z", "2028-03-01T00:00:10Z", true, false, "at 2028-02-29 23:59");
    check("2027-01-01T00:00:00Z", "2100-03-01T00:00:10Z", true, false, "at 2100-02-28 23:59");
}

#[test]
fn without_a_queue_a_request_fires_on_the_next_whole_minute() {
    check("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z", false, false, "at 2027-01-01 00:01");
    check("2027-01-01T00:00:01Z", "2027-01-01T00:00:02Z", false, false, "at 2027-01-01 00:02");
    check("2027-01-01T00:00:00Z", "2027-01-01T00:15:00Z", false, false, "at 2027-01-01 00:15");
    check("2027-01-01T00:00:00Z", "2027-01-01T00:15:00.001Z", false, false, "at 2027-01-01 00:16");
    check("2027-01-01T00:00:00Z", "2027-12-31T23:59:00.001Z", false, false, "at 2028-01-01 00:00");
    check("2027-12-31T23:58:30Z", "2027-12-31T23:58:31Z", false, false, "at 2028-01-01 00:00");
}

#[test]
fn a_direct_target_never_uses_the_queue() {
    check("2027-01-01T00:00:00Z", "2027-01-01T00:05:30Z", true, true, "at 2027-01-01 00:06");
    check("2027-01-01T00:00:00Z", "2027-06-01T12:30:00Z", true, true, "at 2027-06-01 12:30");
}

#[test]
fn the_longest_delay_of_a_message_is_fifteen_minutes() {
    let now = time("2027-01-01T00:00:00Z");
    assert_eq!(delay_seconds(now + TimeDelta::milliseconds(899_999), now), Some(899));
    assert_eq!(delay_seconds(now + MAX_DELAY, now), Some(900));
    assert_eq!(delay_seconds(now + MAX_DELAY + TimeDelta::milliseconds(1), now), None);
}
