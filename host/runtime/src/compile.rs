//! From a component's bytes to machine code: through the disk cache where there is one.

use wasmtime::Engine;
use wasmtime::component::Component;

#[cfg(feature = "compile")]
pub use crate::cache::{Cache, CacheError};

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
    pub fn open(_dir: &std::path::Path, _engine: &Engine) -> Result<Self, CacheError> {
        Err(CacheError)
    }
}

/// Compiles a component, or finds what it compiled to. Takes up to seconds of CPU time: not for an async thread.
#[cfg(feature = "compile")]
pub fn compile(engine: &Engine, cache: Option<&Cache>, wasm: &[u8]) -> Result<Component, String> {
    if let Some(component) = cache.and_then(|cache| cache.get(engine, wasm)) {
        return Ok(component);
    }
    let started = std::time::Instant::now();
    let component = Component::from_binary(engine, wasm).map_err(|error| format!("is not valid: {error:#}"))?;
    tracing::debug!(bytes = wasm.len(), elapsed = ?started.elapsed(), "compiled a plugin");
    if let Some(cache) = cache {
        cache.put(wasm, &component);
    }
    Ok(component)
}

#[cfg(not(feature = "compile"))]
pub fn compile(_engine: &Engine, _cache: Option<&Cache>, _wasm: &[u8]) -> Result<Component, String> {
    Err("is WebAssembly, and this host is built without a compiler: compile it with `postdate plugin compile`, and give the host what that writes".into())
}
