//! The engine with everything that is made once: linker, deadline clock, slots, compiler.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use postdate_core::plugin::Role;
use postdate_egress::Network;
use wasmtime::component::Linker;
use wasmtime::{Engine, EngineWeak};

use super::config::{Allocation, Metering, engine_config};
use super::slots::{Slots, Usage};
use super::threads::Threads;
use crate::call::guest::GuestState;
use crate::call::logs::rate::LogRates;
use crate::call::observer::CallObserver;
use crate::call::wasi_config;
#[cfg(feature = "compile")]
use crate::code::compile::CompileLoad;
use crate::code::compile::{CacheError, CompileWith, Compiler, Progress};

/// The period at which deadlines are checked, and at which a busy guest yields its thread.
pub const TICK: Duration = Duration::from_millis(10);

/// Quota of the compile cache unless a host sets another, in bytes: about 80 Python plugins.
pub const DEFAULT_CACHE_QUOTA: u64 = 8 << 30;

/// A host's settings of its runtime.
#[derive(Debug, Clone)]
pub struct Options {
    /// Calls of each role at the same time, at least 1. Further calls wait.
    pub slots: u32,
    /// Largest memory that a manifest may request, in bytes.
    pub max_memory: u64,
    /// Budget for the memory of all calls at the same time, in bytes. A call counts with the limit of its manifest, and waits until that
    /// is free. A call whose limit is above the whole budget counts with the budget: it runs alone.
    pub memory: u64,
    /// Directory of the compile cache. Without it, components are compiled at each start.
    pub cache: Option<PathBuf>,
    /// Most bytes of machine code in the cache. Beyond it, the code that was used least recently is deleted.
    pub cache_quota: u64,
    /// The process that compiles plugins. Ignored by a host that is built without a compiler.
    pub compiler: CompileWith,
    /// Notified while a plugin is compiled.
    pub progress: Progress,
    /// Notified of each call.
    pub observer: CallObserver,
    /// With `On`, each call reports its number of instructions.
    pub metering: Metering,
    /// The network of plugins' HTTP requests.
    pub network: Network,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slots: 64,
            max_memory: 1 << 30,
            memory: u64::MAX,
            cache: None,
            cache_quota: DEFAULT_CACHE_QUOTA,
            compiler: CompileWith::default(),
            progress: Progress::default(),
            observer: CallObserver::default(),
            metering: Metering::Off,
            network: Network::default(),
        }
    }
}

/// A runtime could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("the number of slots must be at least 1")]
    NoSlots,
    #[error("the WebAssembly engine cannot be made: {0}")]
    Engine(String),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error("the thread of the deadline clock cannot be started: {0}")]
    Clock(std::io::Error),
}

/// Loads use cases and calls their plugins. Cheap to clone: all clones are one runtime.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub engine: Engine,
    pub linker: Linker<GuestState>,
    pub slots: Slots,
    pub log_rates: LogRates,
    pub threads: Threads,
    pub options: Options,
    pub compiler: Compiler,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl Runtime {
    pub fn new(options: Options) -> Result<Self, RuntimeError> {
        if options.slots == 0 {
            return Err(RuntimeError::NoSlots);
        }
        let engine = make_engine(&options)?;
        Self::with_engine(engine, options)
    }

    /// Returns the used slots of a role.
    pub fn slots(&self, role: Role) -> Usage {
        self.inner.slots.usage(role)
    }

    /// Returns the memory that running calls count with, in bytes.
    pub fn memory(&self) -> Usage {
        self.inner.slots.memory_usage()
    }

    /// Returns the numbers of components that are being compiled and that wait for it.
    #[cfg(feature = "compile")]
    pub fn compile_load(&self) -> CompileLoad {
        self.inner.compiler.load()
    }

    /// Makes a runtime with instances on demand, which `new` falls back to.
    #[cfg(test)]
    pub(crate) fn on_demand(options: Options) -> Result<Self, RuntimeError> {
        let engine = Engine::new(&engine_config(Allocation::OnDemand, options.metering))
            .map_err(|error| RuntimeError::Engine(format!("{error:#}")))?;
        Self::with_engine(engine, options)
    }

    fn with_engine(engine: Engine, options: Options) -> Result<Self, RuntimeError> {
        let linker = make_linker(&engine).map_err(|error| RuntimeError::Engine(format!("{error:#}")))?;
        let Options { metering, compiler, progress, cache, cache_quota, .. } = options.clone();
        let compiler = Compiler::new(&engine, metering, compiler, progress, cache.as_deref().map(|dir| (dir, cache_quota)))?;
        start_clock(engine.weak()).map_err(RuntimeError::Clock)?;
        let slots = Slots::new(options.slots, options.memory);
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                linker,
                slots,
                log_rates: LogRates::default(),
                threads: Threads::default(),
                options,
                compiler,
            }),
        })
    }
}

/// Probes for the address space of the pooling allocator, which containers and Lambda may limit, and falls back to instances on
/// demand.
fn make_engine(options: &Options) -> Result<Engine, RuntimeError> {
    let pooling = Allocation::Pooling { slots: options.slots.saturating_mul(2), max_memory: options.max_memory };
    match Engine::new(&engine_config(pooling, options.metering)) {
        Ok(engine) => {
            tracing::debug!(slots = options.slots, "plugins run in pooled instances");
            Ok(engine)
        }
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "no address space for pooled instances; plugins run in instances made on demand, which is slower"
            );
            Engine::new(&engine_config(Allocation::OnDemand, options.metering)).map_err(|error| RuntimeError::Engine(format!("{error:#}")))
        }
    }
}

/// Links everything that any plugin may import. The load of a plugin decides about each of its imports by name.
fn make_linker(engine: &Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasi_config::add_to_linker(&mut linker, GuestState::config)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Ok(linker)
}

/// Starts a thread rather than a task, because busy guests may hold every thread that runs tasks. The thread ends with the last user
/// of the engine.
fn start_clock(engine: EngineWeak) -> std::io::Result<()> {
    std::thread::Builder::new().name("plugin-deadlines".into()).spawn(move || {
        loop {
            std::thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests;
