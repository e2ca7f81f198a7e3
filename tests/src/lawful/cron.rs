//! Parses the time expressions of rules and schedules.
//!
//! Sources: for `cron`, "Setting a schedule pattern for scheduled rules", the tables of fields and wildcards,
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>; for `at`, "Schedule types in EventBridge
//! Scheduler, One-time schedules", <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

/// Returns the minute of a rule's one-time expression, `cron(m h d M ? YYYY)`.
///
/// # Errors
/// If EventBridge would refuse the expression, or if it would fire more than once.
pub fn cron_time(expression: &str) -> Result<DateTime<Utc>, String> {
    let inside = expression.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')'));
    let inside = inside.ok_or_else(|| format!("`{expression}` is not of the form cron(m h d M ? YYYY)"))?;
    let fields: Vec<&str> = inside.split(' ').collect();
    // "A cron expression has six required fields, which are separated by white space."
    let [minute, hour, day, month, weekday, year] = fields[..] else {
        return Err(format!("`{expression}` has {} fields and not 6, with one space between them", fields.len()));
    };
    // "You can't specify the Day-of-month and Day-of-week fields in the same cron expression. If you specify a value or a `*` in one
    // of the fields, you must use a `?` in the other." A one-time rule names the day of the month.
    if weekday != "?" {
        return Err(format!("`{expression}`: the day of week must be `?`, because the day of month is given"));
    }
    // "Minutes 0-59, Hours 0-23, Day-of-month 1-31, Month 1-12 or JAN-DEC, Year 1970-2199." One number each means one time.
    let minute = number("minute", minute, 0..=59)?;
    let hour = number("hour", hour, 0..=23)?;
    let day = number("day", day, 1..=31)?;
    let month = number("month", month, 1..=12)?;
    let year = number("year", year, 1970..=2199)?;
    let date = NaiveDate::from_ymd_opt(year.cast_signed(), month, day);
    let date = date.ok_or_else(|| format!("`{expression}`: there is no {year}-{month:02}-{day:02}, so it would never fire"))?;
    let time = date.and_hms_opt(hour, minute, 0).ok_or_else(|| format!("`{expression}` is no time"))?;
    Ok(time.and_utc())
}

/// Returns the second of a schedule's expression, `at(yyyy-mm-ddThh:mm:ss)`.
///
/// # Errors
/// If EventBridge Scheduler would refuse the expression.
pub fn at_time(expression: &str) -> Result<DateTime<Utc>, String> {
    // "at(yyyy-mm-ddThh:mm:ss)": no offset and no fraction; ScheduleExpressionTimezone has the zone.
    let inside = expression.strip_prefix("at(").and_then(|rest| rest.strip_suffix(')'));
    let parsed = inside.filter(|text| text.len() == 19).and_then(|text| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").ok());
    parsed.map(|time| time.and_utc()).ok_or_else(|| format!("`{expression}` is not of the form at(yyyy-mm-ddThh:mm:ss)"))
}

fn number(what: &str, text: &str, allowed: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse().ok().filter(|value| digits && allowed.contains(value));
    value.ok_or_else(|| format!("the {what} `{text}` must be one number, {} to {}", allowed.start(), allowed.end()))
}
