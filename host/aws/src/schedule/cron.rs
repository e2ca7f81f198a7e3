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
mod tests;
