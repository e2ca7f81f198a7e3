//! Many requests that one command cancels.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use postdate_tests::process::postdate;
use serde_json::Value;

use crate::client::{Connection, delete};
use crate::fixture::{Bench, UNVALIDATED, VALIDATED, far_ahead, post};
use crate::ledger::Reader;
use crate::load::{self, Load};
use crate::row::{Row, Target};
use crate::server::Server;

/// Measures `postdate request cancel` with a filter, from the start of the command to its end, its lists included. The first baseline makes
/// such calls one after the other; the second is the load that posted the requests.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let (rounds, count, alone) = bench.effort.of((1, 100, 20), (1, 10_000, 1_000), (3, 10_000, 2_000));
    let scratch = bench.scratch()?;
    let data = scratch.path().join("data");
    let mut server = Server::spawn(&bench.bin, &bench.use_cases(scratch.path())?, &data)?;
    server.ready(&post(VALIDATED, far_ahead(), 0)).await?;
    let reader = Reader::open(&data.join("ledger.sqlite"))?;
    let (mut posted, mut bulk, mut single) = (Load::default(), Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        posted.add(fill(server.address, UNVALIDATED, count).await?);
        bulk += cancel_all(bench, server.address, count)?;
        fill(server.address, VALIDATED, alone).await?;
        single += cancel_each(server.address, &reader.scheduled_ids(VALIDATED, alone)?).await?;
    }
    server.stop()?;
    let per_second = |count: u32, time: Duration| f64::from(rounds * count) / time.as_secs_f64();
    Ok(vec![Row {
        id: "bulk-cancel",
        measure: "10,000 requests cancelled by one command",
        value: per_second(count, bulk),
        unit: "/s",
        baseline: vec![("calls over one connection", per_second(alone, single)), ("accepted POSTs", posted.per_second())],
        // 10 seconds for the 10,000.
        target: Some(Target::AtLeast(1_000.0)),
    }])
}

async fn fill(address: SocketAddr, use_case: &str, count: u32) -> anyhow::Result<Load> {
    let (request, left) = (Arc::<[u8]>::from(post(use_case, far_ahead(), 1)), AtomicU32::new(count));
    let take = move |left: u32| left.checked_sub(1);
    load::run(address, move || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok().then(|| Arc::clone(&request))).await
}

/// Cancels all requests of [`UNVALIDATED`] by the command, and returns its time.
fn cancel_all(bench: &Bench, address: SocketAddr, count: u32) -> anyhow::Result<Duration> {
    let mut command = postdate(&bench.bin);
    command.args(["request", "cancel", "--url", &format!("http://{address}"), "--use-case", UNVALIDATED, "--yes", "--json"]);
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", bench.bin.display()))?;
    let elapsed = started.elapsed();
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).context("the command printed no JSON")?;
    ensure!(result["changed"] == count, "{count} requests were to be cancelled: {result}");
    Ok(elapsed)
}

/// Cancels requests by one call after the other, and returns the time of all.
async fn cancel_each(address: SocketAddr, ids: &[String]) -> anyhow::Result<Duration> {
    let mut connection = Connection::open(address).await.context("cannot connect to the server")?;
    let started = Instant::now();
    for id in ids {
        connection.call(&delete(&format!("/requests/{id}"))).await?.expect(200)?;
    }
    Ok(started.elapsed())
}
