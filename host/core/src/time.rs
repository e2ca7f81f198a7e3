//! Times of clients: parses them, checks them against a window, and formats them.
//!
//! Times are rounded up to the millisecond, so that a request never runs before the time that the client named.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeDelta, Timelike, Utc};

/// Earliest time: correlation ids count milliseconds from here.
const EARLIEST: DateTime<Utc> = DateTime::UNIX_EPOCH;
/// Latest time, 9999-12-31T23:59:59.999Z: RFC 3339 has years of four digits.
pub const LATEST: DateTime<Utc> = match DateTime::from_timestamp_millis(253_402_300_799_999) {
    Some(latest) => latest,
    None => DateTime::<Utc>::MAX_UTC,
};

/// The reason why a time is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    #[error(
        "the time is missing: give \"triggerAt\" (RFC 3339 with an offset, such as \"2027-03-01T09:00:00+01:00\") \
         or \"delay\" (ISO 8601, such as \"PT90S\")"
    )]
    Missing,
    #[error("\"triggerAt\" and \"delay\" are both given: give one of them")]
    Both,
    #[error("{0} must be text")]
    NotText(&'static str),
    #[error("{0:?} has no offset: add \"Z\" for UTC, or the offset of the place that is meant, such as \"+01:00\"")]
    NoOffset(String),
    #[error("{text:?} is not an RFC 3339 time such as \"2027-03-01T09:00:00+01:00\" ({reason})")]
    NotATime { text: String, reason: String },
    #[error("{0:?} is not from 1970-01-01T00:00:00Z to 9999-12-31T23:59:59.999Z")]
    OutOfRange(String),
    #[error("{text:?} is not an ISO 8601 duration such as \"PT90S\" or \"P7D\" ({reason})")]
    NotADuration { text: String, reason: &'static str },
    #[error("{at} is in the past: it is {now} now")]
    Past { at: String, now: String },
    #[error("{at} is too far ahead: this use case takes times up to {latest}")]
    TooFar { at: String, latest: String },
}

impl TimeError {
    /// Returns a stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "trigger-missing",
            Self::Both => "trigger-ambiguous",
            Self::NotText(_) | Self::NotATime { .. } | Self::NotADuration { .. } | Self::OutOfRange(_) => "trigger-malformed",
            Self::NoOffset(_) => "trigger-without-offset",
            Self::Past { .. } => "trigger-in-past",
            Self::TooFar { .. } => "trigger-too-far",
        }
    }
}

/// Returns the time of a client's `triggerAt` or `delay`. Fails if neither or both are given.
pub fn trigger_of(body: &serde_json::Map<String, serde_json::Value>, now: DateTime<Utc>) -> Result<DateTime<Utc>, TimeError> {
    match (body.get("triggerAt"), body.get("delay")) {
        (None, None) => Err(TimeError::Missing),
        (Some(_), Some(_)) => Err(TimeError::Both),
        (Some(at), None) => parse_time(at.as_str().ok_or(TimeError::NotText("\"triggerAt\""))?),
        (None, Some(delay)) => {
            let delay = delay.as_str().ok_or(TimeError::NotText("\"delay\""))?;
            let too_far = || TimeError::TooFar { at: format!("{delay} from now"), latest: rfc3339(LATEST) };
            after(now, parse_delay(delay)?).ok_or_else(too_far)
        }
    }
}

/// Checks that the time is neither in the past nor more than `max_ahead` from now.
pub fn check_window(at: DateTime<Utc>, now: DateTime<Utc>, max_ahead: Duration) -> Result<(), TimeError> {
    if at < now {
        return Err(TimeError::Past { at: rfc3339(at), now: rfc3339(now) });
    }
    let latest = TimeDelta::from_std(max_ahead).ok().and_then(|ahead| after(now, ahead)).unwrap_or(LATEST);
    if at > latest {
        return Err(TimeError::TooFar { at: rfc3339(at), latest: rfc3339(latest) });
    }
    Ok(())
}

/// Parses an RFC 3339 time with an explicit offset, from 1970 to 9999. Returns it in UTC, rounded up to the millisecond.
pub fn parse_time(text: &str) -> Result<DateTime<Utc>, TimeError> {
    let fault = |reason| TimeError::NotATime { text: text.to_owned(), reason };
    // chrono takes the sign U+2212 of ISO 8601, which RFC 3339 does not have.
    if let Some(other) = text.chars().find(|c| !c.is_ascii()) {
        return Err(fault(format!("it has {other:?} (U+{:04X}): write digits, \"-\", \":\", \"+\", \"T\" and \"Z\"", u32::from(other))));
    }
    let at = match DateTime::parse_from_rfc3339(text) {
        Ok(at) => at.to_utc(),
        Err(_) if has_no_offset(text) => return Err(TimeError::NoOffset(text.to_owned())),
        Err(error) => return Err(fault(error.to_string())),
    };
    // chrono takes the second 60 of every minute, as a subsecond part of more than one second.
    if at.nanosecond() >= SECOND_NANOS && (at.hour(), at.minute(), at.second()) != (23, 59, 59) {
        return Err(fault("a leap second is 23:59:60 in UTC".to_owned()));
    }
    let at = ceil_to_millis(at);
    if (EARLIEST..=LATEST).contains(&at) { Ok(at) } else { Err(TimeError::OutOfRange(text.to_owned())) }
}

