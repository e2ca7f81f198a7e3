//! Memory and start time with a million pending requests.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use chrono::{TimeDelta, Utc};

use crate::client::get;
use crate::fixture::{Bench, VALIDATED, far_ahead, post};
use crate::ledger;
use crate::row::{Row, Target};
use crate::server::{Ready, Server};

const SPREAD: Duration = Duration::from_hours(300 * 24);
const POSTS: usize = 200;
/// Lists that a client requests, each of them five times.
const LISTS: [&str; 4] =
    ["/requests", "/requests?useCase=validated&limit=500", "/requests?status=scheduled&limit=100", "/requests?from=2027-01-01T00:00:00Z"];
/// Number of POSTs before `kill -9`, which the next start recovers from the WAL.
const POSTS_BEFORE_KILL: usize = 2_000;

/// Results of one start.
struct Start {
    ready: Ready,
    /// Resident memory in bytes, when the server was ready.
    resident: u64,
    /// Resident memory in bytes, after POSTs and lists.
    resident_after_work: u64,
}

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scratch = bench.scratch()?;
    let use_cases = bench.use_cases(scratch.path())?;
    let data = scratch.path().join("data");
    // The first start creates the ledger and compiles the plugins, and is not measured.
    let mut server = Server::spawn(&bench.bin, &use_cases, &data)?;
    server.ready(&post(VALIDATED, far_ahead(), 0)).await?;
    server.stop()?;
    let (empty, server) = start(bench, &use_cases, &data).await?;
    server.stop()?;

    let count = bench.effort.of(2_000, 1_000_000, 1_000_000);
    eprintln!("    filling a ledger with {count} requests");
    let ledger = data.join("ledger.sqlite");
    let version = ledger::Reader::open(&ledger)?.version(VALIDATED)?;
    let lane = ledger::Lane { use_case: VALIDATED, version: &version, target: "here" };
    ledger::fill(&ledger, lane, count, Utc::now() + TimeDelta::days(1), SPREAD)?;
    let (full, server) = start(bench, &use_cases, &data).await?;
    // After the start: this query fills the page cache, which the start must find empty.
    let pending = ledger::Reader::open(&ledger)?.unfinished()?;
    ensure!(pending > i64::from(count), "the ledger holds {pending} pending requests instead of {count}");
    work(&server, bench.effort.of(POSTS, POSTS_BEFORE_KILL, POSTS_BEFORE_KILL)).await?;
    // `kill -9`.
    drop(server);
    let (recovered, server) = start(bench, &use_cases, &data).await?;
    server.stop()?;

    let megabytes = |id, measure, full: u64, empty: u64, target| Row {
        id,
        measure,
        value: to_megabytes(full),
        unit: "MB",
        baseline: vec![("empty store", to_megabytes(empty))],
        target,
    };
    let millis = |id, measure, full: Duration, empty: Duration, target| Row {
        id,
        measure,
        value: full.as_secs_f64() * 1e3,
        unit: "ms",
        baseline: vec![("empty store", empty.as_secs_f64() * 1e3)],
        target,
    };
    let (memory, time) = (Some(Target::AtMost(200.0)), Some(Target::AtMost(2000.0)));
    Ok(vec![
        megabytes("pending-million-rss", "1,000,000 pending: memory when ready", full.resident, empty.resident, memory),
        megabytes(
            "pending-million-rss-working",
            "1,000,000 pending: after 200 POSTs, 20 lists",
            full.resident_after_work,
            empty.resident_after_work,
            memory,
        ),
        millis("pending-million-health", "1,000,000 pending: start to /health", full.ready.health, empty.ready.health, time),
        millis("pending-million-ready", "1,000,000 pending: start to a POST", full.ready.post, empty.ready.post, time),
        millis("pending-million-recovery", "the same after kill -9", recovered.ready.post, empty.ready.post, time),
    ])
}

async fn start(bench: &Bench, use_cases: &Path, data: &Path) -> anyhow::Result<(Start, Server)> {
    let mut server = Server::spawn(&bench.bin, use_cases, data)?;
    let ready = server.ready(&post(VALIDATED, far_ahead(), 0)).await?;
    let resident = server.resident_bytes()?;
    work(&server, POSTS).await?;
    let mut connection = server.connect().await?;
    for _ in 0..5 {
        for list in LISTS {
            connection.call(&get(list)).await?.expect(200)?;
        }
    }
    let resident_after_work = server.resident_bytes()?;
    Ok((Start { ready, resident, resident_after_work }, server))
}

async fn work(server: &Server, posts: usize) -> anyhow::Result<()> {
    let request: std::sync::Arc<[u8]> = post(VALIDATED, far_ahead(), 1).into();
    let left = std::sync::atomic::AtomicUsize::new(posts);
    let next = move || {
        use std::sync::atomic::Ordering::Relaxed;
        left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok().then(|| std::sync::Arc::clone(&request))
    };
    crate::load::run(server.address, next).await.map(drop)
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
fn to_megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
