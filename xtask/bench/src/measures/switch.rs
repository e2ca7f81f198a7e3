//! Effect of version changes on the clients of a use case under load.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::fixture::{Bench, UNVALIDATED, VALIDATED, far_ahead, post};
use crate::load::{Load, sustained};
use crate::row::Row;
use crate::sample::Sample;
use crate::server::Server;

/// Time between two changes. A server polls twice a second, and loads a version that two polls in a row have seen.
const PAUSE: Duration = Duration::from_millis(1200);

/// Measures load with a version change every [`PAUSE`], and the same load without changes. Fails if an answer is not 202.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let (rounds, turn) = bench.effort.of((1, Duration::from_secs(3)), (1, Duration::from_secs(3)), (3, Duration::from_secs(6)));
    let scratch = bench.scratch()?;
    let use_cases = bench.use_cases(scratch.path())?;
    let mut server = Server::spawn(&bench.bin, &use_cases, &scratch.path().join("data"))?;
    let request: Arc<[u8]> = post(VALIDATED, far_ahead(), 1).into();
    server.ready(&request).await?;
    sustained(server.address, post(UNVALIDATED, far_ahead(), 1).into(), turn / 3).await?;

    let (mut steady, mut switching, mut changes) = (Load::default(), Load::default(), 0_u32);
    for _ in 0..rounds {
        steady.add(sustained(server.address, Arc::clone(&request), turn).await?);
        let load = sustained(server.address, Arc::clone(&request), turn);
        let bundle = use_cases.join(VALIDATED);
        let (load, made) = tokio::join!(load, change_until(&bundle, changes, turn));
        switching.add(load.context("a request failed while the version changed")?);
        changes += made?;
    }
    server.stop()?;
    anyhow::ensure!(changes > 1, "the version did not change");
    eprintln!("    {changes} changes under {} POSTs, each answered 202", switching.latencies.len());
    let (with, without) = (Sample::of_durations("switch", &switching.latencies)?, Sample::of_durations("no switch", &steady.latencies)?);
    Ok(vec![
        Row {
            id: "switch-posts",
            measure: "accepted POSTs while the version changes, none failed",
            value: switching.per_second(),
            unit: "/s",
            baseline: vec![("no change", steady.per_second())],
            target: None,
        },
        Row {
            id: "switch-p99",
            measure: "their latency, p99",
            value: with.percentile(99),
            unit: "ms",
            baseline: vec![("no change", without.percentile(99))],
            target: None,
        },
    ])
}

/// Writes a changed manifest every [`PAUSE`]. Returns the number of changes.
async fn change_until(bundle: &Path, already: u32, time: Duration) -> anyhow::Result<u32> {
    let (begun, mut made) = (Instant::now(), 0);
    while begun.elapsed() + PAUSE < time {
        made += 1;
        let manifest = format!(
            "name = \"{VALIDATED}\"\ndescription = \"change {}\"\n[process]\nplugin = \"process.wasm\"\n[validate]\nplugin = \"validate.wasm\"\n",
            already + made
        );
        let draft = bundle.join(".use-case.toml");
        let placed = std::fs::write(&draft, manifest).and_then(|()| std::fs::rename(&draft, bundle.join("use-case.toml")));
        placed.with_context(|| format!("cannot change {}", bundle.display()))?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(made)
}
