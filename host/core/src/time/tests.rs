use super::*;

fn now() -> DateTime<Utc> {
    parse_time("2027-01-01T00:00:00Z").unwrap()
}

const YEAR: Duration = Duration::from_hours(365 * 24);

/// Checks the answer to a body: the time in UTC, or the error's code.
#[track_caller]
fn check(body: serde_json::Value, expected: &str) {
    let serde_json::Value::Object(body) = body else { panic!("not an object") };
    let answer = trigger_of(&body, now()).and_then(|Trigger { at, .. }| check_window(at, now(), YEAR).map(|()| rfc3339(at)));
    assert_eq!(answer.unwrap_or_else(|error| error.code().to_string()), expected, "{body:?}");
}

#[track_caller]
fn check_at(trigger_at: &str, expected: &str) {
    check(serde_json::json!({ "triggerAt": trigger_at }), expected);
}

#[track_caller]
fn check_delay(delay: &str, expected: &str) {
    check(serde_json::json!({ "delay": delay }), expected);
}

#[test]
fn times_are_stored_in_utc() {
    check_at("2027-03-01T09:00:00Z", "2027-03-01T09:00:00.000Z");
    check_at("2027-03-01T09:00:00+01:00", "2027-03-01T08:00:00.000Z");
    check_at("2027-03-01T00:30:00+05:45", "2027-02-28T18:45:00.000Z");
    check_at("2027-03-01T09:00:00-00:00", "2027-03-01T09:00:00.000Z");
    check_at("2027-03-01t09:00:00z", "2027-03-01T09:00:00.000Z");
}

#[test]
fn an_offset_is_required() {
    check_at("2027-03-01T09:00:00", "trigger-without-offset");
    check_at("2027-03-01T09:00:00.5", "trigger-without-offset");
    check_at("2027-03-01 09:00:00", "trigger-without-offset");
    check_at("2027-03-01T09:00", "trigger-without-offset");
    check_at("2027-03-01 09:00", "trigger-without-offset");
}

#[test]
fn offset_selects_the_hour_when_clocks_change() {
    // Europe/Berlin has 02:30 twice on 2027-10-31 and never on 2027-03-28. With an offset, each is a valid time.
    check_at("2027-10-31T02:30:00+02:00", "2027-10-31T00:30:00.000Z");
    check_at("2027-10-31T02:30:00+01:00", "2027-10-31T01:30:00.000Z");
    check_at("2027-03-28T02:30:00+01:00", "2027-03-28T01:30:00.000Z");
}

#[test]
fn a_time_in_a_zone_is_the_moment_of_its_clocks() {
    check_at("2027-03-28T09:00:00[Europe/Berlin]", "2027-03-28T07:00:00.000Z");
    check_at("2027-03-27T09:00:00[Europe/Berlin]", "2027-03-27T08:00:00.000Z");
    check_at("2027-03-27 09:00:00[!europe/berlin]", "2027-03-27T08:00:00.000Z");
    check_at("2027-03-27T09:00:00.0001[Europe/Berlin]", "2027-03-27T08:00:00.001Z");
    check_at("2027-07-01T01:59:60[Europe/Berlin]", "2027-07-01T00:00:00.000Z");
    check_at("2027-07-01T23:59:60[Europe/Berlin]", "trigger-malformed");
    check_at("2026-12-31T23:00:00[Europe/Berlin]", "trigger-in-past");
    check_at("2028-02-01T00:00:00[Europe/Berlin]", "trigger-too-far");
    check_at("9999-12-31T23:59:59[America/New_York]", "trigger-malformed");
}

#[test]
fn an_offset_beside_a_zone_must_be_that_of_the_zone_and_z_is_utc() {
    check_at("2027-03-28T09:00:00+02:00[Europe/Berlin]", "2027-03-28T07:00:00.000Z");
    check_at("2027-03-28T09:00:00+01:00[Europe/Berlin]", "trigger-wrong-offset");
    check_at("2027-03-28T09:00:00+00:00[Europe/Berlin]", "trigger-wrong-offset");
    for utc in ["Z", "z", "-00:00"] {
        check_at(&format!("2027-03-28T09:00:00{utc}[Europe/Berlin]"), "2027-03-28T09:00:00.000Z");
    }
    let error = parse_trigger("2027-03-28T09:00:00+01:00[Europe/Berlin]").unwrap_err();
    assert!(error.to_string().contains("give \"2027-03-28T09:00:00+02:00[Europe/Berlin]\", or leave out"), "{error}");
}

