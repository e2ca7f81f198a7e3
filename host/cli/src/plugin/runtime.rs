//! The runtime that the commands load plugins in, with the authors' cache, and lines of progress while it compiles.

use std::io::IsTerminal as _;

use postdate_egress::{Egress, Network};
use postdate_runtime::{Compiling, Metering, Options, Progress, Runtime, RuntimeError};

use crate::compiler::AuthorCompiler;
use crate::output::{err, size_text};

/// Moves to the start of the line, and clears it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Seconds between two lines where stderr is not a terminal.
const LINE_EACH: u64 = 5;

/// Returns a runtime for one call at a time, with the user's cache of compiled plugins. Plugins are compiled in a child process
/// under limits, since they may come from anybody.
pub fn runtime(compiler: &AuthorCompiler) -> Result<Runtime, RuntimeError> {
    new(compiler, Metering::Off)
}

/// Returns a runtime as [`runtime`] does, whose plugins count their instructions.
pub fn metered_runtime(compiler: &AuthorCompiler) -> Result<Runtime, RuntimeError> {
    new(compiler, Metering::On)
}

fn new(compiler: &AuthorCompiler, metering: Metering) -> Result<Runtime, RuntimeError> {
    let options = Options {
        slots: 1,
        cache: compiler.cache_dir(),
        cache_quota: compiler.compile_cache_quota,
        compiler: compiler.compiler(),
        progress: progress(),
        metering,
        // The user of this machine runs the plugin, as on a server that only this machine reaches.
        network: Network::new(Egress::laptop(), Vec::new()),
        ..Options::default()
    };
    match Runtime::new(options.clone()) {
        Err(RuntimeError::Cache(error)) => {
            err(&format!("warning: {error}; plugins are compiled each time\n"));
            Runtime::new(Options { cache: None, ..options })
        }
        other => other,
    }
}

fn progress() -> Progress {
    let line = if std::io::stderr().is_terminal() { rewritten_line } else { plain_line };
    Progress::to(move |compiling| err(&line(compiling)))
}

/// Returns the line that replaces the one before. Nothing for a compilation that ends within its first second.
fn rewritten_line(compiling: Compiling<'_>) -> String {
    match (compiling.ended, compiling.elapsed.as_secs()) {
        (true, 0) => String::new(),
        (true, _) => CLEAR_LINE.to_owned(),
        (false, _) => format!("{CLEAR_LINE}{}", text(compiling)),
    }
}

/// Returns a line for every [`LINE_EACH`] seconds of a compilation, for files and logs of a build server.
fn plain_line(compiling: Compiling<'_>) -> String {
    // A report is a second after the one before, or later.
    if compiling.ended || !compiling.report.is_multiple_of(LINE_EACH) { String::new() } else { format!("{}\n", text(compiling)) }
}

fn text(Compiling { role, bytes, elapsed, .. }: Compiling<'_>) -> String {
    format!("compiling {role} ({})… {} s", size_text(bytes), elapsed.as_secs())
}

#[cfg(test)]
mod tests;
