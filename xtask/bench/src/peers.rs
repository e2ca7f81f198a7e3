//! `--peers`: the same work on Postdate, Restate, bunqueue and BullMQ, in one run.
//!
//! The work of each: accept requests of 200 bytes that are due later, keep them durably, and call a handler that does nothing at their
//! time. Prints a table in Markdown, and writes `peers.json` and a chart. The packages come from npm, Redis from Debian.

mod bullmq;
mod bunqueue;
mod chart;
mod http;
mod packages;
mod postdate;
mod report;
mod restate;
mod system;
mod worker;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{TimeDelta, Utc};

use crate::fixture::{Bench, Effort};
use crate::ledger;
use crate::sample::Sample;
use crate::schedule::Schedule;
use packages::Packages;
use report::Figures;
use system::{Place, Posts, System};

/// The numbers of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    pub rounds: u32,
    /// Time of one system's posts in a round.
    pub turn: Duration,
    pub warm_up: Duration,
    pub pending: u32,
    pub schedule: Schedule,
    /// Time to post the requests of the schedule before the first is due.
    pub lead: Duration,
}

impl Numbers {
    fn of(effort: Effort) -> Self {
        let seconds = Duration::from_secs;
        let (count, span) = effort.of((100, seconds(1)), (4_000, seconds(1)), (20_000, seconds(5)));
        Self {
            rounds: effort.of(1, 1, 3),
            turn: effort.of(Duration::from_millis(300), seconds(2), seconds(8)),
            warm_up: effort.of(Duration::from_millis(100), seconds(1), seconds(2)),
            pending: effort.of(500, 20_000, 200_000),
            schedule: Schedule { count, span },
            lead: effort.of(seconds(10), seconds(20), seconds(60)),
        }
    }
}

/// Measures all systems, and writes the results. Fails if a package cannot be installed, or a system not be measured.
pub async fn compare(bench: &Bench, out: &Path, chart: &Path) -> anyhow::Result<ExitCode> {
    let numbers = Numbers::of(bench.effort);
    let packages = Packages::install(&bench.directory.join("peers"))?;
    let scratch = bench.scratch()?;
    let fsync = Sample::of_durations("fsync", &ledger::fsync_times(&scratch.path().join("fsync"))?)?;
    let place = Place { bench, packages: &packages };
    let mut all = [
        Figures::new("Postdate", postdate::settings(bench)?),
        Figures::new("Restate", packages.restate_settings()?),
        Figures::new("bunqueue", packages.bunqueue_settings()?),
        Figures::new("BullMQ", packages.bullmq_settings()?),
    ];
    for round in 1..=numbers.rounds {
        eprintln!("==> accepts, round {round} of {}", numbers.rounds);
        let [postdate, restate, bunqueue, bullmq] = &mut all;
        accepts::<postdate::Postdate>(place, numbers, postdate).await?;
        accepts::<restate::Restate>(place, numbers, restate).await?;
        accepts::<bunqueue::Bunqueue>(place, numbers, bunqueue).await?;
        accepts::<bullmq::BullMq>(place, numbers, bullmq).await?;
    }
    let [postdate, restate, bunqueue, bullmq] = &mut all;
    eprintln!("==> lateness");
    lateness::<postdate::Postdate>(place, numbers, postdate).await?;
    lateness::<restate::Restate>(place, numbers, restate).await?;
    lateness::<bunqueue::Bunqueue>(place, numbers, bunqueue).await?;
    lateness::<bullmq::BullMq>(place, numbers, bullmq).await?;
    eprintln!("==> memory");
    memory::<postdate::Postdate>(place, numbers, postdate).await?;
    memory::<restate::Restate>(place, numbers, restate).await?;
    memory::<bunqueue::Bunqueue>(place, numbers, bunqueue).await?;
    memory::<bullmq::BullMq>(place, numbers, bullmq).await?;
    if bench.effort == Effort::Smoke {
        println!("{} systems compared", all.len());
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", report::table(&all, numbers, &crate::machine(), fsync.median())?);
    crate::write(&out.join("peers.json"), &(serde_json::to_string_pretty(&all)? + "\n"))?;
    crate::write(chart, &chart::chart(&all, numbers)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Measures the accepted requests of one turn, on an empty ledger.
async fn accepts<S: System>(place: Place<'_>, numbers: Numbers, figures: &mut Figures) -> anyhow::Result<()> {
    let scratch = place.bench.scratch()?;
    let system = start::<S>(place, scratch.path(), 0, figures).await?;
    let load = system.post(numbers.warm_up, Posts::For(numbers.turn)).await.with_context(|| failed(figures, "accept requests"))?;
    eprintln!("    {}: {:.0} /s", figures.name, load.per_second());
    figures.accepts.push(load.per_second());
    figures.latencies.extend(load.latencies);
    Ok(())
}

/// Measures memory with many pending requests.
async fn memory<S: System>(place: Place<'_>, numbers: Numbers, figures: &mut Figures) -> anyhow::Result<()> {
    /// Requests of one call, so that each ends within the time limit of a load.
    const STEP: u32 = 20_000;
    /// Time after the last request, in which buffers are written.
    const SETTLE: Duration = Duration::from_secs(5);
    let scratch = place.bench.scratch()?;
    let system = start::<S>(place, scratch.path(), 0, figures).await?;
    let (mut left, begun) = (numbers.pending, Instant::now());
    while left > 0 {
        let step = left.min(STEP);
        system.post(Duration::ZERO, Posts::Count(step)).await.with_context(|| failed(figures, "take the pending requests"))?;
        left -= step;
    }
    tokio::time::sleep(SETTLE).await;
    let bytes = system.resident_bytes()?;
    eprintln!("    {}: {} MB, filled in {:.0} s", figures.name, bytes / 1_000_000, begun.elapsed().as_secs_f64());
    figures.memory = Some(bytes);
    Ok(())
}

/// Measures the lateness of a schedule.
async fn lateness<S: System>(place: Place<'_>, numbers: Numbers, figures: &mut Figures) -> anyhow::Result<()> {
    let scratch = place.bench.scratch()?;
    let system = start::<S>(place, scratch.path(), numbers.schedule.count, figures).await?;
    let first = Utc::now() + TimeDelta::from_std(numbers.lead)?;
    let run = system.run(numbers.schedule, first).await.with_context(|| failed(figures, "run the schedule"))?;
    let lateness = Sample::new(figures.name, run.lateness)?;
    eprintln!("    {}: p50 {:.1} ms, p99 {:.1} ms", figures.name, lateness.median(), lateness.percentile(99));
    figures.lateness = Some(lateness);
    figures.worker_memory = run.worker_bytes;
    Ok(())
}

async fn start<S: System>(place: Place<'_>, scratch: &Path, jobs: u32, figures: &Figures) -> anyhow::Result<S> {
    S::start(place, scratch, jobs).await.with_context(|| failed(figures, "start"))
}

fn failed(figures: &Figures, what: &str) -> String {
    format!("{} did not {what}", figures.name)
}
