//! Accepted POSTs and lateness with all that an operator switches on, beside the same with none of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::Utc;
use postdate_core::request::Status;

use crate::client::{Connection, get};
use crate::fixture::{Bench, LABELLED, VALIDATED, far_ahead, post};
use crate::ledger::{self, Reader};
use crate::load::{Load, sustained};
use crate::row::{Row, Target};
use crate::sample::Sample;
use crate::schedule::Schedule;
use crate::server::Server;

/// Time between two scrapes of the metrics. Prometheus scrapes every 15 to 60 s.
const SCRAPES: Duration = Duration::from_secs(1);
/// Timeout for the last request to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// Measures two servers in turn. Labels, limits, metrics and retention are on at one of them: its requests have a label and a target with
/// limits, its metrics are scraped, and it deletes the old requests that both ledgers begin with.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let (rounds, turn) = bench.effort.of((1, Duration::from_millis(200)), (4, Duration::from_secs(1)), (24, Duration::from_secs(1)));
    let schedule = Schedule { count: bench.effort.of(50, 4_000, 8_000), span: Duration::from_secs(bench.effort.of(1, 1, 2)) };
    let runs = bench.effort.of(1, 2, 6);
    let scratch = bench.scratch()?;
    let old = bench.effort.of(500, 100_000, 400_000);
    let (with, without) = (Side::start(bench, scratch.path(), true, old).await?, Side::start(bench, scratch.path(), false, old).await?);

    // First, while no disk is behind with the writes of a load.
    let (mut late, mut plain_late) = (Vec::new(), Vec::new());
    for run in 0..runs {
        for is_with in in_turn(run) {
            let more = if is_with { &with } else { &without }.lateness(schedule).await?;
            if is_with { &mut late } else { &mut plain_late }.extend(more);
        }
    }

    let (mut load, mut plain_load) = (Load::default(), Load::default());
    // The first round warms up.
    for round in 0..=rounds {
        for is_with in in_turn(round) {
            let more = if is_with { &with } else { &without }.accept(turn).await?;
            if round > 0 {
                if is_with { &mut load } else { &mut plain_load }.add(more);
            }
        }
    }

    let left = with.old_requests()?;
    eprintln!("    {left} of {old} old requests are left after the run");
    ensure!(left < i64::from(old), "the retention has deleted nothing");
    ensure!(without.old_requests()? == i64::from(old), "the server without retention has deleted requests");
    with.server.stop()?;
    without.server.stop()?;

    let (late, plain_late) = (Sample::new("lateness with all", late)?, Sample::new("lateness", plain_late)?);
    let plain = plain_load.per_second();
    // The ledger has full milliseconds.
    let row = |id, measure, percent| {
        let plain = plain_late.percentile(percent);
        let target = Some(Target::AtMost((plain * 1.05).max(plain + 1.0)));
        Row { id, measure, value: late.percentile(percent), unit: "ms", baseline: vec![("none of it", plain)], target }
    };
    Ok(vec![
        Row {
            id: "operated-accepted",
            measure: "with labels, limits, metrics and retention: accepted POSTs",
            value: load.per_second(),
            unit: "/s",
            baseline: vec![("none of it", plain)],
            target: Some(Target::AtLeast(plain * 0.95)),
        },
        row("operated-lateness-p50", "the same: lateness of starts, p50", 50),
        row("operated-lateness-p99", "the same, p99", 99),
        Row {
            id: "operated-lateness-mean",
            measure: "the same, mean",
            value: late.mean(),
            unit: "ms",
            baseline: vec![("none of it", plain_late.mean())],
            target: Some(Target::TimesBaseline(1.05)),
        },
    ])
}

/// Returns the order of the two servers in a round: each leaves work to the next, such as what the disk has yet to write.
fn in_turn(round: u32) -> [bool; 2] {
    let first = round.is_multiple_of(2);
    [first, !first]
}

/// One of the two servers. Suspended, unless it is measured.
struct Side {
    server: Server,
    data: PathBuf,
    use_case: &'static str,
    is_with: bool,
    lead: Duration,
}

impl Side {
    async fn start(bench: &Bench, scratch: &Path, is_with: bool, old: u32) -> anyhow::Result<Self> {
        let (name, use_case, retention) = if is_with { ("with", LABELLED, "1h") } else { ("without", VALIDATED, "forever") };
        let data = scratch.join(name);
        std::fs::create_dir(&data)?;
        let path = ledger_of(&data);
        drop(ledger::create(&path)?);
        let lane = ledger::Lane { use_case: VALIDATED, version: "gone", target: "here" };
        ledger::fill(&path, lane, old, Utc::now(), Duration::from_hours(1))?;
        ledger::end_all(&path, Duration::from_hours(2))?;
        let mut server = Server::spawn_with(&bench.bin, &bench.use_cases(scratch)?, &data, &["--retention", retention])?;
        server.ready(&post(use_case, far_ahead(), 1)).await?;
        server.suspend();
        Ok(Self { server, data, use_case, is_with, lead: Duration::from_secs(bench.effort.of(3, 4, 5)) })
    }

    /// Posts requests for `time`.
    async fn accept(&self, time: Duration) -> anyhow::Result<Load> {
        self.server.resume();
        let load = self.while_scraped(sustained(self.server.address, post(self.use_case, far_ahead(), 1).into(), time)).await?;
        self.server.suspend();
        Ok(load)
    }

    /// Returns the lateness of the starts of these requests, in milliseconds.
    async fn lateness(&self, schedule: Schedule) -> anyhow::Result<Vec<f64>> {
        self.server.resume();
        let late = self.while_scraped(async {
            let first = schedule.run(self.server.address, self.use_case, self.lead).await?;
            let (reader, waiting) = (Reader::open(&ledger_of(&self.data))?, Instant::now());
            loop {
                let late = reader.lateness_of_starts_since(first)?;
                if late.len() >= schedule.count as usize {
                    return Ok(late);
                }
                ensure!(waiting.elapsed() < PATIENCE, "{} of {} requests had started after {PATIENCE:?}", late.len(), schedule.count);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        let late = late.await?;
        self.server.suspend();
        Ok(late)
    }

    /// Waits for the work. The metrics of the server with all are scraped meanwhile.
    async fn while_scraped<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let scrapes = async {
            let mut connection = Connection::open(self.server.address).await?;
            loop {
                connection.call(&get("/metrics")).await?.expect(200)?;
                tokio::time::sleep(SCRAPES).await;
            }
        };
        if !self.is_with {
            return work.await;
        }
        tokio::select! {
            done = work => done,
            failed = scrapes => failed,
        }
    }

    /// Returns the number of old requests that the ledger still has.
    fn old_requests(&self) -> anyhow::Result<i64> {
        Reader::open(&ledger_of(&self.data))?.of_version("gone", Status::Succeeded)
    }
}

fn ledger_of(data: &Path) -> PathBuf {
    data.join("ledger.sqlite")
}
