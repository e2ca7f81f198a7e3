//! Loading what was compiled ahead of time: no compiler, so whatever does not fit is an error that says how to make it fit.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use postdate_core::plugin::Role;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use super::{Code, LoadError, LoadedBundle, link};
use crate::artifact;
use crate::artifacts::{ARTIFACTS_DIR, ARTIFACTS_FILE, Arch, Artifact, engine_hash_with};
use crate::bundle_dir::{how_to_compile, open_file};
use crate::compiled_dir::CompiledBundle;
use crate::config::{Metering, WASMTIME_VERSION};
use crate::digest::digest_of;
use crate::inspect::{Inspection, inspect_names};
use crate::runtime::{Inner, Runtime};
use crate::secrets::Secrets;
use crate::store::State;

/// Largest file of machine code, in bytes. A Python plugin's is about 100 MiB; AWS Lambda takes 250 MiB of code in all.
const MAX_ARTIFACT_BYTES: u64 = 512 << 20;

/// Machine code that is read and linked within half a millisecond: that of a plugin without an interpreter in it.
const SMALL_BYTES: u64 = 1 << 20;

/// A plugin's machine code for this machine, as listed; not opened yet.
pub(crate) struct Compiled {
    dir: PathBuf,
    artifact: Artifact,
}

impl Runtime {
    /// Loads a bundle that was compiled ahead of time for this machine's architecture. Nothing is compiled, and what does
    /// not fit this host is refused: another wasmtime, other settings, bytes that are not those that the compiler wrote.
    pub async fn load_compiled(&self, bundle: &CompiledBundle, secrets: &Secrets) -> Result<LoadedBundle, LoadError> {
        let use_case = Arc::clone(&bundle.use_case);
        let code = |role| bundle.roles.contains(&role).then(|| find(bundle, role).map(Code::Compiled));
        self.load_roles(&bundle.source, use_case, bundle.version(), secrets, code).await
    }
}

fn find(bundle: &CompiledBundle, role: Role) -> Result<Compiled, String> {
    let arch = Arch::HERE.ok_or("cannot be loaded: this host's processor is neither x86_64 nor arm64")?;
    let artifact = bundle.artifacts.find(role, arch).ok_or_else(|| {
        format!("has not been compiled for {arch}: {ARTIFACTS_DIR}/{ARTIFACTS_FILE} has no {role} for it: {}", how_to_compile(&bundle.dir))
    })?;
    Ok(Compiled { dir: bundle.dir.clone(), artifact: artifact.clone() })
}

impl Compiled {
    /// Whether [`link`](Self::link) is soon done.
    pub fn is_small(&self) -> bool {
        self.artifact.bytes <= SMALL_BYTES
    }

    /// Blocks: reads all of the file, some milliseconds for tens of megabytes.
    pub fn link(&self, inner: &Inner, role: Role) -> Result<InstancePre<State>, String> {
        self.checked(inner, role).map_err(|reason| format!("{reason}: {}", how_to_compile(&self.dir)))
    }

    fn checked(&self, inner: &Inner, role: Role) -> Result<InstancePre<State>, String> {
        self.check_engine(inner.options.metering)?;
        let component = self.map(inner)?;
        // By name, as for a plugin that comes as WebAssembly: what it says is judged, not who compiled it.
        let problems = inspect_component(&inner.engine, &component).problems(Some(role));
        if !problems.is_empty() {
            return Err(problems.join("; and it "));
        }
        link(inner, role, &component)
    }

    fn check_engine(&self, metering: Metering) -> Result<(), String> {
        let Artifact { wasmtime, engine, .. } = &self.artifact;
        if wasmtime != WASMTIME_VERSION {
            return Err(format!("was compiled by wasmtime {wasmtime}, and this host runs {WASMTIME_VERSION}"));
        }
        let ours = engine_hash_with(metering);
        if *engine != ours {
            return Err(format!("was compiled by a Postdate with other engine settings ({engine}) than this host's ({ours})"));
        }
        Ok(())
    }

    fn map(&self, inner: &Inner) -> Result<Component, String> {
        let Artifact { file: name, bytes, digest, .. } = &self.artifact;
        let shown = format!("{ARTIFACTS_DIR}/{name}");
        let unreadable = |error: std::io::Error| format!("cannot be read from {shown} ({error})");
        let opened = open_file(&self.dir, &shown, MAX_ARTIFACT_BYTES).map_err(|error| format!("cannot be read: {error}"))?;
        let file = opened.ok_or_else(|| unreadable(ErrorKind::NotFound.into()))?;
        let length = file.metadata().map_err(unreadable)?.len();
        if length != *bytes {
            return Err(format!("is damaged: {shown} has {length} bytes, and not the {bytes} that were compiled"));
        }
        let found = digest_of(&file, length).map_err(unreadable)?;
        if found != *digest {
            return Err(format!("is damaged: {shown} has the digest {found}, and not {digest}, that of what was compiled"));
        }
        artifact::load_file(&inner.engine, &file).map_err(|error| format!("cannot be loaded from {shown} ({error:#})"))
    }
}

fn inspect_component(engine: &Engine, component: &Component) -> Inspection {
    let ty = component.component_type();
    let imports = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
    inspect_names(imports, ty.exports(engine).map(|(name, _)| name.to_owned()).collect())
}

#[cfg(all(test, feature = "compile"))]
mod tests;