/// Checks a time that the zone's clocks skip or show twice: its code and candidates, the times that an offset selects, and the refusal of
/// another offset.
#[track_caller]
fn check_change(local: &str, code: &str, candidates: [&str; 2], moments: [(&str, &str); 2]) {
    let error = parse_trigger(&format!("{local}[Europe/Berlin]")).unwrap_err();
    assert_eq!((error.code().as_str(), error.candidates().unwrap().each_ref().map(String::as_str)), (code, candidates));
    for candidate in candidates {
        assert!(error.to_string().contains(candidate) && parse_trigger(candidate).is_ok(), "{error}");
    }
    for (offset, moment) in moments {
        check_at(&format!("{local}{offset}[Europe/Berlin]"), moment);
    }
    check_at(&format!("{local}+03:00[Europe/Berlin]"), "trigger-wrong-offset");
}

#[test]
fn a_time_that_clocks_skip_or_show_twice_needs_an_offset() {
    let skipped = ["2027-03-28T01:30:00+01:00[Europe/Berlin]", "2027-03-28T03:30:00+02:00[Europe/Berlin]"];
    let moments = [("+02:00", "2027-03-28T00:30:00.000Z"), ("+01:00", "2027-03-28T01:30:00.000Z")];
    check_change("2027-03-28T02:30:00", "trigger-in-gap", skipped, moments);
    let twice = ["2027-10-31T02:30:00+02:00[Europe/Berlin]", "2027-10-31T02:30:00+01:00[Europe/Berlin]"];
    let moments = [("+02:00", "2027-10-31T00:30:00.000Z"), ("+01:00", "2027-10-31T01:30:00.000Z")];
    check_change("2027-10-31T02:30:00", "trigger-in-fold", twice, moments);
}

#[test]
fn malformed_times_in_a_zone_are_refused() {
    for unknown in ["Europe/Bonn", "", "+02:00", "u-ca=gregory", "Europe/Berlin][u-ca=gregory"] {
        check_at(&format!("2027-03-28T09:00:00[{unknown}]"), "trigger-unknown-zone");
    }
    for garbage in ["", "tomorrow", "2027-03-28", "2027-03-28T09:00", "2027-02-29T09:00:00", "2027-03-28T24:00:00", "２027-03-28T09:00:00"]
    {
        check_at(&format!("{garbage}[Europe/Berlin]"), "trigger-malformed");
    }
    check_at("2027-03-28T09:00:00Z[Europe/Berlin", "trigger-malformed");
    check_at("2027-03-28T09:00:00Z]", "trigger-malformed");
}

#[test]
fn the_past_and_the_far_future_are_refused() {
    check_at("2026-12-31T23:59:59.999Z", "trigger-in-past");
    check_at("2027-01-01T00:00:00Z", "2027-01-01T00:00:00.000Z");
    check_at("2028-01-01T00:00:00Z", "2028-01-01T00:00:00.000Z");
    check_at("2028-01-01T00:00:00.001Z", "trigger-too-far");
    check_at("9999-12-31T23:59:59Z", "trigger-too-far");
}

#[test]
fn dates_follow_the_calendar() {
    check_at("2027-02-29T00:00:00Z", "trigger-malformed");
    check_at("2028-02-29T00:00:00Z", "trigger-too-far");
    check_at("2027-04-31T00:00:00Z", "trigger-malformed");
    check_at("2027-13-01T00:00:00Z", "trigger-malformed");
    check_at("2027-06-01T24:00:00Z", "trigger-malformed");
    let leap_year = parse_time("2028-01-15T00:00:00Z").unwrap();
    assert!(check_window(parse_time("2028-02-29T12:00:00Z").unwrap(), leap_year, YEAR).is_ok());
}

#[test]
fn only_the_last_second_of_a_day_in_utc_can_be_a_leap_second() {
    for (leap, next) in [
        ("2027-06-30T23:59:60Z", "2027-07-01T00:00:00.000Z"),
        ("2027-07-01T01:59:60+02:00", "2027-07-01T00:00:00.000Z"),
        ("2027-06-30T18:29:60.5-05:30", "2027-07-01T00:00:00.500Z"),
    ] {
        check_at(leap, next);
    }
    for no_leap in ["2027-06-30T10:00:60Z", "2027-06-30T23:58:60Z", "2027-06-30T23:59:60+02:00", "2027-06-30T00:00:60Z"] {
        check_at(no_leap, "trigger-malformed");
        assert!(parse_time(no_leap).unwrap_err().to_string().contains("a leap second is 23:59:60 in UTC"));
    }
    check_at("2027-06-30T23:59:61Z", "trigger-malformed");
}

