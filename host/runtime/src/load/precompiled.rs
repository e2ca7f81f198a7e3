//! Loads precompiled machine code. The host may have no compiler, so each error says how to make machine code that fits.

use std::io::ErrorKind;
use std::path::PathBuf;

use postdate_core::plugin::Role;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use super::bundle_dir::{how_to_compile, open_file};
use super::error::{PrecompiledError, Refused};
use super::link::link;
use super::precompiled_dir::PrecompiledBundle;
use crate::call::guest::GuestState;
use crate::code::artifacts::{ARTIFACTS_DIR, Arch, Artifact, engine_hash_with};
use crate::code::deserialize;
use crate::code::digest::digest_of;
use crate::contract::inspect::{Inspection, inspect_names};
use crate::engine::config::{Metering, WASMTIME_VERSION};
use crate::engine::runtime::Inner;

/// Largest file of machine code, in bytes. A Python plugin's is about 100 MiB; AWS Lambda takes 250 MiB of code in all.
const MAX_ARTIFACT_BYTES: u64 = 512 << 20;

/// Largest machine code, in bytes, that is read and linked within 0.5 ms. A plugin without an interpreter is smaller.
const SMALL_BYTES: u64 = 1 << 20;

/// An entry of the list for a plugin's machine code on this machine. The file is not open yet.
pub struct ListedCode {
    dir: PathBuf,
    artifact: Artifact,
}

impl ListedCode {
    /// Looks a plugin up in the bundle's list.
    pub fn find(bundle: &PrecompiledBundle, role: Role) -> Result<Self, Refused> {
        let refused = |reason| Refused::Precompiled { reason, fix: how_to_compile(&bundle.dir) };
        let arch = Arch::HERE.ok_or(PrecompiledError::UnknownProcessor).map_err(refused)?;
        let artifact = bundle.artifacts.find(role, arch).ok_or(PrecompiledError::Missing { role, arch }).map_err(refused)?;
        Ok(Self { dir: bundle.dir.clone(), artifact: artifact.clone() })
    }

    /// Returns whether [`link`](Self::link) takes less time than starting a thread.
    pub fn is_small(&self) -> bool {
        self.artifact.bytes <= SMALL_BYTES
    }

    /// Reads, checks and links the machine code. Blocks for the whole file: a few milliseconds for tens of megabytes.
    pub fn link(&self, inner: &Inner, role: Role) -> Result<InstancePre<GuestState>, Refused> {
        let fix = || how_to_compile(&self.dir);
        let component = self.component(inner).map_err(|reason| Refused::Precompiled { reason, fix: fix() })?;
        // Checked by its names, like a plugin in WebAssembly, even if the code comes from a trusted compiler.
        let problems = inspect_component(&inner.engine, &component).problems(Some(role));
        let linked = if problems.is_empty() { link(inner, role, &component) } else { Err(problems.join("; and it ")) };
        linked.map_err(|reason| Refused::Plugin(format!("{reason}: {}", fix())))
    }

    fn component(&self, inner: &Inner) -> Result<Component, PrecompiledError> {
        self.check_engine(inner.options.metering)?;
        let Artifact { file: name, bytes, digest, .. } = &self.artifact;
        let shown = format!("{ARTIFACTS_DIR}/{name}");
        let unreadable = |error: std::io::Error| PrecompiledError::Unreadable(format!(" from {shown} ({error})"));
        let opened = open_file(&self.dir, &shown, MAX_ARTIFACT_BYTES);
        let opened = opened.map_err(|error| PrecompiledError::Unreadable(format!(": {error}")))?;
        let file = opened.ok_or_else(|| unreadable(ErrorKind::NotFound.into()))?;
        let file = deserialize::unchanging(file, MAX_ARTIFACT_BYTES).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        if length != *bytes {
            return Err(PrecompiledError::Damaged(format!("{shown} has {length} bytes, and not the {bytes} that were compiled")));
        }
        let found = digest_of(&file).map_err(unreadable)?;
        if found != *digest {
            let reason = format!("{shown} has the digest {found}, and not {digest}, that of what was compiled");
            return Err(PrecompiledError::Damaged(reason));
        }
        deserialize::load_file(&inner.engine, &file)
            .map_err(|error| PrecompiledError::Unloadable { file: shown.clone(), reason: format!("{error:#}") })
    }

    fn check_engine(&self, metering: Metering) -> Result<(), PrecompiledError> {
        let Artifact { wasmtime, engine, .. } = &self.artifact;
        if wasmtime != WASMTIME_VERSION {
            return Err(PrecompiledError::OtherWasmtime { wasmtime: wasmtime.clone() });
        }
        let ours = engine_hash_with(metering);
        if *engine == ours { Ok(()) } else { Err(PrecompiledError::OtherEngine { engine: engine.clone(), ours }) }
    }
}

fn inspect_component(engine: &Engine, component: &Component) -> Inspection {
    let ty = component.component_type();
    let imports = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
    inspect_names(imports, ty.exports(engine).map(|(name, _)| name.to_owned()).collect())
}

#[cfg(all(test, feature = "compile"))]
mod tests;
