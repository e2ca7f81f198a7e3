//! Errors of compiling a component.

use std::time::Duration;

use super::settings::{MEMORY_VARIABLE, TIME_VARIABLE};

/// Each ends a sentence that begins with a plugin's name. [`Self::is_transient`] separates the machine's faults from the plugin's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    #[error("is not valid: {0}")]
    Invalid(String),
    #[error("was not compiled within {limit:?}, and compiling it was stopped: make it smaller, or raise the limit with {TIME_VARIABLE}")]
    Time { limit: Duration },
    #[error(
        "took more than {limit:?} of processor time to compile, and was stopped: make it smaller, or raise the limit with {TIME_VARIABLE}"
    )]
    Cpu { limit: Duration },
    #[error(
        "takes more than {} MiB of memory to compile, and was stopped: make it smaller, or raise the limit with {MEMORY_VARIABLE}",
        limit >> 20
    )]
    Memory { limit: u64 },
    #[error("compiles to more than {limit} bytes of machine code, the most that is taken: make it smaller")]
    Output { limit: u64 },
    /// A person or an out-of-memory killer ended the process; the signal is the same.
    #[error("was not compiled: the compiler's process was killed (signal {signal}); if nobody did it, the machine may be short of memory")]
    Killed { signal: i32 },
    #[error("made the compiler crash ({how}), which is a defect of the host: please report it with the plugin{}", shown(said))]
    Crashed { how: String, said: String },
    #[error("was not compiled: the compiler's process {program} could not be started: {reason}")]
    NotStarted { program: String, reason: String },
    #[error("was compiled, and its machine code could not be kept: {0}")]
    NotKept(String),
    #[error(
        "is WebAssembly, and this host is built without a compiler: compile it with `postdate plugin compile`, and give the host what that writes"
    )]
    NoCompiler,
}

impl CompileError {
    /// Returns whether the machine's state is the cause, so that another try may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Killed { .. } | Self::NotStarted { .. } | Self::NotKept(_))
    }
}

/// Runs blocking work on other threads than those that answer requests. A panic is a defect, and becomes [`CompileError::Crashed`].
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CompileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| CompileError::Crashed { how: "it panicked".into(), said: panic_text(error) })
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return String::new() };
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or_default().to_owned()
}

fn shown(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!("; stderr: {said}") }
}

#[cfg(test)]
mod tests;
