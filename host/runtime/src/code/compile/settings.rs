//! How a host compiles plugins, and what compiling one plugin may use up.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Environment variables that set the limits, where the operator may. The error about a limit names its variable.
pub const TIME_VARIABLE: &str = "POSTDATE_COMPILE_TIME";
pub const MEMORY_VARIABLE: &str = "POSTDATE_COMPILE_MEMORY";

/// The process that compiles plugins.
#[derive(Debug, Clone, Default)]
pub enum CompileWith {
    /// In this process, without limits: for tests and benchmarks, whose plugins are their own.
    #[default]
    InProcess,
    /// In a process of its own for each plugin. The process is stopped when it passes a limit.
    Child {
        /// An absolute path. The program gets one argument after `arguments`, and passes it to `compile_worker`.
        program: PathBuf,
        arguments: Vec<OsString>,
        limits: CompileLimits,
    },
}

/// Processor time may be this many times the wall clock's, since compiling uses several processors.
const CPU_FACTOR: u32 = 4;

/// The limits of one compile. The defaults are several times what a JavaScript or Python plugin, its interpreter included,
/// takes on a small and busy machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Wall clock.
    pub time: Duration,
    /// Processor time of all threads together; counted in whole seconds, at least one.
    pub cpu: Duration,
    /// Bytes that the compiler may allocate.
    pub memory: u64,
    /// Bytes of machine code.
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
