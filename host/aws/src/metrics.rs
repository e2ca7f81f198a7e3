//! Metrics as lines on stdout in `CloudWatch`'s embedded metric format (EMF). `CloudWatch` reads them from Lambda's log, so a metric
//! costs no call.

use std::io::Write as _;

use chrono::{DateTime, Utc};
use postdate_core::limits::{PLACE, TURN};
use postdate_core::pause::RESUME;
use postdate_core::request::Request;
use serde_json::{Map, Value, json};

/// The namespace of every metric.
pub const NAMESPACE: &str = "Postdate";

/// One of the three functions; the value of the dimension `Service`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Processor,
    Target,
    Janitor,
}

impl Service {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Target => "target",
            Self::Janitor => "janitor",
        }
    }
}

/// Units of `CloudWatch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    Milliseconds,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// Name, value and unit. The names are `Accepted`, `Rejected`, `Fired`, `LatenessMs`, `Attempts`, `Failed`, `Expired`, `Cleaned`,
/// `CleanFailed`, `PluginMs`, `Rules`, `Released`, `Rearmed`, `NotMended`, `Errors`, `NotCompiled`, `Deferred`, `WaitedMs`, `Waits`,
/// `HeldUpMs`.
pub type Metric<'a> = (&'a str, f64, Unit);

/// Returns the metric of a number of things.
pub fn count(name: &str, number: usize) -> Metric<'_> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let value = number as f64;
    (name, value, Unit::Count)
}

/// Writes metrics with the dimensions `[Service]` and, with a use case, `[Service, UseCase]`. The use case must exist: each new name
/// creates a metric, which costs money.
pub fn emit(service: Service, use_case: Option<&str>, metrics: &[Metric<'_>]) {
    write(&line(service, &use_case.map(|name| ("UseCase", name)).into_iter().collect::<Vec<_>>(), metrics, Utc::now()));
}

/// Counts a rejected call, with the additional dimension `[Service, Code]`.
pub fn emit_rejected(service: Service, use_case: Option<&str>, code: &str) {
    let mut dimensions = vec![("Code", code)];
    dimensions.extend(use_case.map(|name| ("UseCase", name)));
    write(&line(service, &dimensions, &[("Rejected", 1.0, Unit::Count)], Utc::now()));
}

/// Counts requests that the janitor could not mend, with the additional dimension `[Service, Reason]`.
pub fn emit_not_mended(reason: &str, requests: usize) {
    write(&line(Service::Janitor, &[("Reason", reason)], &[count("NotMended", requests)], Utc::now()));
}

/// Counts a request that waits since its target is paused or over a limit, and measures how long it has waited by `now`, or will have
/// waited by its turn at a rate, before which it does not ask again. With the additional dimension `[Service, Reason]`.
pub fn emit_waits(request: &Request, now: DateTime<Utc>) {
    let Some(waiting) = &request.waiting else { return };
    let by = if waiting.on.starts_with(TURN) { now.max(request.due_at) } else { now };
    let dimensions = [("Reason", waits_reason(&waiting.on)), ("UseCase", &request.use_case)];
    let measured = [("Waits", 1.0, Unit::Count), ("HeldUpMs", waited_ms(request, by), Unit::Milliseconds)];
    write(&line(Service::Target, &dimensions, &measured, Utc::now()));
}

/// Returns how long a request has waited by `now`, in milliseconds.
pub fn waited_ms(request: &Request, now: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a wait are far below 2^52")]
    let waited = request.waited(now).num_milliseconds().max(0) as f64;
    waited
}

/// Returns a stable word for what a request waits for.
fn waits_reason(waits_for: &str) -> &'static str {
    let known = [(PLACE, "concurrency"), (TURN, "rate"), (RESUME, "pause")];
    known.into_iter().find(|(begin, _)| waits_for.starts_with(begin)).map_or("other", |(_, word)| word)
}

/// Returns one line for all metrics, with the dimensions `[Service]`, and `[Service, d]` for each further dimension `d`.
fn line(service: Service, dimensions: &[(&str, &str)], metrics: &[Metric<'_>], now: DateTime<Utc>) -> String {
    let mut sets = vec![json!(["Service"])];
    sets.extend(dimensions.iter().map(|(name, _)| json!(["Service", name])));
    let definitions: Vec<Value> = metrics.iter().map(|(name, _, unit)| json!({ "Name": name, "Unit": unit.as_str() })).collect();
    let directive = json!({ "Namespace": NAMESPACE, "Dimensions": sets, "Metrics": definitions });
    let mut document = Map::new();
    document.insert("_aws".to_owned(), json!({ "Timestamp": now.timestamp_millis(), "CloudWatchMetrics": [directive] }));
    document.insert("Service".to_owned(), json!(service.as_str()));
    document.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    document.extend(metrics.iter().map(|(name, value, _)| ((*name).to_owned(), json!(value))));
    Value::Object(document).to_string()
}

/// Writes the line in one call, so that lines do not mix. A failed write loses the metric.
fn write(line: &str) {
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests;
