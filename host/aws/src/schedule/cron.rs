//! Times as the services write them, in UTC: a rule's `cron(m h d M ? YYYY)`, and a one-time schedule's
//! `at(YYYY-MM-DDThh:mm:ss)`.
//!
//! A rule needs the year; without a year, it would fire every year. Emulators accept nearly any expression, and AWS accepts dates
//! that never come, such as 30 February. Each expression is therefore parsed again before it is used.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc};
use postdate_core::ports::ScheduleError;

/// Range of years in a cron expression (EventBridge User Guide, "cron expressions").
const YEARS: std::ops::RangeInclusive<i32> = 1970..=2199;
const AT_FORM: &str = "%Y-%m-%dT%H:%M:%S";

/// No expression can be written for a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("{0} is not a whole minute, and a rule fires on whole minutes")]
    NotWhole(DateTime<Utc>),
    #[error("the year of {0} is not from {start} to {end}, the years that EventBridge supports", start = YEARS.start(), end = YEARS.end())]
    Year(DateTime<Utc>),
    #[error("{expression} does not mean {meant}")]
    Unfaithful { expression: String, meant: DateTime<Utc> },
}

/// Returns `cron(m h d M ? YYYY)` for a whole minute.
pub fn cron(minute: DateTime<Utc>) -> Result<String, ExpressionError> {
    check(minute)?;
    let expression = format!("cron({} {} {} {} ? {})", minute.minute(), minute.hour(), minute.day(), minute.month(), minute.year());
    faithful(expression, parse_cron, minute)
}

/// Returns `at(YYYY-MM-DDThh:mm:ss)` for a whole minute: EventBridge Scheduler, too, fires some time within its minute.
pub fn at(minute: DateTime<Utc>) -> Result<String, ExpressionError> {
    check(minute)?;
    faithful(format!("at({})", minute.format(AT_FORM)), parse_at, minute)
}

impl From<ExpressionError> for ScheduleError {
    fn from(error: ExpressionError) -> Self {
        Self::Failed(error.to_string())
    }
}

fn check(minute: DateTime<Utc>) -> Result<(), ExpressionError> {
    if minute.second() != 0 || minute.nanosecond() != 0 {
        return Err(ExpressionError::NotWhole(minute));
    }
    if YEARS.contains(&minute.year()) { Ok(()) } else { Err(ExpressionError::Year(minute)) }
}

fn faithful(expression: String, parse: fn(&str) -> Option<DateTime<Utc>>, meant: DateTime<Utc>) -> Result<String, ExpressionError> {
    if parse(&expression) == Some(meant) { Ok(expression) } else { Err(ExpressionError::Unfaithful { expression, meant }) }
}

/// Returns the one minute at which a rule fires; `None` for an expression that [`cron`] would not write.
pub fn parse_cron(expression: &str) -> Option<DateTime<Utc>> {
    let fields: Vec<&str> = expression.strip_prefix("cron(")?.strip_suffix(')')?.split(' ').collect();
    let [minute, hour, day, month, "?", year] = fields[..] else { return None };
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| number.to_string() == text);
    let year = i32::try_from(number(year)?).ok().filter(|year| YEARS.contains(year))?;
    let date = NaiveDate::from_ymd_opt(year, number(month)?, number(day)?)?;
    Some(date.and_hms_opt(number(hour)?, number(minute)?, 0)?.and_utc())
}

/// Returns the second at which a one-time schedule is due; `None` for an expression that [`at`] would not write.
pub fn parse_at(expression: &str) -> Option<DateTime<Utc>> {
    let text = expression.strip_prefix("at(")?.strip_suffix(')')?;
    NaiveDateTime::parse_from_str(text, AT_FORM).ok().filter(|time| time.format(AT_FORM).to_string() == text).map(|time| time.and_utc())
}

#[cfg(test)]
mod tests;
