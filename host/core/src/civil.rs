//! Time zones: the moments that a date and a time of day stand for. The IANA database is part of the program, so the result does not
//! depend on files of the system.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, Timelike, Utc};
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// The moments of a local time. Of two, the earlier one is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moments {
    One(DateTime<Utc>),
    /// The clocks skip the local time: the moments by the offset after the change, and by the one before it.
    Gap([DateTime<Utc>; 2]),
    /// The clocks show the local time twice.
    Fold([DateTime<Utc>; 2]),
}

impl Zone {
    /// Returns the zone of a name such as `Europe/Berlin`, whatever its case; `None` if the database has no such zone.
    pub fn find(name: &str) -> Option<Self> {
        // Not a zone of the database, and without a name: jiff has a value for an unknown zone.
        DATABASE.get(name).ok().filter(|zone| zone.iana_name().is_some()).map(Self)
    }

    /// Returns the name as the database has it.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or_default()
    }

    /// Returns the moments of a local time; `None` near the bounds of the calendar.
    pub fn moments(&self, local: NaiveDateTime) -> Option<Moments> {
        let moment = |offset: Offset| Some(local.checked_sub_offset(FixedOffset::east_opt(offset.seconds())?)?.and_utc());
        let both = |one, other| {
            let mut both = [moment(one)?, moment(other)?];
            both.sort_unstable();
            Some(both)
        };
        match self.0.to_ambiguous_timestamp(datetime(local)?).offset() {
            AmbiguousOffset::Unambiguous { offset } => moment(offset).map(Moments::One),
            AmbiguousOffset::Gap { before, after } => both(before, after).map(Moments::Gap),
            AmbiguousOffset::Fold { before, after } => both(before, after).map(Moments::Fold),
        }
    }

    /// Formats a moment after RFC 9557, such as `2027-03-28T09:00:00+02:00[Europe/Berlin]`; `None` near the bounds of the calendar.
    pub fn format(&self, at: DateTime<Utc>) -> Option<String> {
        let timestamp = Timestamp::from_millisecond(at.timestamp_millis()).ok()?;
        Some(timestamp.to_zoned_datetime(self.0.clone()).to_string())
    }
}

impl Moments {
    /// Returns each moment.
    pub fn all(&self) -> &[DateTime<Utc>] {
        match self {
            Self::One(moment) => std::slice::from_ref(moment),
            Self::Gap(both) | Self::Fold(both) => both,
        }
    }
}

/// Returns the local time without its part of a second, which no offset depends on.
fn datetime(local: NaiveDateTime) -> Option<civil::DateTime> {
    let field = |value: u32| i8::try_from(value).ok();
    let year = i16::try_from(local.year()).ok()?;
    let (month, day) = (field(local.month())?, field(local.day())?);
    civil::DateTime::new(year, month, day, field(local.hour())?, field(local.minute())?, field(local.second())?, 0).ok()
}

#[cfg(test)]
mod tests;
