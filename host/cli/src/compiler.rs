//! Compiles plugins in child processes under limits; the child runs this program's hidden command `compile-plugin`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use postdate_core::use_case::parse_memory;
use postdate_runtime::{CompileLimits, CompileWith, MEMORY_VARIABLE, TIME_VARIABLE, compile_worker};

use crate::when;

/// Name of the hidden command that compiles one plugin.
pub const COMMAND: &str = "compile-plugin";

/// The quota of the cache of machine code.
#[derive(Debug, Clone, Copy, Args)]
pub struct CacheQuota {
    /// Most machine code in the cache, such as 8GiB; what was used least recently is deleted beyond it
    #[arg(long, env = "POSTDATE_CACHE_QUOTA", value_name = "SIZE", default_value = "8GiB", value_parser = memory)]
    pub cache_quota: u64,
}

/// Limits for compiling one plugin.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct CompileArguments {
    /// Most processor time for compiling a plugin; twelve times as much may pass on a busy machine [default: 5m]
    #[arg(long, env = TIME_VARIABLE, value_name = "DURATION", value_parser = time)]
    compile_time: Option<Duration>,

    /// Most memory for compiling a plugin [default: 4GiB]
    #[arg(long, env = MEMORY_VARIABLE, value_name = "SIZE", value_parser = memory)]
    compile_memory: Option<u64>,
}

const CACHE_HELP: &str = "Directory of the machine code that the commands `plugin` and `use-case` have compiled \
[default: $XDG_CACHE_HOME/postdate, or ~/.cache/postdate]";

/// The compiler of the commands for authors: limits, and the cache that all these commands share.
#[derive(Debug, Clone, Args)]
pub struct AuthorCompiler {
    #[command(flatten)]
    limits: CompileArguments,

    #[arg(long, env = "POSTDATE_COMPILE_CACHE", value_name = "DIR", help = CACHE_HELP)]
    compile_cache: Option<PathBuf>,

    /// Most machine code in that directory; what was used least recently is deleted beyond it
    #[arg(long, env = "POSTDATE_COMPILE_CACHE_QUOTA", value_name = "SIZE", default_value = "2GiB", value_parser = memory)]
    pub compile_cache_quota: u64,
}

impl AuthorCompiler {
    /// Returns the compiler, whose process has the priority of this one: its user waits for it.
    pub fn compiler(&self) -> CompileWith {
        CompileWith::Child {
            program: program(),
            arguments: vec![COMMAND.into()],
            limits: CompileLimits { niceness: 0, ..self.limits.limits() },
        }
    }

    /// Returns the directory of the cache; `None` without a home directory. An empty variable counts as unset.
    pub fn cache_dir(&self) -> Option<PathBuf> {
        let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let platform = || named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
        let given = self.compile_cache.clone().filter(|dir| !dir.as_os_str().is_empty());
        given.or_else(|| platform().map(|base| base.join("postdate")))
    }
}

impl CompileArguments {
    pub fn compiler(self) -> CompileWith {
        CompileWith::Child { program: program(), arguments: vec![COMMAND.into()], limits: self.limits() }
    }

    fn limits(self) -> CompileLimits {
        let limits = CompileLimits::default();
        let limits = CompileLimits { memory: self.compile_memory.unwrap_or(limits.memory), ..limits };
        self.compile_time.map_or(limits, |time| limits.within(time))
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = when::duration(text)?;
    if time < Duration::from_secs(1) { Err("must be at least 1s".to_owned()) } else { Ok(time) }
}

pub fn memory(text: &str) -> Result<u64, &'static str> {
    parse_memory(text).ok_or("write it as 512MiB or 4GiB")
}

/// Returns the path of the running program, even after its file has been replaced by a newer version, whose machine code this
/// one could not load.
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
