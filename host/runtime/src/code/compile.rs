//! From a component's bytes to machine code: through the disk cache where there is one, else by a compiler.
//!
//! A component may come from anybody, and a compiler is a large program: on a server it runs in a process of its own, under
//! limits (`child.rs` starts it, `worker.rs` is what it does). One plugin is compiled at a time, so that many that come
//! together do not take the machine.

#[cfg(feature = "compile")]
mod child;
mod error;
#[cfg(feature = "compile")]
mod inside;
mod limits;
mod progress;
#[cfg(feature = "compile")]
mod worker;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use postdate_core::plugin::Role;
use wasmtime::component::Component;

pub use error::CompileError;
#[cfg(feature = "compile")]
use inside::Target;
pub use limits::{CompileLimits, MEMORY_VARIABLE, TIME_VARIABLE};
pub use progress::{Compiling, Progress};
#[cfg(feature = "compile")]
pub use worker::compile_worker;

#[cfg(feature = "compile")]
pub use crate::cache::{Cache, CacheError};
use crate::runtime::Inner;

/// How a host makes machine code.
#[derive(Debug, Clone, Default)]
pub enum Compiler {
    /// In this process, without limits: for tests and benches, whose plugins are their own.
    #[default]
    InProcess,
    /// In a process of its own for each plugin, which is stopped where it passes a limit.
    Child {
        /// An absolute path. It gets one argument after `arguments`, and hands that to [`compile_worker`].
        program: PathBuf,
        arguments: Vec<OsString>,
        limits: CompileLimits,
    },
}

/// Whose code it is: for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub use_case: &'a str,
    pub role: Role,
}

/// Nothing to keep: without a compiler there is nothing to put there.
#[cfg(not(feature = "compile"))]
#[derive(Debug)]
pub struct Cache;

#[cfg(not(feature = "compile"))]
#[derive(Debug, thiserror::Error)]
#[error("this host is built without a compiler, so it has no compile cache")]
pub struct CacheError;

#[cfg(not(feature = "compile"))]
impl Cache {
    pub fn open(_dir: &std::path::Path, _engine: &wasmtime::Engine) -> Result<Self, CacheError> {
        Err(CacheError)
    }
}

/// Compiles a component for this machine, or finds what it compiled to.
#[cfg(feature = "compile")]
pub(crate) async fn component(inner: &Arc<Inner>, subject: Subject<'_>, wasm: &Bytes) -> Result<Component, CompileError> {
    if let Some(component) = cached(inner, wasm).await? {
        return Ok(component);
    }
    let _turn = inner.compiling.lock().await;
    // Who has waited for the same plugin finds it compiled.
    if let Some(component) = cached(inner, wasm).await? {
        return Ok(component);
    }
    let code = machine_code(inner, subject, wasm, Target::Here(inner.options.metering)).await?;
    let (inner, wasm) = (Arc::clone(inner), wasm.clone());
    blocking(move || inside::load(&inner, &wasm, &code)).await?
}

#[cfg(not(feature = "compile"))]
pub(crate) async fn component(_inner: &Arc<Inner>, _subject: Subject<'_>, _wasm: &Bytes) -> Result<Component, CompileError> {
    Err(CompileError::NoCompiler)
}

/// Compiles a component for every processor of an architecture.
#[cfg(feature = "compile")]
pub(crate) async fn ahead(
    inner: &Arc<Inner>,
    subject: Subject<'_>,
    wasm: &Bytes,
    arch: crate::artifacts::Arch,
) -> Result<Vec<u8>, CompileError> {
    let _turn = inner.compiling.lock().await;
    machine_code(inner, subject, wasm, Target::Every(arch)).await
}

#[cfg(feature = "compile")]
async fn machine_code(inner: &Arc<Inner>, subject: Subject<'_>, wasm: &Bytes, target: Target) -> Result<Vec<u8>, CompileError> {
    let compile = async {
        match &inner.options.compiler {
            Compiler::InProcess => {
                let wasm = wasm.clone();
                blocking(move || inside::compile(&wasm, target)).await?.map_err(|fault| fault.into_error(u64::MAX))
            }
            Compiler::Child { program, arguments, limits } => child::compile(program, arguments, limits, wasm, target).await,
        }
    };
    progress::watched(&inner.options.progress, subject, wasm.len(), compile).await
}

#[cfg(feature = "compile")]
async fn cached(inner: &Arc<Inner>, wasm: &Bytes) -> Result<Option<Component>, CompileError> {
    if inner.cache.is_none() {
        return Ok(None);
    }
    let (inner, wasm) = (Arc::clone(inner), wasm.clone());
    blocking(move || inner.cache.as_ref().and_then(|cache| cache.get(&inner.engine, &wasm))).await
}

/// Away from the threads that answer requests.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CompileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| CompileError::Crashed { how: "it panicked".into(), said: panic_text(error) })
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return String::new() };
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or_default().to_owned()
}
