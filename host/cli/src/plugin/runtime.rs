//! The runtime that the commands load plugins in, with a progress line on the terminal while it compiles.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use postdate_egress::{Egress, Network};
use postdate_runtime::{Compiling, Metering, Options, Progress, Runtime, RuntimeError};

use crate::compiler::Limits;
use crate::output::{err, size_text};

/// Moves to the start of the line, and clears it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Returns a runtime for one call at a time, with the user's cache of compiled plugins. Plugins are compiled in a child process
/// under `limits`, since they may come from anybody.
pub fn runtime(limits: Limits) -> Result<Runtime, RuntimeError> {
    new(limits, Metering::Off)
}

/// Returns a runtime as [`runtime`] does, whose plugins count their instructions.
pub fn metered_runtime(limits: Limits) -> Result<Runtime, RuntimeError> {
    new(limits, Metering::On)
}

fn new(limits: Limits, metering: Metering) -> Result<Runtime, RuntimeError> {
    // The user of this machine runs the plugin, as on a server that only this machine reaches.
    let network = Network::new(Egress::laptop(), Vec::new());
    let compiler = limits.compiler();
    let options = Options { slots: 1, cache: cache_dir(), compiler, progress: progress(), metering, network, ..Options::default() };
    match Runtime::new(options.clone()) {
        Err(RuntimeError::Cache(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot use the cache; plugins are compiled each time");
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

fn progress() -> Progress {
    if std::io::stderr().is_terminal() { Progress::to(|compiling| err(&progress_line(compiling))) } else { Progress::default() }
}

/// Returns the line that replaces the one before. Nothing for a compilation that ends within its first second.
fn progress_line(compiling: Compiling<'_>) -> String {
    let Compiling { role, bytes, elapsed, ended, .. } = compiling;
    match (ended, elapsed.as_secs()) {
        (true, 0) => String::new(),
        (true, _) => CLEAR_LINE.to_owned(),
        (false, seconds) => format!("{CLEAR_LINE}compiling {role} ({})… {seconds} s", size_text(bytes)),
    }
}

#[cfg(test)]
mod tests;
