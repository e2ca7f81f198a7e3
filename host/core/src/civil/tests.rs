use super::*;
use crate::time::{parse_time, rfc3339};

/// Returns the moments of a local time as text: `one`, `gap` or `fold`, and the moments in UTC.
fn moments(zone: &str, local: &str) -> String {
    let local = parse_time(&format!("{local}Z")).unwrap().naive_utc();
    let moments = Zone::find(zone).unwrap().moments(local).unwrap();
    let kind = match moments {
        Moments::One(_) => "one",
        Moments::Gap(_) => "gap",
        Moments::Fold(_) => "fold",
    };
    let times: Vec<String> = moments.all().iter().map(|at| rfc3339(*at).replace(":00.000Z", "")).collect();
    format!("{kind} {}", times.join(" "))
}

#[test]
fn a_local_time_has_one_moment_or_two_when_clocks_change() {
    for (zone, local, expected) in [
        ("Europe/Berlin", "2027-03-28T01:59:00", "one 2027-03-28T00:59"),
        ("Europe/Berlin", "2027-03-28T02:00:00", "gap 2027-03-28T00:00 2027-03-28T01:00"),
        ("Europe/Berlin", "2027-03-28T02:59:00", "gap 2027-03-28T00:59 2027-03-28T01:59"),
        ("Europe/Berlin", "2027-03-28T03:00:00", "one 2027-03-28T01:00"),
        ("Europe/Berlin", "2027-10-31T02:30:00", "fold 2027-10-31T00:30 2027-10-31T01:30"),
        ("Europe/Berlin", "2027-10-31T03:00:00", "one 2027-10-31T02:00"),
        // The rule goes on where the table of the database ends.
        ("America/New_York", "2099-07-01T09:00:00", "one 2099-07-01T13:00"),
        // Half an hour, and in winter to the west of summer.
        ("Australia/Lord_Howe", "2027-10-03T02:15:00", "gap 2027-10-02T15:15 2027-10-02T15:45"),
        ("Europe/Dublin", "2027-10-31T01:30:00", "fold 2027-10-31T00:30 2027-10-31T01:30"),
        ("Asia/Kathmandu", "2027-01-01T00:00:00", "one 2026-12-31T18:15"),
        ("UTC", "2027-01-01T00:00:00", "one 2027-01-01T00:00"),
    ] {
        assert_eq!(moments(zone, local), expected, "{local} in {zone}");
    }
}

#[test]
fn a_zone_is_found_in_any_case_and_no_file_or_offset_is_one() {
    assert_eq!(Zone::find("europe/berlin").unwrap().name(), "Europe/Berlin");
    for unknown in ["", "Europe", "Europe/Bonn", "Etc/Unknown", "+02:00", "../../etc/passwd", "/usr/share/zoneinfo/Europe/Berlin"] {
        assert_eq!(Zone::find(unknown), None, "{unknown}");
    }
}

#[test]
fn a_moment_is_formatted_with_offset_and_zone() {
    let format = |zone: &str, at: &str| Zone::find(zone).unwrap().format(parse_time(at).unwrap());
    assert_eq!(format("Europe/Berlin", "2027-03-28T01:30:00Z").as_deref(), Some("2027-03-28T03:30:00+02:00[Europe/Berlin]"));
    assert_eq!(format("Asia/Kathmandu", "2027-01-01T00:00:00.250Z").as_deref(), Some("2027-01-01T05:45:00.25+05:45[Asia/Kathmandu]"));
    assert_eq!(format("UTC", "9999-12-31T23:59:59Z"), None);
}
