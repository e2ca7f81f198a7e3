//! Lateness of requests that are due in quick succession.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use postdate_core::request::Status;

use crate::fixture::{Bench, VALIDATED, far_ahead, post};
use crate::ledger::{self, Reader};
use crate::row::{Row, Target};
use crate::sample::Sample;
use crate::schedule::Schedule;
use crate::server::Server;

/// Timeout for the last request to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// Measures lateness at the start and at the end of the attempt, which includes the plugin's run. The ledger truncates times to
/// milliseconds.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let (count, seconds) = bench.effort.of((100, 1), (4_000, 1), (20_000, 5));
    let schedule = Schedule { count, span: Duration::from_secs(seconds) };
    let timer = timer_alone(schedule)?;
    let scratch = bench.scratch()?;
    let disk = Sample::of_durations("fsync", &ledger::fsync_times(&scratch.path().join("fsync"))?)?;
    let (ends, starts) = run(bench, scratch.path(), schedule).await?;
    let row = |id, measure, value, baseline, target| Row { id, measure, value, unit: "ms", baseline, target };
    let beside = |percent| vec![("bare tokio timer", timer.percentile(percent)), ("one fsync", disk.percentile(percent))];
    Ok(vec![
        row("lateness-p50", "lateness at the end of the attempt, p50", ends.median(), beside(50), Some(Target::AtMost(2.0))),
        row("lateness-p99", "lateness at the end of the attempt, p99", ends.percentile(99), beside(99), Some(Target::AtMost(15.0))),
        row("lateness-max", "lateness at the end of the attempt, max", ends.max(), beside(100), None),
        row("lateness-start-p50", "lateness at its start, p50", starts.median(), beside(50), None),
        row("lateness-start-p99", "lateness at its start, p99", starts.percentile(99), beside(99), None),
        Row {
            id: "lateness-early",
            measure: "attempts before their time",
            #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 requests")]
            value: starts.below(0.0) as f64,
            unit: "requests",
            baseline: Vec::new(),
            target: Some(Target::AtMost(0.0)),
        },
    ])
}

/// Posts all requests, waits until all have ended, and reads the ledger. Returns the lateness of ends and of starts in milliseconds.
async fn run(bench: &Bench, scratch: &Path, schedule: Schedule) -> anyhow::Result<(Sample, Sample)> {
    let data = scratch.join("data");
    let mut server = Server::spawn(&bench.bin, &bench.use_cases(scratch)?, &data)?;
    server.ready(&post(VALIDATED, far_ahead(), 0)).await?;

    let lead = Duration::from_secs(bench.effort.of(4, 20, 20));
    schedule.run(server.address, VALIDATED, lead).await?;

    let reader = Reader::open(&data.join("ledger.sqlite"))?;
    let waiting = Instant::now();
    // The request that checked that the server is ready stays scheduled.
    while reader.unfinished()? > 1 {
        ensure!(waiting.elapsed() < PATIENCE, "requests were still pending {PATIENCE:?} after the last was due");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (succeeded, count) = (reader.with_status(Status::Succeeded)?, i64::from(schedule.count));
    ensure!(succeeded == count, "{succeeded} of {count} requests succeeded");
    let ends = Sample::new("lateness", reader.lateness_of_ends()?)?;
    let starts = Sample::new("lateness of starts", reader.lateness_of_starts()?)?;
    server.stop()?;
    Ok((ends, starts))
}

/// Measures the baseline: a process that only sleeps until each of these times.
fn timer_alone(schedule: Schedule) -> anyhow::Result<Sample> {
    let this = std::env::current_exe().context("cannot find this program")?;
    let output = Command::new(this)
        .args(["--bare-timer-count", &schedule.count.to_string(), "--bare-timer-millis", &schedule.span.as_millis().to_string()])
        .output()
        .context("cannot start the bare timer")?;
    ensure!(output.status.success(), "the bare timer failed: {}", String::from_utf8_lossy(&output.stderr));
    Sample::new("bare timer", serde_json::from_slice(&output.stdout).context("the bare timer's output is not a JSON array of numbers")?)
}

/// Runs as the baseline's process. Returns the lateness of each time, in milliseconds by the wall clock.
#[tokio::main]
pub async fn bare_timer(schedule: Schedule) -> anyhow::Result<Vec<f64>> {
    let lead = Duration::from_secs(1);
    let (start, wall) = (tokio::time::Instant::now() + lead, SystemTime::now() + lead);
    let sleepers: Vec<_> = (0..schedule.count)
        .map(|number| schedule.offset(number))
        .map(|offset| {
            tokio::spawn(async move {
                tokio::time::sleep_until(start + offset).await;
                let due = wall + offset;
                // Negative if the wall clock is before the due time.
                SystemTime::now().duration_since(due).map_or_else(|early| -early.duration().as_secs_f64(), |late| late.as_secs_f64()) * 1e3
            })
        })
        .collect();
    let mut lateness = Vec::with_capacity(sleepers.len());
    for sleeper in sleepers {
        lateness.push(sleeper.await.context("a sleeper failed")?);
    }
    Ok(lateness)
}

#[cfg(test)]
mod tests;
