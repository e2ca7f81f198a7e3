//! Warm requests of Lambdas: the processor's own time, memory, and AWS calls.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::{SecondsFormat, TimeDelta, Utc};
use postdate_tests::files::copy;
use postdate_tests::tools::samples;
use serde_json::{Value, json};

use crate::fixture::Bench;
use crate::lambda::{Environment, Stub, accepted, post};
use crate::row::{Row, Target};
use crate::sample::Sample;

const REQUESTS: usize = 1000;
/// Number of requests before the last measurement of memory.
const MANY: usize = 5000;
/// Requests of a program before the next program's turn, so that changes of the machine's speed affect all.
const TURN: usize = 50;

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scratch = bench.scratch()?;
    copy(&samples().join("orders"), &scratch.path().join("orders"));
    bench.precompile(&scratch.path().join("orders"))?;
    let use_cases = scratch.path().display().to_string();
    let stub = Stub::start(None).await;
    let processor = &mut Command::new(bench.programs.function("processor"));
    let mut processor = Environment::spawn(processor, &stub, &use_cases, &[]).await?;
    let plain = &mut Command::new(bench.programs.baseline("plain"));
    let mut plain = Environment::spawn(plain, &stub, &use_cases, &[]).await?;
    let hello = &mut Command::new(bench.programs.baseline("hello"));
    let mut hello = Environment::spawn(hello, &stub, &use_cases, &[]).await?;

    let event = post("orders", r#"{"delay":"PT3H","item":"book","quantity":2}"#);
    let (mut ours, mut theirs, mut least, mut memory) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // Number of compared requests, and of all requests. Memory is measured after both.
    let (compared, requests) = bench.effort.of((100, 100), (REQUESTS, REQUESTS), (REQUESTS, MANY));
    for turn in 0..requests / TURN {
        for _ in 0..TURN {
            let (took, answer) = processor.invoke(&event).await?;
            accepted(&answer)?;
            ours.push(took);
        }
        if turn < compared / TURN {
            theirs.extend(times(&mut plain, &event).await?);
            least.extend(times(&mut hello, &event).await?);
        }
        let done = (turn + 1) * TURN;
        if [100, compared, requests].contains(&done) {
            memory.push((done, to_mib(processor.memory()?)));
        }
    }
    let p99 = |name: &str, times: &[Duration]| Ok::<_, anyhow::Error>(Sample::of_durations(name, &times[TURN..compared])?.percentile(99));
    let (ours, theirs, least) = (p99("processor", &ours)?, p99("plain", &theirs)?, p99("hello", &least)?);
    let row = |id, measure, value, unit, baseline, target| Row { id, measure, value, unit, baseline, target };
    let mut rows = vec![row(
        "lambda-warm",
        "Lambda: warm POST, own time beside the same calls, p99",
        (ours - theirs).max(0.0),
        "ms",
        vec![("whole", ours), ("lambda_http, same calls", theirs), ("hello world", least)],
        Some(Target::AtMost(1.0)),
    )];
    let at = |requests: usize| memory.iter().find(|(done, _)| *done == requests).map(|(_, mib)| *mib);
    let mut baseline = vec![("after 100", at(100).context("memory after 100")?)];
    baseline.extend(at(MANY).map(|mib| ("after 5,000", mib)));
    baseline.push(("lambda_http, same calls", to_mib(plain.memory()?)));
    let after = at(compared).context("memory after 1,000")?;
    rows.push(row("lambda-memory", "Lambda: memory after 1,000 warm POSTs", after, "MiB", baseline, Some(Target::AtMost(64.0))));
    rows.extend(calls(bench, &stub, &mut processor, &use_cases).await?);
    Ok(rows)
}

async fn times(environment: &mut Environment, event: &Value) -> anyhow::Result<Vec<Duration>> {
    let mut all = Vec::with_capacity(TURN);
    for _ in 0..TURN {
        all.push(environment.invoke(event).await?.0);
    }
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "a process has no 2^53 bytes")]
fn to_mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Counts the AWS calls to accept, to park, and to fire and clean up. Prints their names to stderr.
async fn calls(bench: &Bench, stub: &Stub, processor: &mut Environment, use_cases: &str) -> anyhow::Result<Vec<Row>> {
    let target = &mut Command::new(bench.programs.function("target"));
    let mut target = Environment::spawn(target, stub, use_cases, &[]).await?;
    target.ready().await?;
    stub.take_calls();
    stub.take_events();
    // More than 15 minutes ahead, so that the request gets a rule. Its event comes in the minute before the due time.
    let at = Utc::now() + TimeDelta::seconds(902);
    let body = json!({ "triggerAt": at.to_rfc3339_opts(SecondsFormat::Millis, true), "item": "book", "quantity": 2 });
    let (_, answer) = processor.invoke(&post("orders", &body.to_string())).await?;
    accepted(&answer)?;
    let accept = stub.take_calls();
    let mut rule: Value = serde_json::from_str(&stub.take_events().pop().context("no rule was given an event")?)?;
    rule["scheduledFor"] = json!((Utc::now() + TimeDelta::seconds(50)).to_rfc3339_opts(SecondsFormat::Millis, true));
    target.invoke(&rule).await?;
    let park = stub.take_calls();
    ensure!(stub.take_events().len() == 1, "the early event was not parked: {park:?}");

    // A request that is due now takes the rest of the way.
    let soon = Utc::now() + TimeDelta::milliseconds(1500);
    let body = json!({ "triggerAt": soon.to_rfc3339_opts(SecondsFormat::Millis, true), "item": "book", "quantity": 2 });
    let (_, answer) = processor.invoke(&post("orders", &body.to_string())).await?;
    accepted(&answer)?;
    let mut envelope: Value = serde_json::from_str(&stub.take_events().pop().context("no message was sent")?)?;
    let id = envelope["correlationId"].as_str().unwrap_or_default().to_owned();
    envelope["rule"] = json!(format!("postdate-orders-{id}"));
    stub.take_calls();
    target.invoke(&envelope).await?;
    let fire = stub.take_calls();
    for (what, calls) in [("accept", &accept), ("park", &park), ("fire and clean", &fire)] {
        eprintln!("    {what}: {}", calls.join(", "));
    }
    let row = |id, measure, calls: &[String], target| Row {
        id,
        measure,
        value: f64::from(u32::try_from(calls.len()).unwrap_or(u32::MAX)),
        unit: "calls",
        baseline: vec![("the original, without a ledger", 2.0)],
        target,
    };
    Ok(vec![
        row("aws-calls-accept", "AWS calls to accept, by a rule", &accept, Some(Target::AtMost(3.0))),
        row("aws-calls-park", "AWS calls to park the rest of the minute", &park, None),
        row("aws-calls-fire", "AWS calls to fire and clean up", &fire, Some(Target::AtMost(5.0))),
    ])
}
