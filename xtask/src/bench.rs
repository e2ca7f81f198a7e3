//! `cargo xtask bench`: builds what is measured, then measures.

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::Result;

use crate::{
    build::{HOSTS, SERVER, debug, knowing_paths},
    examples, guests,
    lambda::{self, PROFILE},
    step::{asks_for_help, cargo, passed_on, root, step, target},
};

const HELP: &str = "\
cargo xtask bench [-- ARGS]

Measures the host beside a baseline of the same run. Prints a table and writes target/bench/ (an SVG chart, summary.json).
ARGS go to the benchmark; `cargo xtask bench -- --help` lists them. Of these, `--only ID,ID` takes some measures only, in that
order, and builds no more than they need. `--smoke` takes every measure with small numbers, from the debug builds of the tests: it
shows that each can be taken, and nothing else.";

pub fn run(arguments: Vec<OsString>) -> Result<ExitCode> {
    if asks_for_help(&arguments, HELP) {
        return Ok(ExitCode::SUCCESS);
    }
    let arguments = passed_on(arguments);
    let smoke = arguments.iter().any(|argument| argument == "--smoke");
    guests::build()?;
    if measures(&arguments, "languages") {
        examples::build()?;
    }
    let mut bench = if smoke {
        step("Building the host and the benchmark", cargo("build").args(HOSTS).args(SERVER).args(["--bin", "postdate-bench", "--locked"]))?;
        Command::new(debug("postdate-bench"))
    } else {
        // Both at once: their dependencies are the same, and are built once.
        let packages = ["--package", "postdate", "--package", "postdate-bench"];
        step("Building the host and the benchmark for release", cargo("build").args(["--release", "--locked"]).args(packages))?;
        Command::new(target().join("release/postdate-bench"))
    };
    knowing_paths(&mut bench).current_dir(root()).args(&arguments);
    if !smoke {
        bench.env("POSTDATE_BIN", target().join("release/postdate"));
    }
    if measures(&arguments, "lambda") {
        bench.env("POSTDATE_LAMBDAS", lambda::with_baselines(if smoke { "dev" } else { PROFILE }, &target().join("bench/lambda"))?);
    }
    step("Measuring", &mut bench)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a measure whose name begins so is to be taken: all are, unless `--only` names some.
fn measures(arguments: &[OsString], name: &str) -> bool {
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let only = |at: usize| texts[at].strip_prefix("--only=").or_else(|| (at > 0 && texts[at - 1] == "--only").then_some(texts[at]));
    let mut asked = (0..texts.len()).filter_map(only).flat_map(|ids| ids.split(',')).peekable();
    asked.peek().is_none() || asked.any(|id| id.starts_with(name))
}

#[cfg(test)]
mod tests;
