//! Compiling itself, in whatever process, and loading what came of it.

use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::error::OutOfMemory;

use super::CompileError;
use crate::artifact;
use crate::artifacts::Arch;
use crate::config::{Allocation, Metering, compiler_config, engine_config};
use crate::runtime::Inner;

/// What a compiler says when it does not do it: a worker's whole answer, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    Invalid(String),
    OutOfMemory,
    /// This program cannot compile at all, or not for that architecture.
    NoEngine(String),
}

impl Fault {
    /// `memory`: what the compiler was given, in bytes.
    pub fn into_error(self, memory: u64) -> CompileError {
        match self {
            Self::Invalid(reason) => CompileError::Invalid(reason),
            Self::OutOfMemory => CompileError::Memory { limit: memory },
            Self::NoEngine(said) => CompileError::Crashed { how: "it has no engine".into(), said },
        }
    }
}

/// Who shall run the machine code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// This very machine, with all that its processor can.
    Here(Metering),
    /// Every processor of that architecture.
    Every(Arch),
}

pub fn compile(wasm: &[u8], target: Target) -> Result<Vec<u8>, Fault> {
    let config = match target {
        Target::Here(metering) => Ok(engine_config(Allocation::OnDemand, metering)),
        Target::Every(arch) => compiler_config(arch),
    };
    let engine = config.and_then(|config| Engine::new(&config)).map_err(|error| Fault::NoEngine(format!("{error:#}")))?;
    engine
        .precompile_component(wasm)
        .map_err(|error| if error.is::<OutOfMemory>() { Fault::OutOfMemory } else { Fault::Invalid(format!("{error:#}")) })
}

/// Loads machine code that a compiler has just made, and keeps it in the cache where there is one. Blocks on the file system.
pub fn load(inner: &Inner, wasm: &[u8], code: &[u8]) -> Result<Component, CompileError> {
    let invalid = |error| CompileError::Invalid(format!("{error:#}"));
    if let Some(cache) = &inner.cache {
        match cache.keep(&inner.engine, wasm, code) {
            Ok(loaded) => return loaded.map_err(invalid),
            // A cache that cannot be written only costs time.
            Err(error) => tracing::warn!(%error, "a compiled plugin could not be cached"),
        }
    }
    let file = memory_file(code).map_err(|error| CompileError::NotKept(error.to_string()))?;
    artifact::load_file(&inner.engine, &file).map_err(invalid)
}

/// A file that has no name, and whose content nobody can change, this process included.
#[cfg(target_os = "linux")]
fn memory_file(code: &[u8]) -> io::Result<File> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use std::io::Write as _;

    let mut file = File::from(memfd_create("plugin", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(code)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

#[cfg(not(target_os = "linux"))]
fn memory_file(_code: &[u8]) -> io::Result<File> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "without a cache directory, this needs Linux"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;

    #[test]
    fn what_is_in_a_memory_file_stays_as_it_is() {
        let mut file = memory_file(b"machine code").unwrap();
        file.rewind().unwrap();
        assert!(file.write_all(b"M").is_err());
        assert!(file.set_len(3).is_err() && file.set_len(1000).is_err());
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let again = File::options().write(true).open(&path).and_then(|mut again| again.write_all(b"M"));
        assert!(again.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"machine code");
    }
}
