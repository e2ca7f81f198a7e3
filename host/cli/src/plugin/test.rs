//! `postdate plugin test DIR`: runs the test cases of a bundle, with output in the form of `cargo test`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Args;
use postdate_cases::cases::{self, Case};
use postdate_runtime::{Runtime, read_bundle_dir};

use super::runtime::runtime;
use super::{report, watch};
use crate::compiler::AuthorCompiler;
use crate::output::{json_line, out, printable, progress};

const NOTES: &str = "\
A case is a file such as cases/rejects-nothing.toml:

  call = \"validate\"                    # or \"process\"
  [body]                               # converted to JSON; or body = '{\"json\": \"text\"}'
  item = \"book\"
  quantity = 0
  [expect]                             # exactly one of: accepted, problems, result, failure, error
  problems = [{ pointer = \"/quantity\", code = \"minimum\" }]

Optional keys are description, now, target, headers, attempt and secrets. A case for a processor may
have [[http]] tables, one for each request in order: method, url, headers and body of the expected
request, and status, answer-headers and answer, or error, of its answer. No case uses the network.
accepted.body, and a table as result, match any superset; problems match in any order.
The exit code is 0 only if there is a case, and every case passed.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Test {
    /// The bundle: a directory with use-case.toml, its plugins and cases/*.toml
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Run only the cases whose names contain this text
    filter: Option<String>,

    /// Take the cases of this directory instead, such as one set for the same plugins in several languages
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,

    /// Run the cases again whenever a file of the bundle or a case changes, until Ctrl-C
    #[arg(long)]
    watch: bool,

    #[arg(long, value_name = "FILE", help = "Also write the results to this file as JUnit XML")]
    junit: Option<PathBuf>,

    /// Print JSON: the result of each case
    #[arg(long, conflicts_with = "watch")]
    json: bool,
}

impl Test {
    fn cases_dir(&self) -> PathBuf {
        self.cases.clone().unwrap_or_else(|| self.dir.join(cases::DIR))
    }
}

pub async fn run(arguments: Test, compiler: &AuthorCompiler) -> anyhow::Result<ExitCode> {
    let runtime = runtime(compiler)?;
    if arguments.watch {
        let directories = [arguments.dir.clone(), arguments.cases_dir()];
        match watch::run_on_changes(&directories, async || run_once(&runtime, &arguments).await.map(drop)).await {}
    }
    let passed = run_once(&runtime, &arguments).await?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the chosen cases once. Returns `true` if every case passed.
async fn run_once(runtime: &Runtime, arguments: &Test) -> anyhow::Result<bool> {
    let Test { dir, filter, junit, json, .. } = arguments;
    let source = read_bundle_dir(dir)?;
    let use_case = source.use_case()?;
    let cases_dir = arguments.cases_dir();
    let all = cases::read_dir(&cases_dir)?;
    if all.is_empty() {
        bail!("{} has no test cases: write one, for example {}", cases_dir.display(), cases_dir.join("accepts.toml").display());
    }
    let total = all.len();
    let chosen: Vec<Case> = all.into_iter().filter(|case| filter.as_deref().is_none_or(|part| case.name.contains(part))).collect();
    if chosen.is_empty() {
        bail!("no name of the {total} cases contains {:?}", filter.as_deref().unwrap_or_default());
    }
    let loaded = postdate_cases::load(runtime, &source, &chosen).await?;

    progress(*json, &format!("\nrunning {} of use case {} (version {})\n", count(chosen.len()), use_case.name, source.version()));
    let begun = Instant::now();
    let mut ran = Vec::new();
    for case in &chosen {
        progress(*json, &format!("test {} ... ", printable(&case.name)));
        let result = postdate_cases::run_case(&loaded, &use_case, case).await;
        progress(*json, if result.complaints.is_empty() { "ok\n" } else { "FAILED\n" });
        ran.push(result);
    }
    let (filtered_out, elapsed) = (total - chosen.len(), begun.elapsed());
    out(&if *json {
        json_line(&report::document(&use_case.name, &source.version(), &ran, filtered_out, elapsed))?
    } else {
        report::summary(&ran, filtered_out, elapsed)
    });
    if let Some(file) = junit {
        std::fs::write(file, report::junit(&use_case.name, &ran)?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ran.iter().all(|case| case.complaints.is_empty()))
}

fn count(cases: usize) -> String {
    if cases == 1 { "1 test".to_owned() } else { format!("{cases} tests") }
}
