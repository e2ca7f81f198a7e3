//! Loads a precompiled use case as a host without a compiler does: reads the list, compares digests, maps and links the machine code.
//! The files are in the page cache. Measures a call in a fresh instance too.

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use postdate_core::ports::Bundle as _;
use postdate_runtime::artifacts::ARTIFACTS_DIR;
use postdate_runtime::trust::Trust;
use postdate_runtime::{LoadedBundle, Options, Runtime, Secrets, read_precompiled_dir};

use super::validate_call::input;
use crate::fixture::{Bench, VALIDATOR, bundle};
use crate::lambda::JavaScript;
use crate::row::{Row, Target};
use crate::sample::Sample;

/// Extension of files of machine code.
const MACHINE_CODE: &str = "cwasm";

/// Measures medians; the guests take turns.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let rounds = bench.effort.of(2, 20, 200);
    let scratch = bench.scratch()?;
    let rust = scratch.path().join("rust");
    bundle(&rust, "rust", VALIDATOR, &[("validate.wasm", &bench.guest("minimal-validate"))])?;
    bench.precompile(&rust)?;
    let mut guests = vec![Guest::new(rust)?];
    if let Some(javascript) = JavaScript::install(&bench.directory) {
        let js = scratch.path().join("js");
        bundle(&js, "js", VALIDATOR, &[("validate.wasm", &javascript.validator(bench)?)])?;
        bench.precompile(&js)?;
        guests.push(Guest::new(js)?);
    }
    let runtime = Runtime::new(Options::default())?;
    for turn in 0..=rounds {
        for guest in &mut guests {
            let times = guest.turn(&runtime).await?;
            // The first turn fills the page cache.
            if turn > 0 {
                guest.times.push(times);
            }
        }
    }
    rows(&guests)
}

/// A precompiled bundle with one plugin.
struct Guest {
    bundle: PathBuf,
    code: PathBuf,
    times: Vec<Times>,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    load: Duration,
    digest: Duration,
    call: Duration,
}

impl Guest {
    fn new(bundle: PathBuf) -> anyhow::Result<Self> {
        let code = only_code(&bundle.join(ARTIFACTS_DIR))?;
        Ok(Self { bundle, code, times: Vec::new() })
    }

    async fn turn(&self, runtime: &Runtime) -> anyhow::Result<Times> {
        let (digest, trust) = (digest(&self.code)?, &Trust::default());
        let begun = Instant::now();
        let compiled = read_precompiled_dir(&self.bundle, trust)?;
        let loaded = runtime.load_precompiled(&compiled, &Secrets::none()).await?;
        let load = begun.elapsed();
        // The first call also maps pages of the file. The second one is measured: its cost is that of each request.
        call(&loaded).await?;
        Ok(Times { load, digest, call: call(&loaded).await? })
    }

    fn median(&self, what: &str, part: impl Fn(&Times) -> Duration) -> anyhow::Result<f64> {
        Ok(Sample::of_durations(what, &self.times.iter().map(part).collect::<Vec<_>>())?.median())
    }
}

/// Measures the baseline: reading the file and computing its digest, which every load does to detect damage. A bare
/// `Component::deserialize_file` would be a better baseline, but is `unsafe`; the project allows `unsafe` in one function of the host.
fn digest(code: &Path) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut hasher = blake3::Hasher::new();
    let file = File::open(code).with_context(|| format!("cannot open {}", code.display()))?;
    hasher.update_reader(file).with_context(|| format!("cannot read {}", code.display()))?;
    black_box(hasher.finalize());
    Ok(begun.elapsed())
}

async fn call(bundle: &LoadedBundle) -> anyhow::Result<Duration> {
    let input = input();
    let begun = Instant::now();
    let verdict = bundle.validate(input).await?;
    let took = begun.elapsed();
    ensure!(verdict.is_ok(), "the validator refused the request: {verdict:?}");
    Ok(took)
}

fn only_code(dir: &Path) -> anyhow::Result<PathBuf> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    let mut code = paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == MACHINE_CODE));
    match (code.next(), code.next()) {
        (Some(path), None) => Ok(path),
        _ => anyhow::bail!("{} does not have exactly one file of machine code", dir.display()),
    }
}

/// Returns the rows. `guests` are Rust, and JavaScript if Node.js is there.
fn rows(guests: &[Guest]) -> anyhow::Result<Vec<Row>> {
    let load = |id, measure, guest: &Guest, most| {
        let baseline = vec![("read and digest", guest.median("digest", |times| times.digest)?)];
        let value = guest.median(id, |times| times.load)?;
        Ok::<_, anyhow::Error>(Row { id, measure, value, unit: "ms", baseline, target: Some(Target::AtMost(most)) })
    };
    let mut rows = Vec::new();
    if let Some(rust) = guests.first() {
        rows.push(load("load-compiled-rust", "load of a compiled Rust guest, warm disk, median", rust, 1.0)?);
    }
    if let [rust, javascript] = guests {
        rows.push(load("load-compiled-js", "  the same, JavaScript guest", javascript, 5.0)?);
        rows.push(Row {
            id: "call-js",
            measure: "fresh JavaScript instance and call, median",
            value: javascript.median("call-js", |times| times.call)?,
            unit: "ms",
            baseline: vec![("Rust guest", rust.median("call-rust", |times| times.call)?)],
            target: None,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
