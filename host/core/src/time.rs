//! Times of clients: parses them, checks them against a window, and formats them.
//!
//! Times are rounded up to the millisecond, so that a request never runs before the time that the client named.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeDelta, Timelike, Utc};
use serde::{Serialize, Serializer};

use crate::civil::{Moments, Zone};
use crate::problem::Code;

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
    #[error(
        "{0:?} has no offset: add \"Z\" for UTC, or the offset of the place that is meant, such as \"+01:00\", or its zone, such as \"[Europe/Berlin]\""
    )]
    NoOffset(String),
    #[error("{text:?} is not an RFC 3339 time such as \"2027-03-01T09:00:00+01:00\" ({reason})")]
    NotATime { text: String, reason: String },
    #[error("{0:?} is not from 1970-01-01T00:00:00Z to 9999-12-31T23:59:59.999Z")]
    OutOfRange(String),
    #[error("{text:?}: {zone:?} is not a time zone of the IANA database, such as \"Europe/Berlin\"")]
    UnknownZone { text: String, zone: String },
    #[error("{text:?}: the clocks of {zone} skip this time: give {0:?} or {1:?}", .candidates[0], .candidates[1])]
    InGap { text: String, zone: String, candidates: [String; 2] },
    #[error("{text:?}: the clocks of {zone} show this time twice: give {0:?} or {1:?}", .candidates[0], .candidates[1])]
    InFold { text: String, zone: String, candidates: [String; 2] },
    #[error("{text:?}: {zone} does not have this offset then: give {candidates}, or leave out the offset or the zone")]
    WrongOffset { text: String, zone: String, candidates: String },
    #[error("{text:?} is not an ISO 8601 duration such as \"PT90S\" or \"P7D\" ({reason})")]
    NotADuration { text: String, reason: &'static str },
    #[error("{at} is in the past: it is {now} now")]
    Past { at: String, now: String },
    #[error("{at} is too far ahead: this use case takes times up to {latest}")]
    TooFar { at: String, latest: String },
}

impl TimeError {
    /// Returns the two times that a time in a gap or a fold may mean.
    pub fn candidates(&self) -> Option<&[String; 2]> {
        match self {
            Self::InGap { candidates, .. } | Self::InFold { candidates, .. } => Some(candidates),
            _ => None,
        }
    }

    /// Returns a stable word for programs.
    pub fn code(&self) -> Code {
        match self {
            Self::Missing => Code::TriggerMissing,
            Self::Both => Code::TriggerAmbiguous,
            Self::NotText(_) | Self::NotATime { .. } | Self::NotADuration { .. } | Self::OutOfRange(_) => Code::TriggerMalformed,
            Self::NoOffset(_) => Code::TriggerWithoutOffset,
            Self::UnknownZone { .. } => Code::TriggerUnknownZone,
            Self::InGap { .. } => Code::TriggerInGap,
            Self::InFold { .. } => Code::TriggerInFold,
            Self::WrongOffset { .. } => Code::TriggerWrongOffset,
            Self::Past { .. } => Code::TriggerInPast,
            Self::TooFar { .. } => Code::TriggerTooFar,
        }
    }
}

/// The time of a client's `triggerAt` or `delay`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    pub at: DateTime<Utc>,
    /// The zone that the client named.
    pub zone: Option<Zone>,
}

impl From<DateTime<Utc>> for Trigger {
    fn from(at: DateTime<Utc>) -> Self {
        Self { at, zone: None }
    }
}

