//! Times as the services write them: a rule's `cron(m h d M ? YYYY)` and a schedule's `at(YYYY-MM-DDThh:mm:ss)`, in UTC.
//!
//! A rule knows no date but by its year: without one it would fire each year. Emulators take nearly anything, and AWS
//! takes what never fires, such as 30 February; so what is written here is read back before it is used.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc};

/// Years that a cron expression may name (EventBridge User Guide, "cron expressions").
const YEARS: std::ops::RangeInclusive<i32> = 1970..=2199;
const AT_FORM: &str = "%Y-%m-%dT%H:%M:%S";

/// Why a time cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeFault {
    #[error("{0} is not a whole minute, and a rule fires on whole minutes")]
    NotWhole(DateTime<Utc>),
    #[error("the year of {0} is not from {start} to {end}, which is all that EventBridge knows", start = YEARS.start(), end = YEARS.end())]
    Year(DateTime<Utc>),
    #[error("{expression} does not mean {meant}")]
    Unfaithful { expression: String, meant: DateTime<Utc> },
}

/// `cron(m h d M ? YYYY)` of a whole minute.
pub fn cron(minute: DateTime<Utc>) -> Result<String, TimeFault> {
    check(minute)?;
    let expression = format!("cron({} {} {} {} ? {})", minute.minute(), minute.hour(), minute.day(), minute.month(), minute.year());
    faithful(expression, parse_cron, minute)
}

/// `at(YYYY-MM-DDThh:mm:ss)` of a whole minute: EventBridge Scheduler, too, fires some time within its minute.
pub fn at(minute: DateTime<Utc>) -> Result<String, TimeFault> {
    check(minute)?;
    faithful(format!("at({})", minute.format(AT_FORM)), parse_at, minute)
}

fn check(minute: DateTime<Utc>) -> Result<(), TimeFault> {
    if minute.second() != 0 || minute.nanosecond() != 0 {
        return Err(TimeFault::NotWhole(minute));
    }
    if YEARS.contains(&minute.year()) { Ok(()) } else { Err(TimeFault::Year(minute)) }
}

fn faithful(expression: String, parse: fn(&str) -> Option<DateTime<Utc>>, meant: DateTime<Utc>) -> Result<String, TimeFault> {
    if parse(&expression) == Some(meant) { Ok(expression) } else { Err(TimeFault::Unfaithful { expression, meant }) }
}

/// The one minute at which a rule fires; none where it is not of the form that [`cron`] writes.
pub fn parse_cron(expression: &str) -> Option<DateTime<Utc>> {
    let fields: Vec<&str> = expression.strip_prefix("cron(")?.strip_suffix(')')?.split(' ').collect();
    let [minute, hour, day, month, "?", year] = fields[..] else { return None };
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| number.to_string() == text);
    let year = i32::try_from(number(year)?).ok().filter(|year| YEARS.contains(year))?;
    let date = NaiveDate::from_ymd_opt(year, number(month)?, number(day)?)?;
    Some(date.and_hms_opt(number(hour)?, number(minute)?, 0)?.and_utc())
}

/// The second that a schedule is for.
pub fn parse_at(expression: &str) -> Option<DateTime<Utc>> {
    let text = expression.strip_prefix("at(")?.strip_suffix(')')?;
    NaiveDateTime::parse_from_str(text, AT_FORM).ok().filter(|time| time.format(AT_FORM).to_string() == text).map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
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
    fn what_is_no_minute_of_a_known_year_is_refused() {
        for wrong in ["2027-01-01T00:00:01Z", "2027-01-01T00:00:00.001Z"] {
            assert_eq!(cron(time(wrong)), Err(TimeFault::NotWhole(time(wrong))));
            assert_eq!(at(time(wrong)), Err(TimeFault::NotWhole(time(wrong))));
        }
        for wrong in ["1969-12-31T23:59:00Z", "2200-01-01T00:00:00Z"] {
            assert_eq!(cron(time(wrong)), Err(TimeFault::Year(time(wrong))));
        }
    }

    #[test]
    fn what_never_fires_or_fires_twice_is_not_read() {
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
}
