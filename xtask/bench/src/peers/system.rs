//! The interface of a system under comparison.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::packages::Packages;
use crate::fixture::Bench;
use crate::load::Load;
use crate::schedule::Schedule;

/// Connections that post a schedule: fewer than for throughput, so that the systems whose API takes a delay start it without a wait.
pub const SCHEDULE_CONNECTIONS: usize = 8;
/// Timeout for a system to answer or to end its work.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The programs of a run.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub bench: &'a Bench,
    pub packages: &'a Packages,
}

/// Requests to post that are due after the end of the run.
#[derive(Debug, Clone, Copy)]
pub enum Posts {
    For(Duration),
    Count(u32),
}

/// The result of a schedule.
#[derive(Debug)]
pub struct Run {
    /// Lateness of each request, in milliseconds.
    pub lateness: Vec<f64>,
    /// Resident memory of the worker, in bytes; `None` where the server runs the handler.
    pub worker_bytes: Option<u64>,
}

/// A system under comparison, with an empty ledger. Its processes are killed when it is dropped.
pub trait System: Sized {
    /// Starts the system in an empty directory. `jobs` is the number of jobs that its worker is going to record; no worker starts for 0,
    /// unless the system accepts nothing without one.
    async fn start(place: Place<'_>, directory: &Path, jobs: u32) -> anyhow::Result<Self>;

    /// Posts requests over [`crate::load::CONNECTIONS`] connections, after a warm-up that is not measured.
    async fn post(&self, warm_up: Duration, posts: Posts) -> anyhow::Result<Load>;

    /// Posts the requests of a schedule, and waits until all have started.
    async fn run(self, schedule: Schedule, first: DateTime<Utc>) -> anyhow::Result<Run>;

    /// Returns the resident memory of the server, in bytes.
    fn resident_bytes(&self) -> anyhow::Result<u64>;
}
