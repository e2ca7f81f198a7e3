//! The cost of labels and limits, and what a backlog behind a limit costs another target.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use chrono::{TimeDelta, Utc};

use crate::fixture::{Bench, LABELLED, VALIDATED, far_ahead, post};
use crate::ledger::{self, Reader};
use crate::load::{self, Load, sustained};
use crate::row::{Row, Target};
use crate::sample::Sample;
use crate::server::Server;

/// The target of the use case [`LABELLED`] with a limit, which no request of the load names.
const LIMITED: &str = "limited";
/// Timeout for the last request to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// Measures accepted POSTs with labels and limits beside the same without, and the lateness of a free target beside a backlog of a limited
/// one.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut rows = accepted(bench).await?;
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
    rows.push(row("limited-target-p50", "free target beside 100,000 due at a limited one: lateness of starts, p50", 50, 1.0));
    rows.push(row("limited-target-p99", "the same, p99", 99, 2.0));
    Ok(rows)
}

async fn accepted(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let (rounds, turn) = bench.effort.of((1, Duration::from_millis(200)), (4, Duration::from_secs(1)), (24, Duration::from_secs(1)));
    let scratch = bench.scratch()?;
    let mut server = Server::spawn(&bench.bin, &bench.use_cases(scratch.path())?, &scratch.path().join("data"))?;
    let [labelled, plain] = [LABELLED, VALIDATED].map(|use_case| Arc::<[u8]>::from(post(use_case, far_ahead(), 1)));
    server.ready(&labelled).await?;
    let (mut with, mut without) = (Load::default(), Load::default());
    for round in 0..=rounds {
        // The two alternate, so that changes of the machine's speed affect both, and take turns to be the first, since each leaves work to
        // the next, such as a checkpoint of the log. The first round warms up.
        let mut turns = [(&labelled, &mut with), (&plain, &mut without)];
        if round % 2 == 0 {
            turns.reverse();
        }
        for (body, sum) in turns {
            let load = sustained(server.address, Arc::clone(body), turn).await?;
            if round > 0 {
                sum.add(load);
            }
        }
    }
    server.stop()?;
    let plain = without.per_second();
    Ok(vec![Row {
        id: "accepted-labelled",
        measure: "accepted POSTs with a label, to a target with limits",
        value: with.per_second(),
        unit: "/s",
        baseline: vec![("neither", plain)],
        target: Some(Target::AtLeast(plain * 0.95)),
    }])
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
    let span = Duration::from_secs(seconds);
    let first = Utc::now() + TimeDelta::seconds(bench.effort.of(3, 6, 8));
    let requests: Vec<Arc<[u8]>> = (0..count)
        .map(|number| Ok(post(LABELLED, first + TimeDelta::from_std(span / count * number)?, number).into()))
        .collect::<anyhow::Result<_>>()?;
    let next = std::sync::atomic::AtomicUsize::new(0);
    load::run(server.address, move || requests.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).map(Arc::clone)).await?;
    ensure!(Utc::now() < first, "posting took longer than the time before the first is due: the machine is too busy");
    tokio::time::sleep((first - Utc::now()).to_std().unwrap_or_default() + span).await;
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
