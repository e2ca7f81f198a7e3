//! Compiles a component with Cranelift, in this process.

use serde::{Deserialize, Serialize};
use wasmtime::error::OutOfMemory;
use wasmtime::{Config, Engine};

use super::error::CompileError;
use crate::code::artifacts::Arch;
use crate::engine::config::{Allocation, Metering, engine_config};

/// A component was not compiled. A worker writes the failure to stderr as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompileFailure {
    Invalid(String),
    OutOfMemory,
    /// The program has no compiler, or none for that architecture.
    NoEngine(String),
}

impl CompileFailure {
    /// Converts the failure to an error. `memory` is the compiler's limit in bytes.
    pub fn into_error(self, memory: u64) -> CompileError {
        match self {
            Self::Invalid(reason) => CompileError::Invalid(reason),
            Self::OutOfMemory => CompileError::Memory { limit: memory },
            Self::NoEngine(said) => CompileError::Crashed { how: "it has no engine".into(), said },
        }
    }
}

/// The machine that the code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompileTarget {
    /// The machine that compiles, with every feature of its processor.
    Here(Metering),
    /// Every processor of the architecture.
    Every(Arch),
}

/// Compiles a component to machine code.
pub fn compile(wasm: &[u8], target: CompileTarget) -> Result<Vec<u8>, CompileFailure> {
    let config = match target {
        CompileTarget::Here(metering) => Ok(engine_config(Allocation::OnDemand, metering)),
        CompileTarget::Every(arch) => ahead_config(arch),
    };
    let engine = config.and_then(|config| Engine::new(&config)).map_err(|error| CompileFailure::NoEngine(format!("{error:#}")))?;
    engine.precompile_component(wasm).map_err(|error| {
        if error.is::<OutOfMemory>() { CompileFailure::OutOfMemory } else { CompileFailure::Invalid(format!("{error:#}")) }
    })
}

/// Returns the configuration for precompiling. Infers no feature of this machine's processor, so the code runs on every processor of the
/// architecture, and also loads in a host that infers its own features.
pub fn ahead_config(arch: Arch) -> wasmtime::Result<Config> {
    let mut config = engine_config(Allocation::OnDemand, Metering::Off);
    config.target(arch.triple())?;
    Ok(config)
}
