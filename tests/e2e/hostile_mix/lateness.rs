//! Lateness of the good use case.

use std::collections::HashMap;
use std::fmt::{self, Display};

use chrono::{DateTime, TimeDelta, Utc};

use crate::harness::{Delivery, text};
use crate::torture::load::{Acknowledged, Run};

/// Lateness in milliseconds: from the due time to the delivery, by the receiver's clock.
pub struct Lateness {
    count: usize,
    median: i64,
    p99: i64,
    most: i64,
}

impl Lateness {
    /// Returns the lateness of those of the requests that were not due while the server was down.
    pub fn of(run: &Run, requests: &[Acknowledged], deliveries: &[Delivery]) -> Self {
        let mut first: HashMap<String, DateTime<Utc>> = HashMap::new();
        for delivery in deliveries {
            first.entry(text(&delivery.json(), "name").to_owned()).or_insert(delivery.at);
        }
        // A request that falls due in an outage is late by the outage, and the backlog delays others for a moment after it.
        let moment = TimeDelta::seconds(1);
        let up =
            |due: DateTime<Utc>| !run.outages.iter().any(|(from, to)| due >= *from && due <= to.checked_add_signed(moment).unwrap_or(*to));
        let due = requests.iter().filter(|request| up(request.trigger_at));
        let mut millis: Vec<i64> =
            due.filter_map(|request| Some((*first.get(&request.name)? - request.trigger_at).num_milliseconds())).collect();
        millis.sort_unstable();
        let at =
            |percent: usize| millis.get((millis.len() * percent / 100).min(millis.len().saturating_sub(1))).copied().unwrap_or_default();
        Self { count: millis.len(), median: at(50), p99: at(99), most: at(100) }
    }
}

impl Display for Lateness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, median, p99, most } = self;
        write!(formatter, "p50 {median} ms, p99 {p99} ms, most {most} ms of {count}")
    }
}
