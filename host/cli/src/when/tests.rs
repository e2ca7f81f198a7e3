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
fn a_time_needs_an_offset() {
    assert_eq!(at("2027-03-01T09:00:00+01:00").unwrap(), "2027-03-01T09:00:00+01:00");
    assert!(at("2027-03-01T09:00:00").unwrap_err().to_string().contains("no offset"));
}
