//! Where plugins are compiled: in processes of this very program, under limits; and `postdate compile-plugin`, which they run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use postdate_core::use_case::parse_memory;
use postdate_runtime::{CompileLimits, CompileWith, MEMORY_VARIABLE, TIME_VARIABLE, compile_worker};

use crate::when;

/// The subcommand that compiles one plugin.
pub const COMMAND: &str = "compile-plugin";

/// What compiling a plugin may use up.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Limits {
    /// How long compiling a plugin may take; more processors may work on it at once [default: 5m]
    #[arg(long, env = TIME_VARIABLE, value_name = "DURATION", value_parser = time)]
    compile_time: Option<Duration>,

    /// Memory that compiling a plugin may take [default: 4GiB]
    #[arg(long, env = MEMORY_VARIABLE, value_name = "SIZE", value_parser = memory)]
    compile_memory: Option<u64>,
}

impl Limits {
    pub fn compiler(self) -> CompileWith {
        let limits = CompileLimits::default();
        let limits = CompileLimits { memory: self.compile_memory.unwrap_or(limits.memory), ..limits };
        let limits = self.compile_time.map_or(limits, |time| limits.within(time));
        CompileWith::Child { program: program(), arguments: vec![COMMAND.into()], limits }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = when::duration(text)?;
    if time < Duration::from_secs(1) { Err("nothing is compiled in less than 1s".to_owned()) } else { Ok(time) }
}

fn memory(text: &str) -> Result<u64, String> {
    parse_memory(text).ok_or_else(|| "write it as 512MiB or 4GiB".to_owned())
}

/// This program, also when its file has been replaced by a newer one since: the two would not take each other's code.
fn program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { running } else { std::env::current_exe().unwrap_or(running) }
}

/// `postdate compile-plugin WORK`.
#[derive(Debug, Args)]
pub struct CompilePlugin {
    work: String,
}

pub fn run(arguments: &CompilePlugin) -> ExitCode {
    compile_worker(&arguments.work)
}

#[cfg(test)]
mod tests;
