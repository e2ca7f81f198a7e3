use super::*;

#[test]
fn a_delay_is_converted_to_iso_8601() {
    for (typed, sent) in [("90s", "PT90S"), ("1h30m", "PT5400S"), ("250ms", "PT0.25S"), ("PT90S", "PT90S"), ("P7D", "P7D")] {
        assert_eq!(delay(typed).as_deref(), Ok(sent), "{typed}");
        assert!(parse_delay(sent).is_ok(), "{sent}");
    }
}

#[test]
fn an_invalid_delay_is_refused_with_a_hint() {
    for (typed, said) in
        [("1month", "no fixed length"), ("2y", "no fixed length"), ("P1M", "no fixed length"), ("soon", "90s"), ("90", "90s")]
    {
        let error = delay(typed).unwrap_err();
        assert!(error.contains(said), "{typed}: {error}");
    }
}

#[test]
fn a_time_needs_an_offset_or_a_zone() {
    let check = |text: &str, zone: Option<&str>, expected: Result<&str, &str>| {
        let said = at(text).map_err(anyhow::Error::from).and_then(|at| trigger_at(&at, zone)).map_err(|error| error.to_string());
        match expected {
            Ok(sent) => assert_eq!(said.as_deref(), Ok(sent)),
            Err(reason) => assert!(said.as_ref().is_err_and(|error| error.contains(reason)), "{text}: {said:?}"),
        }
    };
    let berlin = Some("Europe/Berlin");
    check("2027-03-01T09:00:00+01:00", None, Ok("2027-03-01T09:00:00+01:00"));
    check("2027-03-01T09:00:00[Europe/Berlin]", None, Ok("2027-03-01T09:00:00[Europe/Berlin]"));
    check("2027-03-01 09:00", berlin, Ok("2027-03-01T09:00:00[Europe/Berlin]"));
    check("2027-03-01T09:00:00.25", berlin, Ok("2027-03-01T09:00:00.250[Europe/Berlin]"));
    check("2027-03-01T09:00:00+01:00", berlin, Ok("2027-03-01T09:00:00+01:00[Europe/Berlin]"));
    check("2027-03-01T09:00:00", None, Err("--zone"));
    check("2027-03-01T09:00:00[Europe/Berlin]", berlin, Err("a zone already"));
    check("tomorrow", berlin, Err("not an RFC 3339 time"));
    assert!(instant("2027-03-01T09:00:00").unwrap_err().contains("no offset"));
}

#[test]
fn an_instant_may_be_relative_to_now() {
    let from_now = |text: &str| parse_time(&instant(text).unwrap()).unwrap() - Utc::now();
    for (text, seconds) in [("now", 0), ("+1h", 3_600), ("-1d", -86_400), ("-1h 30m", -5_400)] {
        let off = from_now(text) - TimeDelta::seconds(seconds);
        assert!(off.abs() < TimeDelta::minutes(1), "{text}: {off}");
    }
    assert_eq!(instant("2027-03-01T09:00:00+01:00").as_deref(), Ok("2027-03-01T09:00:00+01:00"));
    for (text, said) in
        [("-1month", "no fixed length"), ("+soon", "90s"), ("1h", "+1h"), ("+9999999d", "year 9999"), ("-100000d", "year 1970")]
    {
        let error = instant(text).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}
