//! Throughput of accepted requests, each of them validated and durable.

use std::sync::Arc;
use std::time::Duration;

use crate::fixture::{Bench, UNVALIDATED, VALIDATED, far_ahead, post};
use crate::ledger;
use crate::load::{CONNECTIONS, Load, sustained};
use crate::row::{Row, Target};
use crate::sample::Sample;
use crate::server::Server;

/// Measures throughput and latency over [`CONNECTIONS`] connections. The load generator uses the same cores.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let (rounds, turn) = bench.effort.of((1, Duration::from_millis(200)), (2, Duration::from_secs(1)), (4, Duration::from_secs(3)));
    let scratch = bench.scratch()?;
    let use_cases = bench.use_cases(scratch.path())?;
    let mut server = Server::spawn(&bench.bin, &use_cases, &scratch.path().join("data"))?;
    let validated: Arc<[u8]> = post(VALIDATED, far_ahead(), 1).into();
    let unvalidated: Arc<[u8]> = post(UNVALIDATED, far_ahead(), 1).into();
    server.ready(&validated).await?;

    let (mut with, mut without) = (Load::default(), Load::default());
    for round in 0..=rounds {
        // Alternating, so that changes of the machine's speed affect both. The first round warms up.
        let (one, other) = (
            sustained(server.address, Arc::clone(&validated), turn).await?,
            sustained(server.address, Arc::clone(&unvalidated), turn).await?,
        );
        if round > 0 {
            with.add(one);
            without.add(other);
        }
    }
    server.stop()?;
    let mut plain = ledger::create(&scratch.path().join("plain.sqlite"))?;
    let group_commit = ledger::group_commits_per_second(&mut plain, CONNECTIONS, turn)?;

    let latency = Sample::of_durations("accepted-posts", &with.latencies)?;
    let latency_without = Sample::of_durations("accepted-posts, no validator", &without.latencies)?;
    let row = |id, measure, percent| Row {
        id,
        measure,
        value: latency.percentile(percent),
        unit: "ms",
        baseline: vec![("no validator", latency_without.percentile(percent))],
        target: None,
    };
    Ok(vec![
        Row {
            id: "accepted-posts",
            measure: "accepted POSTs, validated and fsynced",
            value: with.per_second(),
            unit: "/s",
            baseline: vec![("no validator", without.per_second()), ("SQLite group commit", group_commit)],
            target: Some(Target::AtLeast(8000.0)),
        },
        row("accepted-posts-p50", "their latency, p50", 50),
        row("accepted-posts-p99", "their latency, p99", 99),
    ])
}
