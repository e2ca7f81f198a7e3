//! Runs Postdate's plugins: WebAssembly components of the contract in `wit/postdate.wit`, with wasmtime, each call in a
//! fresh instance under a memory limit and a deadline.
//!
//! [`Runtime::load`] turns a bundle into a [`LoadedBundle`], which is the core's
//! [`Bundle`](postdate_core::ports::Bundle). [`Runtime::load_precompiled`] does the same with precompiled machine code,
//! and needs no compiler. [`inspect`](inspect::inspect) describes a plugin file without loading it.

mod bindings;
mod call;
mod code;
mod contract;
mod engine;
mod limits;
mod load;
pub mod outgoing;
mod secrets;
#[cfg(test)]
mod testing;
pub mod trust;

pub use call::logs::{LogLine, Stream};
pub use call::observer::{CallObserver, EndedCall};
pub use call::{CallOptions, Report};
pub use code::artifacts;
pub use code::compile::{CompileError, CompileLimits, CompileWith, Compiling, MEMORY_VARIABLE, Need, Progress, TIME_VARIABLE};
#[cfg(feature = "compile")]
pub use code::compile::{CompileLoad, compile_worker};
#[cfg(feature = "compile")]
pub use code::precompile::{Precompiled, WriteError, write_artifacts};
pub use contract::inspect;
pub use engine::config::{Allocation, Metering, engine_config};
pub use engine::runtime::{DEFAULT_CACHE_QUOTA, Options, Runtime, RuntimeError, TICK};
pub use engine::slots::{Usage, without_reserve};
pub use limits::MAX_OUTPUT_BYTES;
pub use load::bundle_dir::{MAX_CASES, MAX_FILE_BYTES, MAX_MANIFEST_BYTES, ReadBundleError, read_bundle_dir};
pub use load::precompiled_dir::{PrecompiledBundle, read_precompiled_dir};
pub use load::{LoadError, LoadedBundle, PrecompiledError};
pub use outgoing::Outgoing;
pub use secrets::{Credentials, EnvSecrets, Lifetime, SecretError, SecretName, SecretSource, SecretValues, Secrets};