#[test]
fn times_are_from_1970_to_9999_in_utc() {
    for good in ["1970-01-01T00:00:00Z", "1970-01-01T01:00:00+01:00", "9999-12-31T23:59:59.999Z"] {
        assert!(parse_time(good).is_ok(), "{good}");
    }
    for bad in [
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59.9991Z",
        "9999-12-31T23:59:60Z",
        "9999-12-31T23:59:59-00:01",
    ] {
        assert_eq!(parse_time(bad), Err(TimeError::OutOfRange(bad.to_owned())));
    }
    for malformed in ["10000-01-01T00:00:00Z", "+10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z"] {
        check_at(malformed, "trigger-malformed");
    }
    // The test clock of a server may stand near the end.
    let late = parse_time("9999-12-31T00:00:00Z").unwrap();
    assert_eq!(check_window(LATEST, late, YEAR), Ok(()));
    assert_eq!(after(late, TimeDelta::days(1)), None);
    assert_eq!(after(late, TimeDelta::MAX), None);
    let body = serde_json::json!({ "delay": "P10000D" });
    assert_eq!(trigger_of(body.as_object().unwrap(), late).unwrap_err().code().as_str(), "trigger-too-far");
}

#[test]
fn characters_outside_ascii_are_refused_by_name() {
    check_at("2027-03-01T09:00:00\u{2212}01:00", "trigger-malformed");
    let error = parse_time("2027-03-01T09:00:00\u{2212}01:00").unwrap_err().to_string();
    assert!(error.contains("U+2212"), "{error}");
    check_at("２027-03-01T09:00:00Z", "trigger-malformed");
}

#[test]
fn fractions_are_rounded_up_never_down() {
    check_at("2027-03-01T09:00:00.000000001Z", "2027-03-01T09:00:00.001Z");
    check_at("2027-03-01T09:00:00.123Z", "2027-03-01T09:00:00.123Z");
    check_at("2027-03-01T09:00:00.999999999Z", "2027-03-01T09:00:01.000Z");
}

#[test]
fn malformed_times_are_refused() {
    for garbage in
        ["", "tomorrow", "1798761600", "2027-03-01", "09:00:00Z", "2027-3-1T9:0:0Z", "2027-03-01T09:00:00+1", "2027-03-01T09:00:00Z "]
    {
        check_at(garbage, "trigger-malformed");
    }
    check(serde_json::json!({ "triggerAt": 1_798_761_600 }), "trigger-malformed");
    check(serde_json::json!({ "triggerAt": null }), "trigger-malformed");
    check(serde_json::json!({ "delay": 90 }), "trigger-malformed");
    check(serde_json::json!({}), "trigger-missing");
    check(serde_json::json!({ "triggerAt": "2027-03-01T09:00:00Z", "delay": "PT1S" }), "trigger-ambiguous");
}

#[test]
fn delays_count_from_now() {
    check_delay("PT90S", "2027-01-01T00:01:30.000Z");
    check_delay("P7D", "2027-01-08T00:00:00.000Z");
    check_delay("P1W", "2027-01-08T00:00:00.000Z");
    check_delay("P1DT2H3M4S", "2027-01-02T02:03:04.000Z");
    check_delay("PT0.25S", "2027-01-01T00:00:00.250Z");
    check_delay("PT0,5H", "2027-01-01T00:30:00.000Z");
    check_delay("PT0.0001S", "2027-01-01T00:00:00.001Z");
    check_delay("PT0S", "2027-01-01T00:00:00.000Z");
    check_delay("P365D", "2028-01-01T00:00:00.000Z");
    check_delay("P366D", "trigger-too-far");
    for wrong in [
        "",
        "P",
        "PT",
        "90S",
        "PT90",
        "P1Y",
        "P1M",
        "-PT1S",
        "PT-1S",
        "PT1S1H",
        "PT1H1H",
        "P1H",
        "PT1D",
        "PT1.5H3M",
        "P1.5DT1H",
        "pt1s",
        "PT1é",
        "PT999999999999999H",
        "PT1.S",
        "P999999999999W",
    ] {
        check_delay(wrong, "trigger-malformed");
    }
}
