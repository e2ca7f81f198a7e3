//! `cargo xtask bench`: builds the measured programs and the benchmark, then runs it.

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::Result;

use crate::{
    build::{HOSTS, PROGRAMS_AND_TESTS, debug, knowing_paths},
    examples, guests,
    lambda::{self, PROFILE},
    step::{asks_for_help, cargo, passed_on, root, step, target},
};

const HELP: &str = "\
cargo xtask bench [-- ARGS]

Measures the host and baselines in the same run. Prints a table and writes target/bench/ (an SVG chart, summary.json).
ARGS go to the benchmark; `cargo xtask bench -- --help` lists them. `--only ID,ID` takes these measures only, in that order, and
builds only what they need. `--peers` compares with other systems in their place, which it installs; CI does not run it.
`--smoke` takes every measure with small numbers from the tests' debug builds, and with guests in
Rust in place of other languages, to check that each measure works; its numbers mean nothing.";

pub fn run(arguments: Vec<OsString>) -> Result<ExitCode> {
    if asks_for_help(&arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let arguments = passed_on(arguments);
    let smoke = arguments.iter().any(|argument| argument == "--smoke");
    guests::build()?;
    let peers = arguments.iter().any(|argument| argument == "--peers");
    if !smoke && !peers && measures(&arguments, "languages") {
        examples::build()?;
    }
    let mut bench = if smoke {
        // As the tests build them, so that nothing is compiled again.
        step("Building the host and the benchmark", cargo("build").args(HOSTS).args(PROGRAMS_AND_TESTS).arg("--locked"))?;
        Command::new(debug("postdate-bench"))
    } else {
        // One command for both, so that their common dependencies are built once.
        let packages = ["--package", "postdate", "--package", "postdate-bench"];
        step("Building the host and the benchmark for release", cargo("build").args(["--release", "--locked"]).args(packages))?;
        Command::new(target().join("release/postdate-bench"))
    };
    knowing_paths(&mut bench).current_dir(root()).args(&arguments);
    if !smoke {
        bench.env("POSTDATE_BIN", target().join("release/postdate"));
    }
    if !peers && measures(&arguments, "lambda") {
        bench.env("POSTDATE_LAMBDAS", lambda::with_baselines(if smoke { "dev" } else { PROFILE }, &target().join("bench/lambda"))?);
    }
    step("Measuring", &mut bench)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns `true` if the benchmark takes a measure whose name begins with `name`: without `--only`, all measures are taken.
fn measures(arguments: &[OsString], name: &str) -> bool {
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let only = |at: usize| texts[at].strip_prefix("--only=").or_else(|| (at > 0 && texts[at - 1] == "--only").then_some(texts[at]));
    let mut asked = (0..texts.len()).filter_map(only).flat_map(|ids| ids.split(',')).peekable();
    asked.peek().is_none() || asked.any(|id| id.starts_with(name))
}

#[cfg(test)]
mod tests;
