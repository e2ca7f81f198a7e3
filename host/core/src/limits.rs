//! Limits of a target: how many of its attempts may run at once, and how many may begin in a window of time. Pure decisions: a host keeps
//! the [`TargetUsage`] of a target, or counts in its table.

pub mod places;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

/// Beginnings of what a request over a limit waits for, for metrics.
pub const PLACE: &str = "a place at target ";
pub const TURN: &str = "its turn at target ";

/// The limits of one target. The manifest of the version that serves gives them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Limit of attempts that run at once, from 1 to [`MAX_CONCURRENCY`].
    pub concurrency: Option<u32>,
    pub rate: Option<Rate>,
}

/// Largest `concurrency`. On AWS, one item of the table has an entry for each running attempt.
pub const MAX_CONCURRENCY: u32 = 1_000;
/// Largest number in a rate.
pub const MAX_RATE: u32 = 100_000;

impl Limits {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A limit of attempts that begin in one second, minute or hour of the clock, written as `50/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// From 1 to [`MAX_RATE`].
    pub count: u32,
    pub per: Per,
}

/// The length of a rate's window. A window begins with a second, minute or hour of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    Second,
    Minute,
    Hour,
}

impl Per {
    const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
        }
    }

    fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.as_str())
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault =
            || format!("{text:?} is not a rate: write 1 to {MAX_RATE} a second, minute or hour as \"50/s\", \"100/m\" or \"1000/h\"");
        let (count, per) = text.split_once('/').ok_or_else(fault)?;
        // `parse` alone would take a sign.
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse().ok().filter(|count| digits && (1..=MAX_RATE).contains(count)).ok_or_else(fault)?;
        let per = Per::ALL.into_iter().find(|known| known.as_str() == per).ok_or_else(fault)?;
        Ok(Self { count, per })
    }
}

/// The attempts of a target are numbered: slot `n` is one of the `count` of window `n / count`, from the first window of Unix time. The
/// next free slot is therefore all that a host has to remember.
pub type RateSlot = i64;

impl Rate {
    /// Returns the first slot of the window that `at` is in.
    pub fn first_slot(self, at: DateTime<Utc>) -> RateSlot {
        at.timestamp().div_euclid(self.per.seconds()) * i64::from(self.count)
    }

    /// Returns the first slot that begins at `at` or later.
    pub fn slot_from(self, at: DateTime<Utc>) -> RateSlot {
        let slot = self.first_slot(at);
        if self.begin(slot) < at { slot + i64::from(self.count) } else { slot }
    }

    /// Returns the beginning of the slot's window.
    pub fn begin(self, slot: RateSlot) -> DateTime<Utc> {
        let window = slot.div_euclid(i64::from(self.count));
        DateTime::from_timestamp(window.saturating_mul(self.per.seconds()), 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Returns the slot of an attempt that wants to begin at `at`, if `free` is the next free slot. The attempt may begin at the slot's
    /// [`begin`](Self::begin), and the slot behind it is the next free one.
    pub fn reserve(self, free: RateSlot, at: DateTime<Utc>) -> RateSlot {
        free.max(self.first_slot(at))
    }

    /// Returns the length of a window.
    pub fn window(self) -> TimeDelta {
        TimeDelta::seconds(self.per.seconds())
    }
}

/// The use of a target's limits by one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TargetUsage {
    /// Attempts that run.
    pub running: u32,
    /// The next free slot of `rate`.
    pub free: RateSlot,
    /// The rate that `free` belongs to.
    pub rate: Option<Rate>,
}

/// The reason why an attempt may not begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// All places are taken. One is free after the end of an attempt.
    Concurrency(u32),
    /// The rate's window is used up; another begins at `until`.
    Rate { rate: Rate, until: DateTime<Utc> },
}

impl Over {
    /// Returns what a request waits for, as clients see it.
    pub fn waits_for(self, target: &str) -> String {
        match self {
            Self::Concurrency(places) => format!("{PLACE}{target} ({places} of {places})"),
            Self::Rate { rate, .. } => format!("{TURN}{target} ({rate})"),
        }
    }
}

impl TargetUsage {
    /// Returns the reason why no further attempt may begin at `now`; `None` if one may.
    pub fn over(&self, limits: Limits, now: DateTime<Utc>) -> Option<Over> {
        if let Some(places) = limits.concurrency.filter(|places| self.running >= *places) {
            return Some(Over::Concurrency(places));
        }
        let rate = limits.rate?;
        let until = rate.begin(rate.reserve(self.free_of(rate, now), now));
        (until > now).then_some(Over::Rate { rate, until })
    }

    /// Counts an attempt that begins at `now`. Call it only if the attempt is not [over](Self::over) the limits.
    pub fn begin(&mut self, limits: Limits, now: DateTime<Utc>) {
        self.running += 1;
        if let Some(rate) = limits.rate {
            self.free = rate.reserve(self.free_of(rate, now), now) + 1;
            self.rate = Some(rate);
        }
    }

    /// Takes back a [`begin`](Self::begin): there was no attempt.
    pub fn undo(&mut self, limits: Limits) {
        self.end();
        if limits.rate.is_some_and(|rate| self.rate == Some(rate)) {
            self.free -= 1;
        }
    }

    /// Counts the end of an attempt.
    pub fn end(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Returns the next free slot of the rate. A new rate begins with an unused window, and so does a rate whose clock was set back: no
    /// attempt begins before its slot does, so a free slot is at most in the next window.
    fn free_of(&self, rate: Rate, now: DateTime<Utc>) -> RateSlot {
        let is_known = self.rate == Some(rate) && rate.begin(self.free) <= now + rate.window();
        if is_known { self.free } else { RateSlot::MIN }
    }
}

#[cfg(test)]
mod tests;
