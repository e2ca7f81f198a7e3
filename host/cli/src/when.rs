//! Parses times and durations of the command line, before a request is sent.

use std::time::Duration;

use anyhow::bail;
use chrono::{TimeDelta, Utc};
use postdate_core::time::{TimeError, ceil_to_millis, local_time, parse_delay, parse_time, rfc3339};

/// Checks an RFC 3339 time with an offset, and returns it unchanged. Converts `now`, and a time relative to now such as `+1h` or `-1d`.
pub fn instant(text: &str) -> Result<String, String> {
    let now = Utc::now();
    let (amount, back) = match (text, text.strip_prefix('+'), text.strip_prefix('-')) {
        ("now", ..) => return Ok(rfc3339(ceil_to_millis(now))),
        (_, Some(amount), _) => (amount, false),
        (_, _, Some(amount)) => (amount, true),
        _ => return parse_time(text).map(|_| text.to_owned()).map_err(|error| format!("{error}; now, +1h and -1d are times, too")),
    };
    let amount = TimeDelta::from_std(duration(amount)?).ok();
    let at = amount.and_then(|amount| if back { now.checked_sub_signed(amount) } else { now.checked_add_signed(amount) });
    // The API takes the years from 1970 to 9999.
    let at = at.map(|at| rfc3339(ceil_to_millis(at))).filter(|at| parse_time(at).is_ok());
    at.ok_or_else(|| format!("{text} is before the year 1970 or after the year 9999"))
}

/// The time of `--at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// RFC 3339 with an offset.
    Instant(String),
    /// RFC 9557. The server checks it, since it has the zones.
    Zoned(String),
    /// Date and time of day in the form of RFC 3339, for the zone of `--zone`.
    Local(String),
}

/// Parses a time, with or without an offset or a zone.
pub fn at(text: &str) -> Result<At, TimeError> {
    if text.ends_with(']') {
        return Ok(At::Zoned(text.to_owned()));
    }
    match (parse_time(text), local_time(text)) {
        (Err(TimeError::NoOffset(_)), Some(local)) => Ok(At::Local(local.format("%Y-%m-%dT%H:%M:%S%.f").to_string())),
        (parsed, _) => parsed.map(|_| At::Instant(text.to_owned())),
    }
}

/// Returns the `triggerAt` of a time and a zone. Fails if there is none, or are two.
pub fn trigger_at(at: &At, zone: Option<&str>) -> anyhow::Result<String> {
    match (at, zone) {
        (At::Instant(text) | At::Zoned(text), None) => Ok(text.clone()),
        (At::Instant(text) | At::Local(text), Some(zone)) => Ok(format!("{text}[{zone}]")),
        (At::Zoned(text), Some(_)) => bail!("{text:?} has a zone already: leave out --zone"),
        (At::Local(text), None) => {
            bail!("{text:?} has no offset: add \"Z\" for UTC, or an offset such as \"+01:00\", or name the zone: --zone Europe/Berlin")
        }
    }
}

/// Converts a delay such as `90s` or `1h30m` to ISO 8601; a delay in ISO 8601 stays unchanged.
pub fn delay(text: &str) -> Result<String, String> {
    if text.starts_with('P') {
        return parse_delay(text).map(|_| text.to_owned()).map_err(|error| error.to_string());
    }
    duration(text).map(iso8601)
}

/// Parses a duration such as `90s`, `500ms` or `1h 30m`. Refuses months and years.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units = || text.split(|c: char| !c.is_alphabetic()).filter(|unit| !unit.is_empty());
    // humantime takes averages for them: "1month" would be 30.44 days.
    if units().any(|unit| unit.starts_with("mo") || unit == "M" || unit.starts_with('y')) {
        return Err("months and years have no fixed length: give days, or a time with --at".to_owned());
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 90s, 1h30m or PT90S"))
}

fn iso8601(duration: Duration) -> String {
    let fraction = format!("{:09}", duration.subsec_nanos());
    match fraction.trim_end_matches('0') {
        "" => format!("PT{}S", duration.as_secs()),
        fraction => format!("PT{}.{fraction}S", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests;
