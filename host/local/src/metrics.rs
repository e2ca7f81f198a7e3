//! The server's counters and histograms, for `GET /metrics`. They count from the start of the process.
//!
//! A label's value is the name of a deployed use case or target, or a word of this program. No text of a client is a label, so the number
//! of series is bounded by what is deployed.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use postdate_core::host_fault::{FILE_DESCRIPTOR, MEMORY, NAME_LOOK_UP, SECRETS, SLOT, STORE, VERSION};
use postdate_core::lifecycle::{Change, Outcome};
use postdate_core::request::{NewRequest, Request};
use postdate_runtime::EndedCall;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

/// Names and values of `N` labels.
pub type Labels<const N: usize> = [(&'static str, String); N];
type CounterFamily<const N: usize> = Family<Labels<N>, Counter>;
type Histograms = Family<Labels<2>, Histogram>;

/// First part of every metric's name.
pub const PREFIX: &str = "postdate";
/// Upper bounds of the histogram of lateness, in seconds: from 1 ms to 4 hours.
const LATENESS: [f64; 18] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0];
/// Upper bounds of the histogram of calls, in seconds: to the longest timeout of a plugin.
const CALLS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0, 900.0];
/// Upper bounds of the histogram of a plugin's memory, in bytes: from 1 MiB to 1 GiB.
const MEMORIES: [u32; 11] = [1 << 20, 2 << 20, 4 << 20, 8 << 20, 16 << 20, 32 << 20, 64 << 20, 128 << 20, 256 << 20, 512 << 20, 1 << 30];
/// Upper bounds of the histogram of commits, in seconds.
const COMMITS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// Upper bounds of the histogram of changes in one commit, to the writer's limit.
const CHANGES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// A handle on the counters; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    accepted: CounterFamily<2>,
    rejected: CounterFamily<2>,
    notices: CounterFamily<2>,
    started: CounterFamily<2>,
    interrupted: CounterFamily<2>,
    deferred: CounterFamily<2>,
    retries: CounterFamily<3>,
    ended: CounterFamily<3>,
    running: Family<Labels<2>, Gauge>,
    lateness: Histograms,
    calls: Histograms,
    memory: Histograms,
    stopped: CounterFamily<3>,
    commits: Histogram,
    changes: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registry::with_prefix(PREFIX);
        all.register("build", "Version of the server", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let begun = add_unit(&mut all, "start_time", "Start of the process, in Unix time", Unit::Seconds, Gauge::<i64>::default());
        begun.set(Utc::now().timestamp());
        let (lateness, calls) = (histograms(|| Histogram::new(LATENESS)), histograms(|| Histogram::new(CALLS)));
        let memory = histograms(|| Histogram::new(MEMORIES.map(f64::from)));
        let (commits, changes) = (Histogram::new(COMMITS), Histogram::new(CHANGES));
        Self(Arc::new(Inner {
            accepted: add(&mut all, "requests_accepted", "Requests of clients that were stored", Family::default()),
            rejected: add(
                &mut all,
                "requests_rejected",
                "Requests of clients that were refused, by the code of the error",
                Family::default(),
            ),
            notices: add(&mut all, "notices", "Requests that report the end of another one", Family::default()),
            started: add(&mut all, "attempts_started", "Attempts that were started, or tried to be", Family::default()),
            interrupted: add(&mut all, "attempts_interrupted", "Attempts that were cut off", Family::default()),
            deferred: add(
                &mut all,
                "attempts_deferred",
                "Attempts that the host could not begin, by the resource that it lacks",
                Family::default(),
            ),
            retries: add(&mut all, "retries", "Further attempts of requests that failed, by the policy or by hand", Family::default()),
            ended: add(&mut all, "requests_ended", "Ends of requests, by outcome", Family::default()),
            running: add(&mut all, "running", "Attempts that run, by the kind of their place", Family::default()),
            lateness: add_unit(&mut all, "lateness", "Time from when an attempt is due to its start", Unit::Seconds, lateness),
            calls: add_unit(&mut all, "plugin_call", "Time of a plugin's call", Unit::Seconds, calls),
            memory: add_unit(&mut all, "plugin_memory", "Largest memory of a plugin during a call", Unit::Bytes, memory),
            stopped: add(&mut all, "plugin_stopped", "Calls of plugins without an answer, by reason", Family::default()),
            commits: add_unit(&mut all, "ledger_commit", "Time of a transaction of the ledger, fsync included", Unit::Seconds, commits),
            changes: add(&mut all, "ledger_commit_changes", "Changes in one transaction of the ledger", changes),
            registry: all,
        }))
    }
}

/// Registers a metric, and returns a handle on it.
fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// Registers a metric with a unit, which becomes the end of its name.
fn add_unit<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, unit: Unit, metric: M) -> M {
    registry.register_with_unit(name, help, unit, metric.clone());
    metric
}

fn histograms(make: fn() -> Histogram) -> Histograms {
    Family::new_with_constructor(make)
}

/// Returns the labels of a request's lane.
pub fn lane(use_case: &str, target: &str) -> Labels<2> {
    [("use_case", use_case.to_owned()), ("target", target.to_owned())]
}

