//! Settings of a host's compiler: its process, and the limits of one compile.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Environment variables by which the operator sets a limit. The error about a limit names its variable.
pub const TIME_VARIABLE: &str = "POSTDATE_COMPILE_TIME";
pub const MEMORY_VARIABLE: &str = "POSTDATE_COMPILE_MEMORY";

/// The process that compiles plugins.
#[derive(Debug, Clone, Default)]
pub enum CompileWith {
    /// This process, without limits: for tests and benchmarks, which compile only trusted plugins.
    #[default]
    InProcess,
    /// A separate process for each plugin, which is stopped when it exceeds a limit.
    Child {
        /// An absolute path. The program gets one argument after `arguments`, and passes it to `compile_worker`.
        program: PathBuf,
        arguments: Vec<OsString>,
        limits: CompileLimits,
    },
}

/// The reason to compile a component. The first is the most urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A request is due that is pinned to its version.
    Due,
    /// Its version becomes current in this host: at the start, or after a change of a directory.
    Start,
    /// A client has sent it.
    Upload,
}

/// Limit of the wall clock as a multiple of processor time. The compiler has a low priority, so it waits on a busy machine.
const TIME_FACTOR: u32 = 12;

/// Nice value of a low priority that still runs on a busy machine.
const LOW_PRIORITY: u8 = 15;

/// The limits of one compile. The defaults are several times what a JavaScript or Python plugin, its interpreter included, takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time of all threads together, in whole seconds, at least one.
    pub cpu: Duration,
    /// Wall-clock time, which ends a compile that gets no processor time.
    pub time: Duration,
    /// Most bytes that the compiler may allocate.
    pub memory: u64,
    /// Largest machine code, in bytes.
    pub output: u64,
    /// Added to the nice value of the process, from 0 to 19. A server's own work goes before the compiler's; an author waits for it.
    pub niceness: u8,
}

impl CompileLimits {
    /// Sets the limit of processor time, and that of the wall clock in proportion.
    #[must_use]
    pub fn within(self, cpu: Duration) -> Self {
        Self { cpu, time: cpu.saturating_mul(TIME_FACTOR), ..self }
    }
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { time: Duration::ZERO, cpu: Duration::ZERO, memory: 4 << 30, output: 512 << 20, niceness: LOW_PRIORITY }
            .within(Duration::from_mins(5))
    }
}
