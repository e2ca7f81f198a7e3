//! Makes the machine code of a component: takes it from the disk cache, or compiles it.
//!
//! A component may come from anybody, and a compiler is a large program. On a server, the compiler therefore runs in a process of
//! its own, under limits: `child.rs` starts that process, and `worker.rs` is its main function.

#[cfg(not(feature = "compile"))]
mod absent;
#[cfg(feature = "compile")]
mod child;
#[cfg(feature = "compile")]
mod closed;
#[cfg(feature = "compile")]
mod compiler;
#[cfg(feature = "compile")]
mod cranelift;
mod error;
mod progress;
mod settings;
#[cfg(feature = "compile")]
mod turns;
#[cfg(feature = "compile")]
mod worker;

#[cfg(not(feature = "compile"))]
pub use absent::{CacheError, Compiler};
#[cfg(feature = "compile")]
pub use compiler::{CacheError, Compiler};
#[cfg(all(test, feature = "compile"))]
pub use cranelift::ahead_config;
pub use error::{CompileError, blocking};
pub use progress::{Compiling, Progress, Subject};
pub use settings::{CompileLimits, CompileWith, MEMORY_VARIABLE, Need, TIME_VARIABLE};
#[cfg(feature = "compile")]
pub use turns::CompileLoad;
#[cfg(feature = "compile")]
pub use worker::compile_worker;
