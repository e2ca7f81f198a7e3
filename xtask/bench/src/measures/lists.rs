//! Lists of the requests of many use cases.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::Utc;
use serde_json::Value;

use crate::client::{Connection, get};
use crate::fixture::{Bench, VALIDATED, far_ahead, post};
use crate::ledger;
use crate::row::{Row, Target};
use crate::sample::Sample;
use crate::server::Server;

const USE_CASES: u32 = 256;
/// Time between two requests.
const APART: Duration = Duration::from_mins(1);
const LIMIT: usize = 100;

/// Measures pages of a list without filters, from the first on, in a ledger whose requests are spread evenly over use cases and statuses.
/// The baseline lists one use case.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let (count, pages) = bench.effort.of((2_000, 5), (100_000, 100), (100_000, 200));
    let scratch = bench.scratch()?;
    let data = scratch.path().join("data");
    std::fs::create_dir(&data)?;
    let path = data.join("ledger.sqlite");
    drop(ledger::create(&path)?);
    let lane = ledger::Lane { use_case: VALIDATED, version: "gone", target: "here" };
    ledger::fill(&path, lane, count, Utc::now() + APART * 60 * 24, APART * count)?;
    ledger::spread(&path, USE_CASES)?;
    let mut server = Server::spawn_with(&bench.bin, &bench.use_cases(scratch.path())?, &data, &["--retention", "forever"])?;
    server.ready(&post(VALIDATED, far_ahead(), 0)).await?;
    let mut connection = server.connect().await?;
    let (mut all, mut single) = (Vec::new(), Vec::new());
    // Alternating, so that changes of the machine's speed affect both.
    let (mut cursor, mut cursor_of_one) = (String::new(), String::new());
    for _ in 0..pages {
        all.push(page(&mut connection, "", &mut cursor).await?);
        single.push(page(&mut connection, &format!("&useCase={}1", ledger::SPREAD), &mut cursor_of_one).await?);
    }
    server.stop()?;
    let (all, single) = (Sample::of_durations("lists", &all)?, Sample::of_durations("lists of one use case", &single)?);
    let row = |id, measure, percent| Row {
        id,
        measure,
        value: all.percentile(percent),
        unit: "ms",
        baseline: vec![("one use case", single.percentile(percent))],
        target: Some(Target::AtMost(10.0)),
    };
    Ok(vec![
        row("list-256-use-cases-p50", "a page of 100 of the requests of 256 use cases, p50", 50),
        row("list-256-use-cases-p99", "the same, p99", 99),
    ])
}

/// Reads the page at the cursor, moves the cursor to the next one, and returns the time of the call. Begins anew after the last page.
async fn page(connection: &mut Connection, filter: &str, cursor: &mut String) -> anyhow::Result<Duration> {
    let call = get(&format!("/requests?limit={LIMIT}{filter}{cursor}"));
    let started = Instant::now();
    let answer = connection.call(&call).await?;
    let elapsed = started.elapsed();
    answer.expect(200)?;
    let page: Value = serde_json::from_slice(answer.body).context("a page that is no JSON")?;
    let listed = page["requests"].as_array().map_or(0, Vec::len);
    *cursor = page["nextCursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
    ensure!(listed > 0 && (listed == LIMIT || cursor.is_empty()), "a page has {listed} requests");
    Ok(elapsed)
}