/// Returns the time after a delay, rounded up to the millisecond; `None` beyond [`LATEST`].
pub fn after(now: DateTime<Utc>, delay: TimeDelta) -> Option<DateTime<Utc>> {
    now.checked_add_signed(delay).map(ceil_to_millis).filter(|at| *at <= LATEST)
}

fn has_no_offset(text: &str) -> bool {
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"].iter().any(|form| NaiveDateTime::parse_from_str(text, form).is_ok())
}

/// Parses an ISO 8601 duration of weeks, days, hours, minutes and seconds: `P7D`, `PT1H30M`, `PT0.25S`. Rounds up to the nanosecond.
/// Refuses years and months, since they have no fixed length.
pub fn parse_delay(text: &str) -> Result<TimeDelta, TimeError> {
    let fault = |reason| TimeError::NotADuration { text: text.to_owned(), reason };
    let rest = text.strip_prefix('P').ok_or_else(|| fault("it must begin with P"))?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return Err(fault("nothing follows the T")),
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return Err(fault("nothing follows the P"));
    }
    if date.contains(['Y', 'M']) {
        return Err(fault("years and months have no fixed length: give days, or a triggerAt"));
    }
    if date.contains(['.', ',']) && !time.is_empty() {
        return Err(fault(FRACTION));
    }
    let mut nanos: i128 = 0;
    for (part, units) in [(date, DATE_UNITS), (time, TIME_UNITS)] {
        nanos += sum_of(part, units).map_err(fault)?;
    }
    let seconds = i64::try_from(nanos / NANOS).ok().filter(|seconds| *seconds <= MAX_SECONDS).ok_or_else(|| fault("it is too long"))?;
    let subsecond = u32::try_from(nanos % NANOS).map_err(|_| fault("it is too long"))?;
    TimeDelta::new(seconds, subsecond).ok_or_else(|| fault("it is too long"))
}

const FRACTION: &str = "only the last number may have a fraction";
const SECOND_NANOS: u32 = 1_000_000_000;
const NANOS: i128 = SECOND_NANOS as i128;
/// Limit of a delay: 10,000 years, longer than any `max-ahead`.
const MAX_SECONDS: i64 = 10_000 * 366 * 24 * 3600;
/// Unit designators in their required order, with their seconds.
const DATE_UNITS: &[(char, i128)] = &[('W', 7 * 24 * 3600), ('D', 24 * 3600)];
const TIME_UNITS: &[(char, i128)] = &[('H', 3600), ('M', 60), ('S', 1)];

/// Returns the nanoseconds of one half of a duration: the date or the time.
fn sum_of(mut part: &str, mut units: &[(char, i128)]) -> Result<i128, &'static str> {
    let mut nanos = 0;
    while !part.is_empty() {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').ok_or("a number has no unit")?;
        let unit = part[end..].chars().next().ok_or("a number has no unit")?;
        let place =
            units.iter().position(|(name, _)| *name == unit).ok_or("a unit is unknown, given twice, or out of order (W D T H M S)")?;
        nanos += value_of(&part[..end], units[place].1)?;
        let has_fraction = part[..end].contains(['.', ',']);
        part = &part[end + unit.len_utf8()..];
        units = &units[place + 1..];
        if has_fraction && !part.is_empty() {
            return Err(FRACTION);
        }
    }
    Ok(nanos)
}

fn value_of(number: &str, seconds: i128) -> Result<i128, &'static str> {
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    let digits = |text: &str, most| !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole, 12) || !digits(fraction, 9) {
        return Err("a number is not one of up to 12 digits and 9 decimals");
    }
    let parse = |text: &str| text.parse::<i128>().map_err(|_| "a number cannot be read");
    let scale = 10_i128.pow(u32::try_from(fraction.len()).map_err(|_| "a number cannot be read")?);
    let exact = (parse(whole)? * scale + parse(fraction)?) * seconds * NANOS;
    Ok(exact.div_euclid(scale) + i128::from(exact % scale != 0))
}

/// Rounds a time up to the millisecond.
pub fn ceil_to_millis(at: DateTime<Utc>) -> DateTime<Utc> {
    // chrono stores a leap second as a subsecond part of more than one second. In milliseconds since 1970 it is the next second.
    let nanos = at.timestamp_subsec_nanos();
    let millis = at.timestamp().saturating_mul(1000).saturating_add(i64::from(nanos.div_ceil(1_000_000)));
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Formats a time as answers and histories have it: RFC 3339 in UTC with milliseconds.
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests;
