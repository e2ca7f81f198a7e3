//! `postdate plugin test DIR`: runs the cases of a bundle; output as of `cargo test`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use postdate_core::bundle::BundleSource;
use postdate_core::id::CorrelationId;
use postdate_core::plugin::Role;
use postdate_core::use_case::UseCase;
use postdate_runtime::outgoing::Canned;
use postdate_runtime::{LoadError, LoadedBundle, LogLine, Outgoing, Runtime, Secrets, read_bundle_dir};

use super::call::{Call, Called};
use super::cases::{self, Case, Expected};
use super::compare::{Outcome, differences};
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

/// A case that has been run.
#[derive(Debug, Default)]
pub struct Ran {
    pub name: String,
    pub description: String,
    pub elapsed: Duration,
    /// None: it passed.
    pub complaints: Vec<String>,
    pub lines: Vec<LogLine>,
}

/// What the cases are run on: a loaded bundle, or why it could not be loaded.
type Loaded = Result<LoadedBundle, LoadError>;

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
    let loaded = load(runtime, &source, &chosen).await?;

    out(&format!("\nrunning {} of use case {} (version {})\n", count(chosen.len()), use_case.name, source.version()));
    let begun = Instant::now();
    let mut ran = Vec::new();
    for case in &chosen {
        out(&format!("test {} ... ", printable(&case.name)));
        let result = run_case(&loaded, &use_case, case).await;
        out(if result.complaints.is_empty() { "ok\n" } else { "FAILED\n" });
        ran.push(result);
    }
    out(&summary(&ran, total - chosen.len(), begun.elapsed()));
    if let Some(file) = junit {
        std::fs::write(file, junit::document(&use_case.name, &ran)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ran.iter().all(|case| case.complaints.is_empty()))
}

/// Runs every case of a bundle, without a word; none where it has none. A plugin that cannot be loaded is an error, unless a
/// case expects it.
pub async fn run_cases(runtime: &Runtime, dir: &Path, source: &BundleSource) -> anyhow::Result<Vec<Ran>> {
    let (all, use_case) = (cases::read_dir(&dir.join(cases::DIR))?, source.use_case()?);
    let loaded = load(runtime, source, &all).await?;
    let mut ran = Vec::with_capacity(all.len());
    for case in &all {
        ran.push(run_case(&loaded, &use_case, case).await);
    }
    Ok(ran)
}

/// Compiles once; each case then brings its own secrets. A plugin that is refused is an outcome only where a case expects it.
async fn load(runtime: &Runtime, source: &BundleSource, cases: &[Case]) -> anyhow::Result<Loaded> {
    let anything = Secrets::of(|_| Some(String::new()));
    match runtime.load(source, &anything).await {
        Err(error @ LoadError::Plugin { .. }) if cases.iter().any(|case| case.expect == Expected::Error("refused".into())) => {
            Ok(Err(error))
        }
        Err(error) => Err(error.into()),
        Ok(bundle) => Ok(Ok(bundle)),
    }
}

async fn run_case(loaded: &Loaded, use_case: &UseCase, case: &Case) -> Ran {
    let begun = Instant::now();
    let (complaints, lines) = match try_case(loaded, use_case, case).await {
        Ok(found) => found,
        Err(error) => (vec![format!("{error:#}")], Vec::new()),
    };
    Ran { name: case.name.clone(), description: case.description.clone(), elapsed: begun.elapsed(), complaints, lines }
}

/// The complaints, and what the plugin wrote.
async fn try_case(loaded: &Loaded, use_case: &UseCase, case: &Case) -> anyhow::Result<(Vec<String>, Vec<LogLine>)> {
    let bundle = match loaded {
        Ok(bundle) => bundle.with_secrets(&secrets_of(use_case, case)?).await?,
        Err(error) => {
            let refused = Outcome::Error { code: "refused", message: error.to_string() };
            return Ok((differences(&case.expect, &refused), Vec::new()));
        }
    };
    let canned = Canned::new(case.http.clone())?;
    let call = Call {
        role: case.call,
        // The same in each run, so that what a plugin derives of it can be expected.
        id: CorrelationId::new(case.now, [0; 10]).to_string(),
        now: case.now,
        target: case.target.clone(),
        headers: case.headers.clone(),
        attempt: case.attempt,
        body: case.body.clone(),
        outgoing: Outgoing::Canned(canned.clone()),
    };
    let Called { outcome, unusable, lines, .. } = call.make(&bundle, use_case).await?;
    let mut complaints = differences(&case.expect, &outcome);
    complaints.extend(unusable.map(|reason| format!("the host would not take the validator's answer: {reason}")));
    complaints.extend(canned.complaints());
    Ok((complaints, lines))
}

/// The case's secrets, complete for the plugin that it calls; the other plugin's are left empty.
fn secrets_of(use_case: &UseCase, case: &Case) -> anyhow::Result<Secrets> {
    let granted = |role: Role| use_case.plugin(role).map(|spec| spec.secrets.as_slice()).unwrap_or_default();
    let (role, own) = (case.call, granted(case.call));
    if let Some(missing) = own.iter().find(|name| !case.secrets.contains_key(*name)) {
        bail!("secrets: the manifest grants the {role} plugin {missing}: give the case a value, as in secrets = {{ {missing} = \"...\" }}");
    }
    if let Some(unknown) = case.secrets.keys().find(|name| !own.contains(name)) {
        bail!("secrets: {unknown} is not granted to the {role} plugin: add it to {role}.secrets of the manifest, or leave it out");
    }
    let values: BTreeMap<String, String> = case.secrets.clone();
    Ok(Secrets::of(move |name| Some(values.get(name).cloned().unwrap_or_default())))
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
