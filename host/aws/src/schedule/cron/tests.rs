use super::*;

fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

#[test]
fn a_minute_is_written_and_read_back() {
    for (minute, expression) in [
        ("2027-01-01T00:00:00Z", "cron(0 0 1 1 ? 2027)"),
        ("2027-03-09T08:05:00Z", "cron(5 8 9 3 ? 2027)"),
        ("2028-02-29T12:30:00Z", "cron(30 12 29 2 ? 2028)"),
        ("2096-02-29T23:59:00Z", "cron(59 23 29 2 ? 2096)"),
        ("2027-04-30T23:59:00Z", "cron(59 23 30 4 ? 2027)"),
        ("2027-12-31T23:59:00Z", "cron(59 23 31 12 ? 2027)"),
        ("2100-03-01T00:00:00Z", "cron(0 0 1 3 ? 2100)"),
        ("1970-01-01T00:00:00Z", "cron(0 0 1 1 ? 1970)"),
        ("2199-12-31T23:59:00Z", "cron(59 23 31 12 ? 2199)"),
    ] {
        assert_eq!(cron(time(minute)).as_deref(), Ok(expression));
        assert_eq!(parse_cron(expression), Some(time(minute)));
    }
    assert_eq!(at(time("2028-02-29T09:05:00Z")).as_deref(), Ok("at(2028-02-29T09:05:00)"));
}

#[test]
fn only_whole_minutes_of_known_years_are_written() {
    for wrong in ["2027-01-01T00:00:01Z", "2027-01-01T00:00:00.001Z"] {
        assert_eq!(cron(time(wrong)), Err(ExpressionError::NotWhole(time(wrong))));
        assert_eq!(at(time(wrong)), Err(ExpressionError::NotWhole(time(wrong))));
    }
    for wrong in ["1969-12-31T23:59:00Z", "2200-01-01T00:00:00Z"] {
        assert_eq!(cron(time(wrong)), Err(ExpressionError::Year(time(wrong))));
    }
}

#[test]
fn an_expression_that_never_fires_or_fires_twice_is_not_parsed() {
    for wrong in [
        "cron(0 0 29 2 ? 2100)",
        "cron(0 0 29 2 ? 2027)",
        "cron(0 0 31 4 ? 2027)",
        "cron(60 0 1 1 ? 2027)",
        "cron(0 24 1 1 ? 2027)",
        "cron(0 0 1 13 ? 2027)",
        "cron(0 0 0 1 ? 2027)",
        "cron(61 99 99 99 ? 1800)",
        "cron(0 0 1 1 ? 2200)",
        "cron(0 0 1 1 ? *)",
        "cron(0 0 1 1 ?)",
        "cron(0 0 1 1 * 2027)",
        "cron(0/5 0 1 1 ? 2027)",
        "cron(+5 0 1 1 ? 2027)",
        "cron(05 0 1 1 ? 2027)",
        "cron(0  0 1 1 ? 2027)",
        "rate(5 minutes)",
        "",
    ] {
        assert_eq!(parse_cron(wrong), None, "{wrong}");
    }
    for wrong in ["at(2027-02-29T00:00:00)", "at(2027-1-1T00:00:00)", "at(2027-01-01T00:00:00Z)", "2027-01-01T00:00:00", ""] {
        assert_eq!(parse_at(wrong), None, "{wrong}");
    }
}
