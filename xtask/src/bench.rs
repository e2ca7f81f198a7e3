//! `cargo xtask bench`: release builds, then the measures.

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::Result;

use crate::{
    examples, guests, lambda,
    step::{asks_for_help, cargo, passed_on, root, step, target},
};

const HELP: &str = "\
cargo xtask bench [-- ARGS]

Measures the host beside a baseline of the same run. Prints a table and writes target/bench/ (an SVG chart, summary.json).
ARGS go to the benchmark; `cargo xtask bench -- --help` lists them.";

pub fn run(arguments: Vec<OsString>) -> Result<ExitCode> {
    if asks_for_help(&arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    guests::build()?;
    examples::build()?;
    // Both at once: their dependencies are the same, and are built once.
    let packages = ["--package", "postdate", "--package", "postdate-bench"];
    step("Building the host and the benchmark for release", cargo("build").args(["--release", "--locked"]).args(packages))?;
    let release = |program: &str| target().join("release").join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
    let lambdas = lambda::with_baselines(&target().join("bench/lambda"))?;
    let mut bench = Command::new(release("postdate-bench"));
    bench.current_dir(root()).args(passed_on(arguments));
    bench.env("POSTDATE_BIN", release("postdate")).env("POSTDATE_LAMBDAS", lambdas);
    bench.env("POSTDATE_GUESTS", guests::components()).env("POSTDATE_USE_CASES", root().join("use-cases"));
    step("Measuring", &mut bench)?;
    Ok(ExitCode::SUCCESS)
}
