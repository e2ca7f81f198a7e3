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

/// Limit of processor time as a multiple of the wall clock's, because compiling uses several processors.
const CPU_FACTOR: u32 = 4;

/// The limits of one compile. The defaults are several times what a JavaScript or Python plugin, its interpreter included,
/// takes on a small and busy machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Wall-clock time.
    pub time: Duration,
    /// Processor time of all threads together, in whole seconds, at least one.
    pub cpu: Duration,
    /// Most bytes that the compiler may allocate.
    pub memory: u64,
    /// Largest machine code, in bytes.
    pub output: u64,
}

impl CompileLimits {
    /// Sets the wall clock's limit, and that of processor time in proportion.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self { time, cpu: time.saturating_mul(CPU_FACTOR), ..self }
    }
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { time: Duration::ZERO, cpu: Duration::ZERO, memory: 4 << 30, output: 512 << 20 }.within(Duration::from_mins(5))
    }
}
