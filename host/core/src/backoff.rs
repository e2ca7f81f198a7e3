//! Waits between attempts: after a failure of the request, and after a fault of the host.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::id::CorrelationId;
use crate::request::Waiting;
use crate::time::ceil_to_millis;
use crate::use_case::Backoff;

/// The wait after the first host fault in a row, and the longest wait.
const HOST_FAULT_WAIT: (TimeDelta, TimeDelta) = (TimeDelta::milliseconds(250), TimeDelta::seconds(30));

/// How much longer than the policy's wait a receiver or a plugin may make the wait. More is a mistake, such as a Unix time in place of
/// seconds.
const MAX_ASKED_BEYOND: Duration = Duration::from_hours(24);

/// Returns the wait after the n-th failure (from 1): the longer of the policy's wait and `asked`, at most one day more than the policy's
/// wait; then longer by `spread`, from 0 to 1, of the policy's jitter. The wait is at most `longest`.
pub fn backoff(policy: &Backoff, failures: u32, asked: Option<Duration>, longest: Duration, spread: f64) -> Duration {
    let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
    let seconds = (policy.initial.as_secs_f64() * policy.factor.powi(exponent)).min(policy.max.as_secs_f64());
    let own = Duration::try_from_secs_f64(seconds).unwrap_or(policy.max);
    let asked = asked.unwrap_or_default().min(own.saturating_add(MAX_ASKED_BEYOND));
    let wait = own.max(asked).min(longest);
    wait.saturating_add(wait.mul_f64(policy.jitter * spread)).min(longest)
}

/// Returns the part of the jitter for the wait after an attempt, from 0 to less than 1. The part follows from id and attempt, since the
/// core draws no random number. Ids are random, so the parts of many requests are spread evenly.
pub fn spread(id: CorrelationId, attempt: u32) -> f64 {
    let digest = Sha256::digest(format!("{id} {attempt}"));
    let [first, second, third, fourth, ..] = <[u8; 32]>::from(digest);
    f64::from(u32::from_be_bytes([first, second, third, fourth])) / (f64::from(u32::MAX) + 1.0)
}

/// Returns the time of the next try after a host fault. Each wait is as long as all waits before it together, so the wait doubles from
/// 250 ms up to 30 s.
pub fn after_host_fault(waiting: Option<&Waiting>, now: DateTime<Utc>) -> DateTime<Utc> {
    let (first, longest) = HOST_FAULT_WAIT;
    let waited = waiting.map_or(TimeDelta::zero(), |waiting| now - waiting.since);
    ceil_to_millis(now + waited.clamp(first, longest))
}

#[cfg(test)]
mod tests;
