//! The machine code of a version, which a push writes, and which a host without a compiler unpacks into a directory.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use postdate_core::bundle::BundleSource;
use postdate_core::plugin::Role;
use postdate_core::use_case::UseCase;
use postdate_runtime::artifacts::{ARTIFACTS_DIR, ARTIFACTS_FILE, Arch, Artifact, Artifacts, ArtifactsError, digest, engine_hash};
use postdate_runtime::trust::{SecretKey, SignedEnvelope, Trust};
use postdate_runtime::{MAX_FILE_BYTES, MAX_MANIFEST_BYTES};

use crate::compress::{pack, unpack};
use crate::error::StoreError;
use crate::objects::{Got, Objects, StoredObject};
use crate::versions::Versions;

const COMPILED_DIR: &str = "compiled";
/// Largest machine code in a store, in bytes, compressed and unpacked. A Python plugin's is about 100 MiB.
const MAX_PACKED_BYTES: u64 = 256 << 20;
const MAX_CODE_BYTES: u64 = 512 << 20;

/// A plugin's machine code for one architecture.
#[derive(Debug, Clone)]
pub struct PrecompiledCode {
    pub artifact: Artifact,
    pub code: Bytes,
}

impl<S: Objects> Versions<S> {
    /// Returns the machines that a version was compiled for, each as an architecture and an [`engine_hash`], joined by a dash.
    pub async fn precompiled_for(&self, name: &str, version: &str) -> Result<Vec<String>, StoreError> {
        let children = self.objects.children(&format!("{name}/{version}/{COMPILED_DIR}")).await?;
        let mut machines: Vec<_> = children.into_iter().filter(|child| child.is_prefix).map(|child| child.name).collect();
        machines.sort();
        Ok(machines)
    }

    /// Returns whether the store has a version's machine code for this architecture and this program's engine, in a list that
    /// `trust` accepts.
    pub async fn is_precompiled(&self, use_case: &UseCase, version: &str, arch: Arch, trust: &Trust) -> Result<bool, StoreError> {
        let prefix = prefix(&use_case.name, version, arch);
        let Got::Object(found) = self.objects.get(&format!("{prefix}/{ARTIFACTS_FILE}"), None, MAX_MANIFEST_BYTES).await? else {
            return Ok(false);
        };
        let opened = SignedEnvelope::parse(&found.content).ok().and_then(|envelope| Artifacts::open(&envelope, trust).ok());
        let Some(artifacts) = opened.filter(|artifacts| artifacts.version == version) else { return Ok(false) };
        let there: BTreeSet<String> =
            self.objects.children(&prefix).await?.into_iter().map(|child| format!("{prefix}/{}", child.name)).collect();
        let mut roles = [Role::Validate, Role::Process].into_iter().filter(|role| use_case.plugin(*role).is_some());
        Ok(roles.all(|role| artifacts.find(role, arch).is_some_and(|artifact| there.contains(&packed_key(&prefix, artifact)))))
    }

    /// Writes a version's machine code for an architecture, and then its list. Replaces an earlier list, because a signer signs only code
    /// that the signer compiled.
    pub async fn publish_precompiled(
        &self,
        use_case: &UseCase,
        source: &BundleSource,
        arch: Arch,
        compiled: &[PrecompiledCode],
        key: Option<&SecretKey>,
    ) -> Result<(), StoreError> {
        let mut artifacts = Artifacts::new(source, use_case);
        let prefix = prefix(&use_case.name, &artifacts.version, arch);
        for PrecompiledCode { artifact, code } in compiled {
            let code = code.clone();
            let packed = tokio::task::spawn_blocking(move || pack(&code)).await.map_err(std::io::Error::other).flatten();
            let packed = packed.map_err(|error| StoreError::unavailable("compress", &artifact.file, error))?;
            if packed.len() as u64 > MAX_PACKED_BYTES {
                return Err(StoreError::TooLarge { location: artifact.file.clone(), limit: MAX_PACKED_BYTES });
            }
            self.put_content(&packed_key(&prefix, artifact), packed.into()).await?;
            artifacts.artifacts.push(artifact.clone());
        }
        let list = format!("{prefix}/{ARTIFACTS_FILE}");
        let mut envelope = artifacts.into_envelope().map_err(|error| StoreError::unavailable("write", &list, error))?;
        if let Some(key) = key {
            envelope.sign(key);
        }
        self.put_content(&list, envelope.to_json().into()).await
    }

