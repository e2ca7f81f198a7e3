//! `postdate plugin test DIR`: runs the cases of a bundle; output as of `cargo test`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use postdate_cases::Ran;
use postdate_cases::cases::{self, Case};
use postdate_runtime::{Runtime, read_bundle_dir};

use super::{junit, log_text, watch};
use crate::compiler::Limits;
use crate::output::{indented, out, printable};

const NOTES: &str = "\
A case is a file such as cases/rejects-nothing.toml:

  call = \"validate\"                    # or \"process\"
  [body]                               # TOML as JSON; or body = '{\"json\": \"text\"}'
  item = \"book\"
  quantity = 0
  [expect]                             # exactly one of: accepted, problems, result, failure, error
  problems = [{ pointer = \"/quantity\", code = \"minimum\" }]

It may also have: description, now, target, headers, attempt, secrets; and for a processor
[[http]] tables (method, url, headers, body, then status, answer-headers and answer, or error):
the answers to its requests in their order. A case never uses the network.
accepted.body, and a table as result, are compared as subsets; problems in any order.
The exit code is 0 only if every case passed, and there was one.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Test {
    /// The bundle: a directory with use-case.toml, its plugins and cases/*.toml
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Only cases with this in their name
    filter: Option<String>,

    /// Take the cases of this directory instead: one set for bundles that do the same in several languages
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,

    /// Run them again whenever a file of the bundle or a case changes, until Ctrl-C
    #[arg(long)]
    watch: bool,

    #[arg(long, value_name = "FILE", help = "Also write the results to this file, as JUnit XML")]
    junit: Option<PathBuf>,
}

impl Test {
    fn cases_dir(&self) -> PathBuf {
        self.cases.clone().unwrap_or_else(|| self.dir.join(cases::DIR))
    }
}

pub async fn run(arguments: Test, limits: Limits) -> anyhow::Result<ExitCode> {
    let runtime = super::runtime(limits)?;
    if arguments.watch {
        let places = [arguments.dir.clone(), arguments.cases_dir()];
        match watch::again_and_again(&places, async || run_once(&runtime, &arguments).await.map(drop)).await {}
    }
    let passed = run_once(&runtime, &arguments).await?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether every case passed.
async fn run_once(runtime: &Runtime, arguments: &Test) -> anyhow::Result<bool> {
    let Test { dir, filter, junit, .. } = arguments;
    let source = read_bundle_dir(dir)?;
    let use_case = source.use_case()?;
    let cases_dir = arguments.cases_dir();
    let all = cases::read_dir(&cases_dir)?;
    if all.is_empty() {
        bail!("{} has no test cases: write one, such as {}", cases_dir.display(), cases_dir.join("accepts.toml").display());
    }
    let total = all.len();
    let chosen: Vec<Case> = all.into_iter().filter(|case| filter.as_deref().is_none_or(|part| case.name.contains(part))).collect();
    if chosen.is_empty() {
        bail!("none of the {total} cases has {:?} in its name", filter.as_deref().unwrap_or_default());
    }
    let loaded = postdate_cases::load(runtime, &source, &chosen).await?;

    out(&format!("\nrunning {} of use case {} (version {})\n", count(chosen.len()), use_case.name, source.version()));
    let begun = Instant::now();
    let mut ran = Vec::new();
    for case in &chosen {
        out(&format!("test {} ... ", printable(&case.name)));
        let result = postdate_cases::run_case(&loaded, &use_case, case).await;
        out(if result.complaints.is_empty() { "ok\n" } else { "FAILED\n" });
        ran.push(result);
    }
    out(&summary(&ran, total - chosen.len(), begun.elapsed()));
    if let Some(file) = junit {
        std::fs::write(file, junit::document(&use_case.name, &ran)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ran.iter().all(|case| case.complaints.is_empty()))
}

fn count(cases: usize) -> String {
    if cases == 1 { "1 test".to_owned() } else { format!("{cases} tests") }
}

fn summary(ran: &[Ran], filtered_out: usize, elapsed: Duration) -> String {
    let failed: Vec<&Ran> = ran.iter().filter(|case| !case.complaints.is_empty()).collect();
    let mut text = String::from("\n");
    if !failed.is_empty() {
        text.push_str("failures:\n\n");
        for case in &failed {
            text.push_str(&failure(case));
        }
        text.push_str("failures:\n");
        for case in &failed {
            let _ = writeln!(text, "    {}", printable(&case.name));
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "test result: {}. {} passed; {} failed; {filtered_out} filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        ran.len() - failed.len(),
        failed.len(),
        elapsed.as_secs_f64(),
    );
    text
}

fn failure(case: &Ran) -> String {
    let mut text = format!("---- {} ----\n", printable(&case.name));
    if !case.description.is_empty() {
        let _ = writeln!(text, "{}", printable(&case.description));
    }
    for complaint in &case.complaints {
        text.push_str(&indented(&printable(complaint), "  "));
    }
    if !case.lines.is_empty() {
        let _ = write!(text, "the plugin wrote:\n{}", log_text(&case.lines, "  "));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
