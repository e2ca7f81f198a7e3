//! The cost of a backlog behind a limit for another target.

use std::time::Duration;

use anyhow::ensure;
use chrono::Utc;

use crate::fixture::{Bench, LABELLED, far_ahead, post};
use crate::ledger::{self, Reader};
use crate::row::{Row, Target};
use crate::sample::Sample;
use crate::schedule::Schedule;
use crate::server::Server;

/// The target of the use case [`LABELLED`] with a limit, which no request of the load names.
const LIMITED: &str = "limited";
/// Timeout for the last request to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// Measures the lateness of a free target beside a backlog of a limited one.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let backlog = bench.effort.of(500, 100_000, 100_000);
    let alone = free_lateness(bench, 0).await?;
    let beside = free_lateness(bench, backlog).await?;
    let row = |id, measure, percent, slack: f64| Row {
        id,
        measure,
        value: beside.percentile(percent),
        unit: "ms",
        baseline: vec![("no limited target", alone.percentile(percent))],
        target: Some(Target::AtMost(alone.percentile(percent) + slack)),
    };
    Ok(vec![
        row("limited-target-p50", "free target beside 100,000 due at a limited one: lateness of starts, p50", 50, 1.0),
        row("limited-target-p99", "the same, p99", 99, 2.0),
    ])
}

/// Returns the lateness of starts at the free target, in milliseconds, while `backlog` requests are due at the limited one.
async fn free_lateness(bench: &Bench, backlog: u32) -> anyhow::Result<Sample> {
    let scratch = bench.scratch()?;
    let (use_cases, data) = (bench.use_cases(scratch.path())?, scratch.path().join("data"));
    let path = data.join("ledger.sqlite");
    // The first start creates the ledger and compiles the plugins.
    let mut server = Server::spawn(&bench.bin, &use_cases, &data)?;
    server.ready(&post(LABELLED, far_ahead(), 0)).await?;
    server.stop()?;
    if backlog > 0 {
        let version = Reader::open(&path)?.version(LABELLED)?;
        let lane = ledger::Lane { use_case: LABELLED, version: &version, target: LIMITED };
        ledger::fill(&path, lane, backlog, Utc::now(), Duration::from_millis(1))?;
    }
    let mut server = Server::spawn(&bench.bin, &use_cases, &data)?;
    server.ready(&post(LABELLED, far_ahead(), 0)).await?;
    let (count, seconds) = bench.effort.of((100, 1), (4_000, 4), (10_000, 10));
    let schedule = Schedule { count, span: Duration::from_secs(seconds) };
    schedule.run(server.address, LABELLED, Duration::from_secs(bench.effort.of(3, 6, 8))).await?;
    let reader = Reader::open(&path)?;
    let waiting = std::time::Instant::now();
    loop {
        let lateness = reader.lateness_of_starts_at(LABELLED, "free")?;
        if lateness.len() >= count as usize {
            let left = reader.scheduled_at(LIMITED)?;
            eprintln!("    {left} of {backlog} requests wait at the limited target");
            ensure!(backlog == 0 || left > 0, "the limited target had no backlog at the end");
            server.stop()?;
            return Sample::new("lateness of the free target", lateness);
        }
        ensure!(waiting.elapsed() < PATIENCE, "{} of {count} requests had started {PATIENCE:?} after the last was due", lateness.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
