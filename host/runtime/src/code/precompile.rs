//! Precompiles bundles, for this machine's architecture or another one. Only this module writes `compiled/`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Role;
use postdate_core::use_case::UseCase;

use super::artifacts::{ARTIFACTS_FILE, Arch, Artifact, Artifacts, digest, engine_hash};
use super::compile::{Compiler, Subject};
use crate::engine::config::WASMTIME_VERSION;
use crate::engine::runtime::Runtime;
use crate::load::{LoadError, Refused, examine};
use crate::trust::{SecretKey, SignedEnvelope, Trust};

/// A plugin's machine code, which is not written yet.
pub struct Precompiled {
    pub artifact: Artifact,
    /// Time of the compile; close to zero if the other role had the same component.
    pub elapsed: Duration,
    pub code: Bytes,
}

/// Machine code was not written, or not all of it.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written: {reason}", path.display())]
pub struct WriteError {
    path: PathBuf,
    reason: io::Error,
}

impl Runtime {
    /// Compiles the plugins of a bundle for every processor of an architecture. Compiles a component that is both plugins once. Does
    /// not check whether this host can load them; [`Runtime::load`] does.
    pub async fn precompile(&self, source: &BundleSource, use_case: &UseCase, arch: Arch) -> Result<Vec<Precompiled>, LoadError> {
        let mut all: Vec<Precompiled> = Vec::new();
        let mut codes: BTreeMap<&str, Bytes> = BTreeMap::new();
        for role in [Role::Validate, Role::Process] {
            let Some(spec) = use_case.plugin(role) else { continue };
            let wasm = source.files.get(&spec.plugin).cloned().unwrap_or_default();
            let started = Instant::now();
            let subject = Subject { use_case: &use_case.name, role };
            let known = codes.get(&*spec.plugin).cloned();
            let code = precompiled(&self.inner.compiler, subject, wasm, arch, known).await;
            let code = code.map_err(|refused| refused.into_error(subject, spec))?;
            let artifact = Artifact {
                role,
                arch,
                wasmtime: WASMTIME_VERSION.to_owned(),
                engine: engine_hash(),
                file: file_name(role, arch),
                bytes: code.len() as u64,
                digest: digest(&code),
            };
            codes.insert(&spec.plugin, code.clone());
            all.push(Precompiled { artifact, elapsed: started.elapsed(), code });
        }
        Ok(all)
    }
}

async fn precompiled(compiler: &Compiler, subject: Subject<'_>, wasm: Bytes, arch: Arch, known: Option<Bytes>) -> Result<Bytes, Refused> {
    examine(&wasm, subject.role).await?;
    match known {
        Some(code) => Ok(code),
        None => Ok(compiler.ahead(subject, &wasm, arch).await?.into()),
    }
}

/// Writes machine code into a directory, and then its list, signed if there is a key. Keeps an earlier list's entries for other
/// architectures if they are of the same bundle and, with a key, were signed with it. Drops them otherwise, because a signer signs only
/// code that the signer compiled. Blocks on the file system.
pub fn write_artifacts(
    dir: &Path,
    source: &BundleSource,
    use_case: &UseCase,
    compiled: &[Precompiled],
    key: Option<&SecretKey>,
) -> Result<Artifacts, WriteError> {
    let error = |path: &Path, reason| WriteError { path: path.to_owned(), reason };
    fs::create_dir_all(dir).map_err(|reason| error(dir, reason))?;
    let list = dir.join(ARTIFACTS_FILE);
    let mut artifacts = Artifacts::new(source, use_case);
    // A list that cannot be read is dropped.
    let trust = Trust::new(key.map(SecretKey::public).into_iter().collect());
    let earlier = fs::read(&list).ok().and_then(|content| Artifacts::open(&SignedEnvelope::parse(&content).ok()?, &trust).ok());
    let earlier = earlier.filter(|earlier| earlier.version == artifacts.version);
    let is_new = |artifact: &Artifact| compiled.iter().any(|new| (new.artifact.role, new.artifact.arch) == (artifact.role, artifact.arch));
    artifacts.artifacts = earlier.map(|earlier| earlier.artifacts).unwrap_or_default();
    artifacts.artifacts.retain(|artifact| !is_new(artifact));
    artifacts.artifacts.extend(compiled.iter().map(|new| new.artifact.clone()));
    for new in compiled {
        replace(&dir.join(&new.artifact.file), &new.code)?;
    }
    let mut envelope = artifacts.clone().into_envelope().map_err(|reason| error(&list, reason.into()))?;
    if let Some(key) = key {
        envelope.sign(key);
    }
    replace(&list, envelope.to_json().as_bytes())?;
    remove_unlisted(dir, &artifacts)?;
    Ok(artifacts)
}

/// Writes a file under another name and renames it, so that no reader sees half a file, and a process that has the old file mapped
/// keeps it.
fn replace(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    let temporary = path.with_added_extension(format!("tmp-{}", std::process::id()));
    let written = fs::write(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|reason| {
        let _ = fs::remove_file(&temporary);
        WriteError { path: path.to_owned(), reason }
    })
}

/// Deletes machine code of an earlier version, which would make packages larger.
fn remove_unlisted(dir: &Path, artifacts: &Artifacts) -> Result<(), WriteError> {
    for (role, arch) in [Role::Validate, Role::Process].into_iter().flat_map(|role| [Arch::X86_64, Arch::Arm64].map(|arch| (role, arch))) {
        let name = file_name(role, arch);
        if artifacts.artifacts.iter().any(|artifact| artifact.file == name) {
            continue;
        }
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(reason) if reason.kind() != io::ErrorKind::NotFound => return Err(WriteError { path, reason }),
            _ => {}
        }
    }
    Ok(())
}

fn file_name(role: Role, arch: Arch) -> String {
    format!("{role}.{arch}.cwasm")
}

#[cfg(test)]
mod tests;
