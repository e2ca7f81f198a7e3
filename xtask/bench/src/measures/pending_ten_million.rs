//! Memory, start, accepted requests and lateness with ten million pending requests.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use chrono::{TimeDelta, Utc};

use crate::fixture::{Bench, VALIDATED, far_ahead, post};
use crate::ledger::{self, Lane, Reader};
use crate::load::sustained;
use crate::row::{Row, Target};
use crate::schedule::Schedule;
use crate::server::Server;

const SPREAD: Duration = Duration::from_hours(300 * 24);

/// Results of one run.
struct Run {
    /// Memory after the load, in MB.
    megabytes: f64,
    /// From the start to the answer to a POST, in milliseconds.
    start: f64,
    accepted_per_second: f64,
    /// p99 of starts, in milliseconds.
    lateness: f64,
}

/// Measures the same on an empty ledger, and on one of 10,000,000 requests, which takes about 8 GB of disk.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scratch = bench.scratch()?;
    let (use_cases, data) = (bench.use_cases(scratch.path())?, scratch.path().join("data"));
    // The first start creates the ledger and compiles the plugins, and is not measured.
    let mut server = Server::spawn(&bench.bin, &use_cases, &data)?;
    server.ready(&post(VALIDATED, far_ahead(), 0)).await?;
    server.stop()?;
    let empty = run(bench, &use_cases, &data).await?;

    let count = bench.effort.of(2_000, 1_000_000, 10_000_000);
    eprintln!("    filling a ledger with {count} requests");
    let path = data.join("ledger.sqlite");
    let version = Reader::open(&path)?.version(VALIDATED)?;
    let lane = Lane { use_case: VALIDATED, version: &version, target: "here" };
    ledger::fill(&path, lane, count, Utc::now() + TimeDelta::days(1), SPREAD)?;
    let full = run(bench, &use_cases, &data).await?;
    let row =
        |id, measure, unit, value, baseline, target| Row { id, measure, value, unit, baseline: vec![("empty store", baseline)], target };
    let least = Some(Target::AtLeast(empty.accepted_per_second * 0.8));
    Ok(vec![
        row(
            "pending-ten-million-rss",
            "10,000,000 pending: memory after the load",
            "MB",
            full.megabytes,
            empty.megabytes,
            Some(Target::AtMost(250.0)),
        ),
        row(
            "pending-ten-million-start",
            "10,000,000 pending: start to a POST",
            "ms",
            full.start,
            empty.start,
            Some(Target::AtMost(2000.0)),
        ),
        row(
            "pending-ten-million-accepted",
            "10,000,000 pending: accepted POSTs",
            "/s",
            full.accepted_per_second,
            empty.accepted_per_second,
            least,
        ),
        row(
            "pending-ten-million-p99",
            "10,000,000 pending: lateness of starts, p99",
            "ms",
            full.lateness,
            empty.lateness,
            Some(Target::AtMost(15.0)),
        ),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
async fn run(bench: &Bench, use_cases: &Path, data: &Path) -> anyhow::Result<Run> {
    let mut server = Server::spawn(&bench.bin, use_cases, data)?;
    let ready = server.ready(&post(VALIDATED, far_ahead(), 0)).await?;
    let turn = bench.effort.of(Duration::from_millis(200), Duration::from_secs(3), Duration::from_secs(10));
    let load = sustained(server.address, post(VALIDATED, far_ahead(), 1).into(), turn).await?;

    let (count, seconds) = bench.effort.of((50, 1), (2_000, 2), (5_000, 5));
    let schedule = Schedule { count, span: Duration::from_secs(seconds) };
    let first = schedule.run(server.address, VALIDATED, Duration::from_secs(4)).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let megabytes = server.resident_bytes()? as f64 / 1e6;
    let lateness = Reader::open(&data.join("ledger.sqlite"))?.lateness_of_starts_since(first)?;
    server.stop()?;
    ensure!(lateness.len() == count as usize, "{} of {count} requests started", lateness.len());
    let lateness = crate::sample::Sample::new("lateness", lateness)?.percentile(99);
    Ok(Run { megabytes, start: ready.post.as_secs_f64() * 1e3, accepted_per_second: load.per_second(), lateness })
}
