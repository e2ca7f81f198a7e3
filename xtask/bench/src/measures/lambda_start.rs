//! Cold starts of Lambdas: the time from spawn to the answer to an accepted POST.

use std::process::Command;
use std::time::Duration;

use postdate_tests::files::copy;
use postdate_tests::tools::samples;

use crate::fixture::{Bench, VALIDATOR, bundle};
use crate::lambda::{Environment, JavaScript, Stub, accepted, built, post};
use crate::row::{Row, Target};
use crate::sample::Sample;

/// Directory of files fetched from a bucket. Removed before each start, since a new environment on Lambda has none.
const FETCHED: &str = "/tmp/postdate";
const ORDER: &str = r#"{"delay":"PT3H","item":"book","quantity":2}"#;

/// Measures medians of cold starts; the kinds take turns.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let times = bench.effort.of(1, 5, 21);
    let scratch = bench.scratch()?;
    let rust = scratch.path().join("rust");
    copy(&samples().join("orders"), &rust.join("orders"));
    bench.precompile(&rust.join("orders"))?;
    let processor = bench.programs.function("processor");
    let (plain, hello) = (bench.programs.baseline("plain"), bench.programs.baseline("hello"));
    for program in [&processor, &plain, &hello] {
        built(program)?;
    }
    let rust = rust.display().to_string();
    let mut kinds = vec![
        Kind { name: "rust", program: processor.clone().into(), use_cases: rust.clone(), event: post("orders", ORDER) },
        Kind { name: "plain", program: plain.into(), use_cases: rust.clone(), event: post("orders", ORDER) },
        Kind { name: "hello", program: hello.into(), use_cases: rust.clone(), event: post("orders", ORDER) },
    ];
    let javascript = JavaScript::install(&bench.directory);
    if let Some(javascript) = &javascript {
        let js = scratch.path().join("js/js");
        bundle(&js, "js", VALIDATOR, &[("validate.wasm", &javascript.validator(bench)?)])?;
        bench.precompile(&js)?;
        let package = scratch.path().join("js").display().to_string();
        kinds.push(Kind { name: "js", program: processor.clone().into(), use_cases: package, event: post("js", r#"{"delay":"PT3H"}"#) });
        bench.push(&js, &scratch.path().join("bucket/use-cases"))?;
        let bucket = "s3://bench/use-cases".to_owned();
        kinds.push(Kind { name: "js from s3", program: processor.into(), use_cases: bucket, event: post("js", r#"{"delay":"PT3H"}"#) });
        let node = Program::Node(javascript);
        kinds.push(Kind { name: "node", program: node, use_cases: rust, event: post("orders", ORDER) });
    }
    let stub = Stub::start(Some(&scratch.path().join("bucket"))).await;
    let mut starts: Vec<Vec<Duration>> = vec![Vec::new(); kinds.len()];
    for turn in 0..=times {
        for (kind, starts) in kinds.iter().zip(&mut starts) {
            let start = kind.start(&stub).await?;
            // The first turn fills the page cache.
            if turn > 0 {
                starts.push(start);
            }
        }
    }
    let median = |name: &str| {
        let index = kinds.iter().position(|kind| kind.name == name);
        index.map(|index| Ok::<_, anyhow::Error>(Sample::of_durations(name, &starts[index])?.median())).transpose()
    };
    let rust = median("rust")?.unwrap_or_default();
    let mut baseline = vec![("lambda_http, same calls", median("plain")?.unwrap_or_default())];
    baseline.push(("hello world", median("hello")?.unwrap_or_default()));
    if let Some(node) = median("node")? {
        baseline.push(("Node.js, same calls", node));
    }
    let measure = "Lambda: cold start to an accepted POST, median";
    let mut rows = vec![Row { id: "lambda-start", measure, value: rust, unit: "ms", baseline, target: Some(Target::TimesBaseline(1.4)) }];
    if let (Some(package), Some(bucket)) = (median("js")?, median("js from s3")?) {
        let row = |id, measure, value, target| Row { id, measure, value, unit: "ms", baseline: vec![("Rust guest", rust)], target };
        let most = Some(Target::AtMost(rust + 10.0));
        rows.push(row("lambda-start-js", "  the same, JavaScript guest in the package", package, most));
        rows.push(row("lambda-start-js-s3", "  the same, fetched from a bucket on loopback", bucket, None));
    }
    Ok(rows)
}

enum Program<'a> {
    File(std::path::PathBuf),
    Node(&'a JavaScript),
}

impl From<std::path::PathBuf> for Program<'_> {
    fn from(path: std::path::PathBuf) -> Self {
        Self::File(path)
    }
}

struct Kind<'a> {
    name: &'static str,
    program: Program<'a>,
    use_cases: String,
    event: serde_json::Value,
}

impl Kind<'_> {
    async fn start(&self, stub: &Stub) -> anyhow::Result<Duration> {
        match std::fs::remove_dir_all(FETCHED) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut command = match &self.program {
            Program::File(path) => Command::new(path),
            Program::Node(javascript) => javascript.lambda(),
        };
        let mut environment = Environment::spawn(&mut command, stub, &self.use_cases, &[("POSTDATE_PREFETCH", "js")]).await?;
        let (took, answer) = environment.first_answer(&self.event).await?;
        if self.name != "hello" {
            accepted(&answer)?;
        }
        Ok(took)
    }
}
