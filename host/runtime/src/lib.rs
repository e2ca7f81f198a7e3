//! Runs Postdate's plugins: WebAssembly components of the contract in `wit/postdate.wit`, with wasmtime, each call in a
//! fresh instance under a memory limit and a deadline.
//!
//! [`Runtime::load`] turns a bundle into a [`LoadedBundle`], which is the core's
//! [`Bundle`](postdate_core::ports::Bundle); [`Runtime::load_compiled`] does the same with what was compiled ahead of time,
//! and needs no compiler; [`inspect`](inspect::inspect) says what a plugin file is without loading it.

mod artifact;
pub mod artifacts;
mod bindings;
mod bundle_dir;
#[cfg(feature = "compile")]
mod cache;
mod call;
mod compile;
mod compiled_dir;
mod config;
mod config_store;
mod contract;
mod convert;
mod digest;
pub mod inspect;
mod limits;
mod load;
mod logs;
pub mod outgoing;
#[cfg(feature = "compile")]
mod precompile;
mod runtime;
mod secrets;
mod signature;
mod slots;
mod store;
mod surface;
#[cfg(test)]
mod testing;
mod threads;
pub mod trust;

pub use bundle_dir::{MAX_CASES, MAX_FILE_BYTES, MAX_MANIFEST_BYTES, ReadBundleError, read_bundle_dir};
pub use call::{CallOptions, Report};
#[cfg(feature = "compile")]
pub use compile::compile_worker;
pub use compile::{CompileError, CompileLimits, Compiler, Compiling, MEMORY_VARIABLE, Progress, TIME_VARIABLE};
pub use compiled_dir::{CompiledBundle, read_compiled_dir};
pub use config::{Allocation, Metering, engine_config};
pub use limits::MAX_OUTPUT_BYTES;
pub use load::{LoadError, LoadedBundle};
pub use logs::{LogLine, Stream};
pub use outgoing::Outgoing;
#[cfg(feature = "compile")]
pub use precompile::{Precompiled, WriteError, write_artifacts};
pub use runtime::{Options, Runtime, RuntimeError, TICK};
pub use secrets::{EnvSecrets, Lifetime, SecretError, SecretSource, SecretValues, Secrets};
