//! `postdate plugin run ROLE DIR`: calls a plugin once under the manifest's limits and grants, with real outgoing requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use postdate_cases::call::{Called, CaseCall};
use postdate_cases::compare::PluginAnswer;
use postdate_core::plugin::{Problem, Role};
use postdate_core::time::parse_time;
use postdate_runtime::{EnvSecrets, Lifetime, Outgoing, SecretName, SecretSource, Secrets, read_bundle_dir};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::runtime::{metered_runtime, runtime};
use crate::body;
use crate::compiler::AuthorCompiler;
use crate::output::{columns, indented, json_line, log_documents, log_text, milliseconds, out, pretty, printable, size_text};

const EXAMPLES: &str = "\
Examples:
  postdate plugin run validate use-cases/orders --body '{\"item\":\"book\",\"quantity\":2}'
  postdate plugin run process use-cases/webhook --body event.json --attempt 2

A processor sends real requests, to the origins in allow-http. Secrets come from the environment: those
that begin with SECRET_, and those of --allow-secret.
The machine code is that of a server, and of `plugin test`. With --instructions the plugin is compiled once more, to code that counts
the instructions of its WebAssembly from its start to its answer, without the host's work. Such code is slower, and so is the time shown.
The exit code is 0 only for an acceptance or a result.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// Plugin of the bundle to call
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

    /// Request header for the validator, as name:value; may be given more than once
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<(String, String)>,

    /// Number of the attempt that the processor gets
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    attempt: u32,

    /// Time at which the request was received, or the job was due [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    now: Option<DateTime<Utc>>,

    /// Environment variables that the plugin may have as secrets, besides those that begin with SECRET_; separated by commas, or given
    /// more than once
    #[arg(long, env = "POSTDATE_ALLOW_SECRET", value_name = "NAME", value_delimiter = ',')]
    allow_secret: Vec<SecretName>,

    /// Count the instructions of the call, in code that is compiled for it
    #[arg(long)]
    instructions: bool,

    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Validate,
    Process,
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once(':').ok_or("write it as name:value")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

pub async fn run(arguments: Run, compiler: &AuthorCompiler) -> anyhow::Result<ExitCode> {
    let source = read_bundle_dir(&arguments.dir)?;
    let use_case = source.use_case()?;
    let role = match arguments.role {
        Which::Validate => Role::Validate,
        Which::Process => Role::Process,
    };
    let granted = use_case.plugin(role).map(|spec| spec.secrets.clone()).unwrap_or_default();
    let secrets = Secrets::new(OnlyGranted { granted, environment: EnvSecrets::allowing(arguments.allow_secret) }, Lifetime::default());
    let call = CaseCall {
        role,
        id: uuid::Uuid::now_v7().to_string(),
        now: arguments.now.unwrap_or_else(Utc::now),
        target: arguments.target,
        headers: BTreeMap::from_iter(arguments.headers),
        attempt: arguments.attempt,
        body: body::read(&arguments.body)?,
        outgoing: Outgoing::Granted,
    };
    let runtime = if arguments.instructions { metered_runtime(compiler)? } else { runtime(compiler)? };
    let bundle = runtime.load(&source, &secrets).await?;
    let called = call.make(&bundle, &use_case).await?;
    out(&if arguments.json { json_line(&document(&called))? } else { text(&called) });
    let is_success = matches!(called.answer, PluginAnswer::Accepted(_) | PluginAnswer::Result(_)) && called.unusable.is_none();
    Ok(if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Secrets of the environment for the plugin that is called. Every secret of the other plugin is empty, so that it need not be
/// set.
struct OnlyGranted {
    granted: Vec<String>,
    environment: EnvSecrets,
}

#[async_trait]
impl SecretSource for OnlyGranted {
    async fn fetch(&self, use_case: &str, names: &[&str]) -> Result<BTreeMap<String, SecretString>, String> {
        let (own, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| self.granted.iter().any(|own| own == *name));
        let mut values = self.environment.fetch(use_case, &own).await?;
        values.extend(others.into_iter().map(|name| (name.to_owned(), SecretString::default())));
        Ok(values)
    }

    fn missing(&self, use_case: &str, name: &str) -> String {
        self.environment.missing(use_case, name)
    }
}

fn document(called: &Called) -> Value {
    let mut document = called.answer.document();
    if let Some(reason) = &called.unusable {
        document["unusable"] = json!(reason);
    }
    document["elapsedMs"] = json!(milliseconds(called.elapsed));
    document["peakMemoryBytes"] = json!(called.peak_memory);
    document["instructions"] = json!(called.instructions);
    document["log"] = json!(log_documents(&called.lines));
    document
}

fn text(called: &Called) -> String {
    let mut text = answer_text(&called.answer);
    if let Some(reason) = &called.unusable {
        let _ = writeln!(text, "a host would refuse this answer: {}", printable(reason));
    }
    if !called.lines.is_empty() {
        let _ = write!(text, "log\n{}", log_text(&called.lines, "  "));
    }
    let instructions = called.instructions.map(|count| format!(", {}", instructions_text(count))).unwrap_or_default();
    text + &format!("took {}, peak memory {}{instructions}\n", duration_text(called.elapsed), size_text(called.peak_memory))
}

fn answer_text(answer: &PluginAnswer) -> String {
    let document = answer.document();
    match answer {
        PluginAnswer::Accepted(acceptance) => {
            let mut rows = Vec::new();
            for (label, value) in [("target", &acceptance.target), ("trigger at", &acceptance.trigger_at)] {
                rows.extend(value.as_ref().map(|value| vec![label.to_owned(), printable(value)]));
            }
            let body = match &document["body"] {
                Value::Null => "  body unchanged\n".to_owned(),
                body => format!("  body\n{}", indented(&pretty(body), "    ")),
            };
            format!("accepted\n{}{body}", columns(&rows, "  "))
        }
        PluginAnswer::Problems(problems) => {
            let row = |problem: &Problem| {
                let pointer = if problem.pointer.is_empty() { "(whole body)" } else { &problem.pointer };
                [pointer, &problem.code, &problem.message].map(printable).to_vec()
            };
            format!("rejected\n{}", columns(&problems.iter().map(row).collect::<Vec<_>>(), "  "))
        }
        PluginAnswer::Result(None) => "succeeded, without a result\n".to_owned(),
        PluginAnswer::Result(Some(_)) => format!("succeeded\n{}", indented(&pretty(&document["result"]), "  ")),
        PluginAnswer::Failure(failure) => {
            let next = match (failure.retry, failure.retry_after) {
                (false, _) => "permanent: a host would not retry it".to_owned(),
                (true, None) => "a host would retry it after the use case's back-off".to_owned(),
                (true, Some(wait)) => format!("a host would retry it after {} or more", humantime::format_duration(wait)),
            };
            format!("failed\n  {}\n  {next}\n", printable(&failure.message))
        }
        PluginAnswer::Error { code, message } => format!("no answer ({code})\n{}", indented(&printable(message), "  ")),
    }
}

fn instructions_text(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (position, digit) in (1..=digits.len()).rev().zip(digits.chars()) {
        text.push(digit);
        if position > 1 && position % 3 == 1 {
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
