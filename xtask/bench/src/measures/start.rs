//! Time from spawn to the first answer, with plugins in the compile cache.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::fixture::{Bench, VALIDATED, far_ahead, post};
use crate::row::{Row, Target};
use crate::sample::Sample;
use crate::server::Server;

/// Measures the median of starts on the same data, with an orderly stop after each.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let times = bench.effort.of(1, 3, 7);
    let scratch = bench.scratch()?;
    let use_cases = bench.use_cases(scratch.path())?;
    let data = scratch.path().join("data");
    let request = post(VALIDATED, far_ahead(), 1);
    let (mut starts, mut versions) = (Vec::new(), Vec::new());
    for turn in 0..=times {
        let mut server = Server::spawn(&bench.bin, &use_cases, &data)?;
        let start = server.first_answer(&request).await?;
        server.stop()?;
        let version = version_only(&bench.bin)?;
        // The first start fills the compile cache.
        if turn > 0 {
            starts.push(start);
            versions.push(version);
        }
    }
    Ok(vec![Row {
        id: "start",
        measure: "start to the first validated POST, median",
        value: Sample::of_durations("start", &starts)?.median(),
        unit: "ms",
        baseline: vec![("--version", Sample::of_durations("--version", &versions)?.median())],
        target: Some(Target::AtMost(100.0)),
    }])
}

/// Measures the baseline, a lower bound for a start of the binary: printing its version.
fn version_only(bin: &Path) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let status = Command::new(bin)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", bin.display()))?;
    ensure!(status.success(), "{} --version failed: {status}", bin.display());
    Ok(started.elapsed())
}
