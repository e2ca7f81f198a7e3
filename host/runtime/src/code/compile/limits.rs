//! What compiling one plugin may use up.

use std::time::Duration;

/// Variables that set the limits, where a host's operator may: named in what is said of a limit that was reached.
pub const TIME_VARIABLE: &str = "POSTDATE_COMPILE_TIME";
pub const MEMORY_VARIABLE: &str = "POSTDATE_COMPILE_MEMORY";

/// Processor time may be this many times the wall clock's: compiling uses several processors.
const CPU_FACTOR: u32 = 4;

/// The limits of one compile. The defaults are several times what a JavaScript or Python plugin, its interpreter included,
/// takes on a small and busy machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Wall clock.
    pub time: Duration,
    /// Of all threads together; counted in whole seconds, at least one.
    pub cpu: Duration,
    /// Bytes that the compiler may allocate.
    pub memory: u64,
    /// Bytes of machine code.
    pub output: u64,
}

impl CompileLimits {
    /// Processor time goes with the wall clock.
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
