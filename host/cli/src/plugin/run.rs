//! `postdate plugin run ROLE DIR`: one call under the manifest's limits and grants, with real outgoing requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use postdate_cases::call::{Call, Called};
use postdate_cases::compare::Outcome;
use postdate_core::plugin::Role;
use postdate_core::time::parse_time;
use postdate_runtime::{EnvSecrets, Lifetime, Metering, Outgoing, SecretSource, Secrets, read_bundle_dir};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{log_text, size_text};
use crate::body;
use crate::compiler::Limits;
use crate::output::{columns, indented, out, printable};
use crate::request::show::pretty;

const EXAMPLES: &str = "\
Examples:
  postdate plugin run validate use-cases/orders --body '{\"item\":\"book\",\"quantity\":2}'
  postdate plugin run process use-cases/webhook --body event.json --attempt 2

A processor makes its requests for real, as far as allow-http grants them. Secrets come from the environment.
Instructions are those of WebAssembly, from the plugin's start to its answer; what the host does for it is not among them.
The time is that of code that counts them, which is slower than what a server runs.
The exit code is 0 only if the answer is a yes.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// Which of the bundle's plugins
    #[arg(value_enum)]
    role: Which,

    /// The bundle: a directory with use-case.toml and its plugins
    dir: PathBuf,

    /// The body: a file, "-" for stdin, or a JSON object
    #[arg(long, value_name = "FILE|-|JSON")]
    body: String,

    /// Alias of the target
    #[arg(long)]
    target: Option<String>,

    /// A request header for the validator, as name:value; may be given more than once
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<(String, String)>,

    /// Which attempt the processor is told that this is
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    attempt: u32,

    /// When the request was received, or the job was due; without it, now
    #[arg(long, value_name = "TIME", value_parser = time)]
    now: Option<DateTime<Utc>>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Validate,
    Process,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as name:value")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    parse_time(text).map_err(|error| error.to_string())
}

pub async fn run(arguments: Run, limits: Limits) -> anyhow::Result<ExitCode> {
    let source = read_bundle_dir(&arguments.dir)?;
    let use_case = source.use_case()?;
    let role = match arguments.role {
        Which::Validate => Role::Validate,
        Which::Process => Role::Process,
    };
    let granted = use_case.plugin(role).map(|spec| spec.secrets.clone()).unwrap_or_default();
    // The plugin that is not called needs none, so it shall not ask for any.
    let secrets = Secrets::new(OnlyGranted(granted), Lifetime::default());
    let call = Call {
        role,
        id: uuid::Uuid::now_v7().to_string(),
        now: arguments.now.unwrap_or_else(Utc::now),
        target: arguments.target,
        headers: BTreeMap::from_iter(arguments.headers),
        attempt: arguments.attempt,
        body: body::read(&arguments.body)?,
        outgoing: Outgoing::Granted,
    };
    let bundle = super::new_runtime(limits, Metering::On)?.load(&source, &secrets).await?;
    let called = call.make(&bundle, &use_case).await?;
    out(&if arguments.json { format!("{}\n", document(&called)) } else { text(&called) });
    let yes = matches!(called.outcome, Outcome::Accepted(_) | Outcome::Result(_)) && called.unusable.is_none();
    Ok(if yes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The environment, for the plugin that is called; of the other one's secrets nothing is asked and nothing said.
struct OnlyGranted(Vec<String>);

#[async_trait]
impl SecretSource for OnlyGranted {
    async fn fetch(&self, use_case: &str, names: &[&str]) -> Result<BTreeMap<String, SecretString>, String> {
        let (own, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| self.0.iter().any(|own| own == *name));
        let mut values = EnvSecrets.fetch(use_case, &own).await?;
        values.extend(others.into_iter().map(|name| (name.to_owned(), SecretString::default())));
        Ok(values)
    }

    fn remedy(&self, use_case: &str, name: &str) -> String {
        EnvSecrets.remedy(use_case, name)
    }
}

fn document(called: &Called) -> Value {
    let mut document = called.outcome.document();
    if let Some(reason) = &called.unusable {
        document["unusable"] = json!(reason);
    }
    document["elapsedMs"] = json!(called.elapsed.as_secs_f64() * 1000.0);
    document["peakMemoryBytes"] = json!(called.peak_memory);
    document["instructions"] = json!(called.instructions);
    let line = |line: &postdate_runtime::LogLine| json!({ "stream": line.stream.to_string(), "text": line.text });
    document["log"] = called.lines.iter().map(line).collect();
    document
}

fn text(called: &Called) -> String {
    let mut text = outcome_text(&called.outcome);
    if let Some(reason) = &called.unusable {
        let _ = writeln!(text, "the host would not take this answer: {}", printable(reason));
    }
    if !called.lines.is_empty() {
        let _ = write!(text, "log\n{}", log_text(&called.lines, "  "));
    }
    let instructions = called.instructions.map(|count| format!(", {}", instructions_text(count))).unwrap_or_default();
    text + &format!("took {}, peak memory {}{instructions}\n", duration_text(called.elapsed), size_text(called.peak_memory))
}

fn outcome_text(outcome: &Outcome) -> String {
    let document = outcome.document();
    match outcome {
        Outcome::Accepted(acceptance) => {
            let mut rows = Vec::new();
            for (label, value) in [("target", &acceptance.target), ("trigger at", &acceptance.trigger_at)] {
                rows.extend(value.as_ref().map(|value| vec![label.to_owned(), printable(value)]));
            }
            let body = match &document["body"] {
                Value::Null => "  body as it came\n".to_owned(),
                body => format!("  body\n{}", indented(&pretty(body), "    ")),
            };
            format!("accepted\n{}{body}", columns(&rows, "  "))
        }
        Outcome::Problems(problems) => {
            let row = |problem: &postdate_core::plugin::Problem| {
                let pointer = if problem.pointer.is_empty() { "(whole body)" } else { &problem.pointer };
                [pointer, &problem.code, &problem.message].map(printable).to_vec()
            };
            format!("rejected\n{}", columns(&problems.iter().map(row).collect::<Vec<_>>(), "  "))
        }
        Outcome::Result(None) => "succeeded, without a result\n".to_owned(),
        Outcome::Result(Some(_)) => format!("succeeded\n{}", indented(&pretty(&document["result"]), "  ")),
        Outcome::Failure(failure) => {
            let next = match (failure.retry, failure.retry_after) {
                (false, _) => "permanent: it would not be retried".to_owned(),
                (true, None) => "it would be retried after the use case's back-off".to_owned(),
                (true, Some(wait)) => format!("it would be retried after {} or more", humantime::format_duration(wait)),
            };
            format!("failed\n  {}\n  {next}\n", printable(&failure.message))
        }
        Outcome::Error { code, message } => format!("no answer ({code})\n{}", indented(&printable(message), "  ")),
    }
}

fn instructions_text(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in (1..=digits.len()).rev().zip(digits.chars()) {
        text.push(digit);
        if place > 1 && place % 3 == 1 {
            text.push(',');
        }
    }
    text + if count == 1 { " instruction" } else { " instructions" }
}

fn duration_text(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests;
