use super::*;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    serve: Serve,
}

fn options(arguments: &[&str]) -> Result<ServeOptions, String> {
    let line = ["serve"].iter().chain(arguments);
    Line::try_parse_from(line).map(|line| line.serve.into_options()).map_err(|error| error.to_string())
}

#[test]
fn defaults_are_safe() {
    let options = options(&[]).unwrap();
    assert!(options.listen.ip().is_loopback() && !options.allow_public);
    assert_eq!((options.concurrency, options.grace, options.test_clock), (64, Duration::from_secs(10), None));
}

#[test]
fn a_test_clock_resumes_or_starts_at_a_time() {
    assert_eq!(options(&["--test-clock"]).unwrap().test_clock, Some(TestClockStart::Resume));
    let at = parse_time("2027-01-01T00:00:00Z").unwrap();
    assert_eq!(options(&["--test-clock", "2027-01-01T00:00:00Z", "--grace", "1s"]).unwrap().test_clock, Some(TestClockStart::At(at)));
    assert!(options(&["--test-clock", "2027-01-01T00:00:00"]).unwrap_err().contains("no offset"));
}

#[test]
fn a_retention_is_a_duration_from_an_hour_to_ten_years_or_forever() {
    let retention = |text| options(&["--retention", text]).map(|options| options.retention);
    assert_eq!(options(&[]).unwrap().retention, None);
    assert_eq!(retention("7d").unwrap(), Some(Retention::For(Duration::from_hours(7 * 24))));
    assert_eq!(retention("forever").unwrap(), Some(Retention::Forever));
    for wrong in ["0s", "59m", "3651d", "30", "1month", "never"] {
        let error = retention(wrong).unwrap_err();
        assert!(error.contains("--retention"), "{error}");
    }
}

#[test]
fn an_empty_key_is_no_key() {
    assert_eq!(options(&["--api-key", " "]).unwrap().api_key, None);
    assert!(options(&["--concurrency", "0"]).is_err());
}