    /// Writes into an empty directory everything that a host of this architecture needs to load these roles with
    /// [`read_precompiled_dir`](postdate_runtime::read_precompiled_dir).
    pub async fn unpack_precompiled(
        &self,
        name: &str,
        version: &str,
        arch: Arch,
        roles: &[Role],
        trust: &Trust,
        dir: &Path,
    ) -> Result<(), StoreError> {
        let prefix = prefix(name, version, arch);
        let key = format!("{prefix}/{ARTIFACTS_FILE}");
        let Got::Object(StoredObject { content: list, .. }) = self.objects.get(&key, None, MAX_MANIFEST_BYTES).await? else {
            return Err(self.not_precompiled(name, version, arch).await);
        };
        let opened = SignedEnvelope::parse(&list).map_err(ArtifactsError::from).and_then(|envelope| Artifacts::open(&envelope, trust));
        let artifacts =
            opened.map_err(|reason| StoreError::BadMachineCode { location: self.objects.describe(&key), reason: reason.to_string() })?;
        write(dir, &format!("{ARTIFACTS_DIR}/{ARTIFACTS_FILE}"), list).await?;
        let texts = async {
            for (file, expected) in &artifacts.files {
                let key = format!("{name}/{version}/{file}");
                let content = self.existing(&key, MAX_FILE_BYTES).await?.content;
                if digest(&content) != *expected {
                    return Err(StoreError::damaged(
                        self.objects.describe(&key),
                        "is not what was pushed: push the bundle again to mend it",
                    ));
                }
                write(dir, file, content).await?;
            }
            Ok(())
        };
        let code = async {
            for artifact in roles.iter().filter_map(|role| artifacts.find(*role, arch)) {
                self.unpack_artifact(&prefix, artifact, dir).await?;
            }
            Ok(())
        };
        tokio::try_join!(texts, code).map(|_| ())
    }

    async fn unpack_artifact(&self, prefix: &str, artifact: &Artifact, dir: &Path) -> Result<(), StoreError> {
        let key = packed_key(prefix, artifact);
        let location = self.objects.describe(&key);
        if artifact.bytes > MAX_CODE_BYTES {
            return Err(StoreError::TooLarge { location, limit: MAX_CODE_BYTES });
        }
        let packed = self.existing(&key, MAX_PACKED_BYTES).await?.content;
        let (bytes, path) = (artifact.bytes, dir.join(ARTIFACTS_DIR).join(&artifact.file));
        let unpacked = tokio::task::spawn_blocking(move || unpack(&packed, bytes, &mut File::create(path)?)).await;
        unpacked.map_err(std::io::Error::other).flatten().map_err(|error| StoreError::unavailable("unpack", location, error))
    }

    /// Returns the error that names the machines for which the version was compiled.
    async fn not_precompiled(&self, name: &str, version: &str, arch: Arch) -> StoreError {
        let machines = match self.precompiled_for(name, version).await {
            Ok(machines) => machines,
            Err(error) => return error,
        };
        StoreError::NotPrecompiled { location: self.objects.describe(&format!("{name}/{version}")), ours: machine(arch), machines }
    }
}

/// Returns the part of a key that names the machines which run this program's machine code for an architecture.
fn machine(arch: Arch) -> String {
    format!("{arch}-{}", engine_hash())
}

/// Returns the prefix of a version's machine code for an architecture.
fn prefix(name: &str, version: &str, arch: Arch) -> String {
    format!("{name}/{version}/{COMPILED_DIR}/{}", machine(arch))
}

/// Returns the key of compressed code. The key contains the digest of the unpacked code, so that two compiles of one plugin do not mix.
fn packed_key(prefix: &str, artifact: &Artifact) -> String {
    format!("{prefix}/{}.zst", artifact.digest.trim_start_matches("blake3:"))
}

async fn write(dir: &Path, file: &str, content: Bytes) -> Result<(), StoreError> {
    let path = dir.join(file);
    let location = path.display().to_string();
    let written = tokio::task::spawn_blocking(move || {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)
    });
    written.await.map_err(std::io::Error::other).flatten().map_err(|error| StoreError::unavailable("write", location, error))
}
