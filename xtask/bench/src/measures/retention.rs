//! Latency of accepted requests while the ledger deletes old ones.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use chrono::Utc;
use postdate_core::request::Status;

use crate::fixture::{Bench, VALIDATED, far_ahead, post};
use crate::ledger;
use crate::load::sustained;
use crate::row::{Row, Target};
use crate::sample::Sample;
use crate::server::Server;

/// Measures the load of [`crate::load`] on two equal ledgers of ended requests. The baseline keeps them.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let (count, turn) =
        bench.effort.of((500, Duration::from_millis(200)), (50_000, Duration::from_secs(5)), (200_000, Duration::from_secs(20)));
    let scratch = bench.scratch()?;
    let use_cases = bench.use_cases(scratch.path())?;
    let validated: Arc<[u8]> = post(VALIDATED, far_ahead(), 1).into();
    let mut samples = Vec::new();
    for retention in ["forever", "1h"] {
        let data = scratch.path().join(retention);
        std::fs::create_dir(&data)?;
        let path = data.join("ledger.sqlite");
        drop(ledger::create(&path)?);
        let lane = ledger::Lane { use_case: VALIDATED, version: "gone", target: "here" };
        ledger::fill(&path, lane, count, Utc::now(), Duration::from_hours(1))?;
        ledger::end_all(&path, Duration::from_hours(2))?;
        let mut server = Server::spawn_with(&bench.bin, &use_cases, &data, &["--retention", retention])?;
        server.ready(&validated).await?;
        let load = sustained(server.address, Arc::clone(&validated), turn).await?;
        let left = ledger::Reader::open(&path)?.with_status(Status::Succeeded)?;
        eprintln!("    retention {retention}: {left} of {count} ended requests are left after the run");
        ensure!((left < i64::from(count)) == (retention != "forever"), "the retention {retention} left {left} of {count} requests");
        server.stop()?;
        samples.push(Sample::of_durations("retention", &load.latencies)?);
    }
    let row = |id, measure, percent, slack: Option<f64>| {
        let kept = samples[0].percentile(percent);
        let (value, target) = (samples[1].percentile(percent), slack.map(|slack| Target::AtMost(kept + slack)));
        Row { id, measure, value, unit: "ms", baseline: vec![("nothing to delete", kept)], target }
    };
    Ok(vec![
        row("retention-p50", "accepted POSTs while old requests are deleted, p50", 50, None),
        row("retention-p99", "their latency, p99", 99, Some(1.0)),
    ])
}
