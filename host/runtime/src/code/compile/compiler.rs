//! The compiler of a host: its disk cache, and the turns of those that compile.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, Weak};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::child;
use super::cranelift::{self, CompileTarget};
use super::error::{CompileError, blocking};
use super::progress::{Progress, Subject, watched};
use super::settings::{CompileWith, Need};
use super::turns::{CompileLoad, Turns};
use crate::code::artifacts::Arch;
use crate::code::cache::Cache;
pub use crate::code::cache::CacheError;
use crate::code::deserialize;
use crate::engine::config::Metering;

/// Compiles components for one engine, or returns them from the cache.
pub struct Compiler {
    engine: Engine,
    metering: Metering,
    with: CompileWith,
    progress: Progress,
    cache: Option<Arc<Cache>>,
    turns: Turns,
    compiling: InProgress,
}

impl Compiler {
    /// Opens the cache, if one is configured, with its quota in bytes. Fails if its directory cannot be used.
    pub fn new(
        engine: &Engine,
        metering: Metering,
        with: CompileWith,
        progress: Progress,
        cache: Option<(&Path, u64)>,
    ) -> Result<Self, CacheError> {
        let cache = cache.map(|(dir, quota)| Cache::open(dir, engine, quota)).transpose()?.map(Arc::new);
        Ok(Self { engine: engine.clone(), metering, with, progress, cache, turns: Turns::default(), compiling: InProgress::default() })
    }

    pub fn load(&self) -> CompileLoad {
        self.turns.load()
    }

    /// Returns the component, compiled for this machine.
    pub async fn component(&self, subject: Subject<'_>, wasm: &Bytes, need: Need) -> Result<Component, CompileError> {
        if let Some(component) = self.cached(wasm).await? {
            return Ok(component);
        }
        // The turn comes first: whoever compiles this component already has one, and needs nothing else to end.
        let _turn = self.turns.next(need).await;
        let component = self.compiling.of(wasm);
        let _alone = component.lock().await;
        // Another caller may have compiled the same component during the wait.
        if let Some(component) = self.cached(wasm).await? {
            return Ok(component);
        }
        let code = self.machine_code(subject, wasm, CompileTarget::Here(self.metering)).await?;
        let (engine, cache, wasm) = (self.engine.clone(), self.cache.clone(), wasm.clone());
        blocking(move || load(&engine, cache.as_deref(), &wasm, &code)).await?
    }

    /// Returns the component's machine code for every processor of an architecture.
    pub async fn ahead(&self, subject: Subject<'_>, wasm: &Bytes, arch: Arch) -> Result<Vec<u8>, CompileError> {
        let _turn = self.turns.next(Need::Start).await;
        self.machine_code(subject, wasm, CompileTarget::Every(arch)).await
    }

    async fn machine_code(&self, subject: Subject<'_>, wasm: &Bytes, target: CompileTarget) -> Result<Vec<u8>, CompileError> {
        let compile = async {
            match &self.with {
                CompileWith::InProcess => {
                    let wasm = wasm.clone();
                    blocking(move || cranelift::compile(&wasm, target)).await?.map_err(|failure| failure.into_error(u64::MAX))
                }
                CompileWith::Child { program, arguments, limits } => child::compile(program, arguments, limits, wasm, target).await,
            }
        };
        watched(&self.progress, subject, wasm.len(), compile).await
    }

    async fn cached(&self, wasm: &Bytes) -> Result<Option<Component>, CompileError> {
        let Some(cache) = self.cache.clone() else { return Ok(None) };
        let (engine, wasm) = (self.engine.clone(), wasm.clone());
        blocking(move || cache.get(&engine, &wasm)).await
    }
}

/// A lock for each component that is being compiled, so that no two processes compile the same one.
#[derive(Default)]
struct InProgress(std::sync::Mutex<HashMap<[u8; 32], Weak<Mutex<()>>>>);

impl InProgress {
    fn of(&self, wasm: &[u8]) -> Arc<Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, lock| lock.strong_count() > 0);
        let entry = all.entry(Sha256::digest(wasm).into()).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let lock = Arc::default();
            *entry = Arc::downgrade(&lock);
            lock
        })
    }
}

/// Loads machine code that was just compiled, and stores it in the cache if there is one. Blocks on the file system.
fn load(engine: &Engine, cache: Option<&Cache>, wasm: &[u8], code: &[u8]) -> Result<Component, CompileError> {
    let invalid = |error| CompileError::Invalid(format!("{error:#}"));
    if let Some(cache) = cache {
        match cache.keep(engine, wasm, code) {
            Ok(loaded) => return loaded.map_err(invalid),
            // Without a cache entry, the next start compiles again.
            Err(error) => tracing::warn!(%error, "a compiled plugin could not be cached"),
        }
    }
    deserialize::load_bytes(engine, code).map_err(|error| CompileError::NotKept(error.to_string()))?.map_err(invalid)
}