/// Returns the time of a client's `triggerAt` or `delay`. Fails if neither or both are given.
pub fn trigger_of(body: &serde_json::Map<String, serde_json::Value>, now: DateTime<Utc>) -> Result<Trigger, TimeError> {
    match (body.get("triggerAt"), body.get("delay")) {
        (None, None) => Err(TimeError::Missing),
        (Some(_), Some(_)) => Err(TimeError::Both),
        (Some(at), None) => parse_trigger(at.as_str().ok_or(TimeError::NotText("\"triggerAt\""))?),
        (None, Some(delay)) => {
            let delay = delay.as_str().ok_or(TimeError::NotText("\"delay\""))?;
            let too_far = || TimeError::TooFar { at: format!("{delay} from now"), latest: rfc3339(LATEST) };
            after(now, parse_delay(delay)?).map(Trigger::from).ok_or_else(too_far)
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

/// Parses a time with an explicit offset (RFC 3339), with a zone (RFC 9557), or with both.
fn parse_trigger(text: &str) -> Result<Trigger, TimeError> {
    match text.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        None => parse_time(text).map(Trigger::from),
        // The mark of RFC 9557 for a zone that must not be ignored. None is ignored here.
        Some((time, zone)) => parse_in_zone(text, time, zone.strip_prefix('!').unwrap_or(zone)),
    }
}

/// Parses a time in a zone. An offset selects one of two moments where clocks change, and else must be that of the zone. `Z` makes the
/// time one in UTC (RFC 9557, section 2.2). `text` is the whole, for messages.
fn parse_in_zone(text: &str, time: &str, zone: &str) -> Result<Trigger, TimeError> {
    let whole = || text.to_owned();
    let zone = Zone::find(zone).ok_or_else(|| TimeError::UnknownZone { text: whole(), zone: zone.to_owned() })?;
    let (asked, in_utc) = match parse_time(time) {
        Ok(at) if time.ends_with(['Z', 'z']) || time.ends_with("-00:00") => return Ok(Trigger { at, zone: Some(zone) }),
        Ok(at) => (Some(at), time.to_owned()),
        Err(TimeError::NoOffset(_)) => (None, format!("{time}Z")),
        Err(error) => return Err(error),
    };
    let local = DateTime::parse_from_rfc3339(&in_utc).map_err(|error| TimeError::NotATime { text: whole(), reason: error.to_string() })?;
    let moments = zone.moments(local.naive_local()).ok_or_else(|| TimeError::OutOfRange(whole()))?;
    let name = || zone.name().to_owned();
    let shown = |at: &DateTime<Utc>| zone.format(*at).unwrap_or_else(|| rfc3339(*at));
    let at = match (moments, asked) {
        (_, Some(asked)) if moments.all().iter().any(|at| ceil_to_millis(*at) == asked) => asked,
        (_, Some(_)) => {
            let candidates = moments.all().iter().map(|at| format!("{:?}", shown(at))).collect::<Vec<_>>().join(" or ");
            return Err(TimeError::WrongOffset { text: whole(), zone: name(), candidates });
        }
        (Moments::One(at), None) => rounded(at, text)?,
        (Moments::Gap(both), None) => {
            return Err(TimeError::InGap { text: whole(), zone: name(), candidates: both.each_ref().map(shown) });
        }
        (Moments::Fold(both), None) => {
            return Err(TimeError::InFold { text: whole(), zone: name(), candidates: both.each_ref().map(shown) });
        }
    };
    Ok(Trigger { at, zone: Some(zone) })
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
        Err(_) if local_time(text).is_some() => return Err(TimeError::NoOffset(text.to_owned())),
        Err(error) => return Err(fault(error.to_string())),
    };
    rounded(at, text)
}

/// Returns the time rounded up to the millisecond. Fails for a leap second that is none, and outside of 1970 to 9999.
fn rounded(at: DateTime<Utc>, text: &str) -> Result<DateTime<Utc>, TimeError> {
    // chrono takes the second 60 of every minute, as a subsecond part of more than one second.
    if at.nanosecond() >= SECOND_NANOS && (at.hour(), at.minute(), at.second()) != (23, 59, 59) {
        return Err(TimeError::NotATime { text: text.to_owned(), reason: "a leap second is 23:59:60 in UTC".to_owned() });
    }
    let at = ceil_to_millis(at);
    if (EARLIEST..=LATEST).contains(&at) { Ok(at) } else { Err(TimeError::OutOfRange(text.to_owned())) }
}

/// Returns the time after a delay, rounded up to the millisecond; `None` beyond [`LATEST`].
pub fn after(now: DateTime<Utc>, delay: TimeDelta) -> Option<DateTime<Utc>> {
    now.checked_add_signed(delay).map(ceil_to_millis).filter(|at| *at <= LATEST)
}

/// Returns the date and time of day of a text without an offset. The text may lack seconds, and have a space in place of the `T`.
pub fn local_time(text: &str) -> Option<NaiveDateTime> {
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
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

/// A time in an answer: written as [`rfc3339`] has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rfc3339(pub DateTime<Utc>);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339(self.0))
    }
}

#[cfg(test)]
mod tests;
