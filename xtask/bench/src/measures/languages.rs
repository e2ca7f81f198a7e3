//! Cost of a plugin's language: the use case `orders` in each language, which pass the same test cases, called in turns on one host.

use std::os::unix::fs::DirBuilderExt as _;

use anyhow::{Context, ensure};
use postdate_core::plugin::{Job, PluginError, ValidateInput};
use postdate_runtime::{CallOptions, LoadedBundle, Options, Report, Runtime, read_bundle_dir};
use postdate_tests::tools::root;

use crate::fixture::{Bench, Effort};
use crate::row::Row;
use crate::sample::Sample;

/// The bundle that is the baseline.
const RUST: &str = "use-cases/orders";
/// The other bundles, and their rows.
const OTHERS: [(&str, Rows); 2] = [
    (
        "plugins/examples/orders-js",
        Rows {
            validate: ("language-js-validate", "validate call of a JavaScript guest, median"),
            process: ("language-js-process", "  process call of the same"),
            memory: ("language-js-memory", "  memory of the same, most of any call"),
        },
    ),
    (
        "plugins/examples/orders-python",
        Rows {
            validate: ("language-python-validate", "validate call of a Python guest, median"),
            process: ("language-python-process", "  process call of the same"),
            memory: ("language-python-memory", "  memory of the same, most of any call"),
        },
    ),
];

/// Id and description of each row of a bundle.
struct Rows {
    validate: (&'static str, &'static str),
    process: (&'static str, &'static str),
    memory: (&'static str, &'static str),
}

/// Calls of a guest before the next guest's turn.
const BATCH: usize = 25;

const ORDER: &str = r#"{"item":"book","quantity":2,"customer":"ada"}"#;
const ACCEPTED: &str = r#"{"item":"book","quantity":2,"customer":"ada","total":2500,"currency":"EUR"}"#;

/// Times in microseconds, and peak memory in MiB.
#[derive(Default)]
struct Measured {
    validate: Vec<f64>,
    process: Vec<f64>,
    memory: f64,
}

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    // A cache saves compiling in later runs: an interpreter takes up to a minute. Compile time is not measured.
    let cache = bench.directory.join("cache/languages");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&cache)?;
    let runtime = Runtime::new(Options { cache: Some(cache), ..Options::default() })?;
    let mut guests = Vec::new();
    // A debug build compiles each interpreter for minutes, so a smoke run measures the Rust guest three times.
    let places = if bench.effort == Effort::Smoke { [RUST; 3] } else { [RUST, OTHERS[0].0, OTHERS[1].0] };
    for place in places {
        let source = read_bundle_dir(&root().join(place)).with_context(|| format!("{place} is not built: run `cargo xtask bench`"))?;
        guests.push((runtime.load(&source, &postdate_runtime::Secrets::none()).await?, Measured::default()));
    }
    for round in 0..=bench.effort.of(1, 20, 20) {
        for (bundle, measured) in &mut guests {
            let batch = batch(bundle).await.with_context(|| format!("in round {round}"))?;
            if round > 0 {
                measured.add(batch);
            }
        }
    }
    let mut measured = guests.into_iter().map(|(_, measured)| measured);
    let rust = measured.next().context("the baseline was not measured")?;
    let rows = OTHERS.iter().zip(measured).map(|((place, rows), other)| rows.of(place, &other, &rust));
    Ok(rows.collect::<anyhow::Result<Vec<_>>>()?.concat())
}

async fn batch(bundle: &LoadedBundle) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    for _ in 0..BATCH {
        let report = bundle.call_validate(input(), CallOptions::default()).await;
        measured.validate.push(measured_call(&report, &mut measured.memory));
        ensure!(answer(report)?.is_ok(), "the validator refused the request");
        let report = bundle.call_process(job(), CallOptions::default()).await;
        measured.process.push(measured_call(&report, &mut measured.memory));
        ensure!(answer(report)?.is_ok(), "the processor failed");
    }
    Ok(measured)
}

fn measured_call<T>(report: &Report<T>, memory: &mut f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a gigabyte at the most")]
    let mib = report.peak_memory as f64 / f64::from(1 << 20);
    *memory = memory.max(mib);
    report.elapsed.as_secs_f64() * 1e6
}

fn answer<T>(report: Report<T>) -> Result<T, PluginError> {
    report.result
}

impl Measured {
    fn add(&mut self, other: Self) {
        self.validate.extend(other.validate);
        self.process.extend(other.process);
        self.memory = self.memory.max(other.memory);
    }
}

impl Rows {
    fn of(&self, place: &str, other: &Measured, rust: &Measured) -> anyhow::Result<Vec<Row>> {
        let median = |values: &[f64]| Ok::<_, anyhow::Error>(Sample::new(place, values.to_vec())?.median());
        let row = |(id, measure), value, unit, rust| Row { id, measure, value, unit, baseline: vec![("Rust guest", rust)], target: None };
        Ok(vec![
            row(self.validate, median(&other.validate)?, "µs", median(&rust.validate)?),
            row(self.process, median(&other.process)?, "µs", median(&rust.process)?),
            row(self.memory, other.memory, "MiB", rust.memory),
        ])
    }
}

fn input() -> ValidateInput {
    ValidateInput {
        id: ID.to_owned(),
        use_case: "orders".to_owned(),
        received_at: "2027-01-01T00:00:00.000Z".to_owned(),
        trigger_at: "2027-01-02T00:00:00.000Z".to_owned(),
        target: None,
        caller: Vec::new(),
        headers: Vec::new(),
        body: ORDER.to_owned(),
    }
}

fn job() -> Job {
    Job {
        id: ID.to_owned(),
        use_case: "orders".to_owned(),
        target: "here".to_owned(),
        attempt: 1,
        scheduled_for: "2027-01-02T00:00:00.000Z".to_owned(),
        body: ACCEPTED.to_owned(),
        trace: None,
    }
}

const ID: &str = "019a0000-0000-7000-8000-000000000000";