fn lane_and(request: &Request, name: &'static str, value: &str) -> Labels<3> {
    let [use_case, target] = lane(&request.use_case, &request.target);
    [use_case, target, (name, value.to_owned())]
}

fn lane_of(request: &Request) -> Labels<2> {
    lane(&request.use_case, &request.target)
}

impl Metrics {
    /// Writes all metrics as text of `OpenMetrics`, without its end.
    pub fn encode(&self, text: &mut String) -> fmt::Result {
        encode_registry(text, &self.0.registry)
    }

    pub fn accepted(&self, new: &Request) {
        self.0.accepted.get_or_create(&lane_of(new)).inc();
    }

    /// Counts an error answer to a submission. `use_case` is `None` for one that does not exist.
    pub fn rejected(&self, use_case: Option<&str>, code: &str) {
        let labels = [("use_case", use_case.unwrap_or_default().to_owned()), ("code", code.to_owned())];
        self.0.rejected.get_or_create(&labels).inc();
    }

    /// Counts a change that the ledger has stored. `after` is the request after the change.
    pub fn changed(&self, change: &Change, after: &Request) {
        let all = &*self.0;
        match change {
            Change::Finish { outcome: Outcome::Retry { .. }, .. } => {
                all.retries.get_or_create(&lane_and(after, "by", "policy")).inc();
            }
            Change::Retry { .. } | Change::Redrive { .. } => {
                all.retries.get_or_create(&lane_and(after, "by", "hand")).inc();
            }
            Change::Release { .. } => {
                all.interrupted.get_or_create(&lane_of(after)).inc();
            }
            Change::Defer { waits_for, .. } => {
                let labels = [("use_case", after.use_case.clone()), ("reason", reason(waits_for).to_owned())];
                all.deferred.get_or_create(&labels).inc();
            }
            _ => {}
        }
        // A request that is erased may have ended before.
        let has_ended = !matches!(change, Change::Erase { .. }) || after.finished_at == after.erased_at;
        if after.status.is_end() && has_ended {
            all.ended.get_or_create(&lane_and(after, "outcome", after.status.as_str())).inc();
            if let Some(NewRequest { request, .. }) = change.notice() {
                all.notices.get_or_create(&lane_of(request)).inc();
            }
        }
    }

    pub fn started(&self, request: &Request) {
        self.0.started.get_or_create(&lane_of(request)).inc();
    }

    /// Records the lateness of an attempt that began at `begun`. Time in which the request waited for its host counts, so call this once
    /// the host has begun the attempt.
    pub fn began(&self, request: &Request, begun: DateTime<Utc>) {
        let due = match &request.waiting {
            None => request.due_at,
            // A deferral has moved the due time.
            Some(_) if request.attempts == 1 => request.trigger_at,
            Some(waiting) => waiting.since,
        };
        let late = (begun - due).to_std().unwrap_or_default();
        self.0.lateness.get_or_create(&lane_of(request)).observe(late.as_secs_f64());
    }

    /// Counts a running attempt until the returned value is dropped.
    pub fn running(&self, use_case: &str, kind: &str) -> Counted {
        let labels = [("use_case", use_case.to_owned()), ("kind", kind.to_owned())];
        let gauge = self.0.running.get_or_create_owned(&labels);
        gauge.inc();
        Counted(gauge)
    }

    /// Records the call of a plugin.
    pub fn called(&self, called: EndedCall<'_>) {
        let EndedCall { use_case, role, elapsed, peak_memory, stopped } = called;
        let [use_case, role] = [("use_case", use_case.to_owned()), ("role", role.to_string())];
        if let Some(stopped) = stopped {
            self.0.stopped.get_or_create(&[use_case.clone(), role.clone(), ("reason", stopped.code().to_owned())]).inc();
        }
        let labels = [use_case, role];
        self.0.calls.get_or_create(&labels).observe(elapsed.as_secs_f64());
        // Exact below 8 PiB.
        #[expect(clippy::cast_precision_loss, reason = "no memory of a plugin has 2^53 bytes")]
        self.0.memory.get_or_create(&labels).observe(peak_memory as f64);
    }

    /// Records a transaction of the ledger that began at `begun`.
    pub fn committed(&self, begun: Instant, changes: usize) {
        self.0.commits.observe(begun.elapsed().as_secs_f64());
        self.0.changes.observe(f64::from(u32::try_from(changes).unwrap_or(u32::MAX)));
    }
}

/// One of the running attempts, until it is dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Returns the word for the resource that a request waits for.
fn reason(waits_for: &str) -> &'static str {
    let words = [
        (SLOT, "slot"),
        (MEMORY, "memory"),
        (SECRETS, "secrets"),
        (VERSION, "version"),
        (STORE, "store"),
        (NAME_LOOK_UP, "name-look-up"),
        (FILE_DESCRIPTOR, "file-descriptor"),
    ];
    words.iter().find(|(beginning, _)| waits_for.starts_with(beginning)).map_or("other", |(_, word)| word)
}

#[cfg(test)]
mod tests;
