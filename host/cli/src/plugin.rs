//! `postdate plugin …`: the workbench for plugins. It runs them as the server does, under the manifest's limits.

mod build;
mod check;
mod compile;
mod junit;
mod new;
mod progress;
mod run;
mod template;
mod test;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use postdate_runtime::{LogLine, Metering, Options, Runtime, RuntimeError};

use crate::compiler::Limits;
use crate::{logging, output};

const EXAMPLES: &str = "\
Examples:
  postdate plugin new reminders --lang js
  postdate plugin build reminders
  postdate plugin test reminders --watch
  postdate plugin check use-cases/orders/validate.wasm
  postdate plugin test use-cases/orders
  postdate plugin run validate use-cases/orders --body '{\"item\":\"book\",\"quantity\":2}'
  postdate plugin compile use-cases/orders --arch arm64";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PluginCommand {
    #[command(flatten)]
    limits: Limits,

    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a new use case with sources in a language, that builds and whose cases pass
    New(new::New),
    /// Build the components of a bundle from its sources
    Build(build::Build),
    /// Say what a plugin file, or each of a bundle, exports and imports, and what keeps it from being loaded
    Check(check::Check),
    /// Run the test cases of a bundle
    Test(test::Test),
    /// Compile the plugins of a bundle ahead of time, for hosts that have no compiler
    Compile(compile::Compile),
    /// Call a plugin once, and show its answer, time, memory, instructions and log
    Run(run::Run),
}

pub async fn run(command: PluginCommand) -> anyhow::Result<ExitCode> {
    // What plugins write is shown with their results, not as log lines.
    logging::init("warn,postdate::plugin=off")?;
    let limits = command.limits;
    match command.action {
        Action::New(arguments) => new::run(arguments),
        Action::Build(arguments) => build::run(&arguments),
        Action::Check(arguments) => check::run(arguments, limits).await,
        Action::Test(arguments) => test::run(arguments, limits).await,
        Action::Compile(arguments) => compile::run(arguments, limits).await,
        Action::Run(arguments) => run::run(arguments, limits).await,
    }
}

/// A runtime for one call at a time, with a cache of compiled plugins that belongs to the user. What is compiled may be from
/// anybody, so it is not done in this process; it shows how long that takes.
pub fn runtime(limits: Limits) -> Result<Runtime, RuntimeError> {
    new_runtime(limits, Metering::Off)
}

fn new_runtime(limits: Limits, metering: Metering) -> Result<Runtime, RuntimeError> {
    let options = Options {
        slots: 1,
        cache: cache_dir(),
        compiler: limits.compiler(),
        progress: progress::on_terminal(),
        metering,
        ..Options::default()
    };
    match Runtime::new(options.clone()) {
        Err(RuntimeError::Cache(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "plugins are compiled again each time");
            Runtime::new(Options { cache: None, ..options })
        }
        other => other,
    }
}

fn cache_dir() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("postdate"))
}

/// A plugin's log as it is shown under its result.
fn log_text(lines: &[LogLine], indent: &str) -> String {
    let rows: Vec<Vec<String>> = lines.iter().map(|line| vec![line.stream.to_string(), output::printable(&line.text)]).collect();
    output::columns(&rows, indent)
}

/// Bytes as people read them.
pub fn size_text(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{}.{} KiB", bytes >> 10, ((bytes & 0x3ff) * 10) >> 10),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20),
    }
}

#[cfg(test)]
mod tests;
