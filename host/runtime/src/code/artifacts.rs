//! The list of a bundle's machine code, `compiled/artifacts.json`: a [`SignedEnvelope`] that names, for each file, the plugin, the
//! architecture and the engine. `postdate plugin compile` writes it. The directory is not part of the bundle's version.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use postdate_core::bundle::{BundleSource, hex, is_file_name, is_version};
use postdate_core::plugin::Role;
use postdate_core::use_case::{MANIFEST_FILE, UseCase};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use crate::code::digest::digest;
use crate::engine::config::{Metering, WASMTIME_VERSION, code_settings};
use crate::trust::{SignedEnvelope, SignedEnvelopeError, Trust};

/// Directory of machine code, inside a bundle's directory.
pub const ARTIFACTS_DIR: &str = "compiled";
/// The list of machine code, inside [`ARTIFACTS_DIR`].
pub const ARTIFACTS_FILE: &str = "artifacts.json";
/// The type of [`Artifacts`] in a [`SignedEnvelope`].
const ARTIFACTS_TYPE: &str = "application/vnd.postdate.artifacts+json";

/// An architecture that plugins are compiled for, by the name that AWS Lambda gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Arch {
    #[serde(rename = "x86_64")]
    X86_64,
    #[serde(rename = "arm64")]
    Arm64,
}

/// A text is not the name of an architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an architecture that plugins are compiled for: x86_64 or arm64")]
pub struct UnknownArch(String);

impl Arch {
    /// The architecture of this machine; `None` if plugins are not compiled ahead of time for it.
    pub const HERE: Option<Self> = if cfg!(target_arch = "x86_64") {
        Some(Self::X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Self::Arm64)
    } else {
        None
    };

    /// Returns the target triple for Cranelift.
    #[cfg(feature = "compile")]
    pub(crate) fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        })
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    fn from_str(name: &str) -> Result<Self, UnknownArch> {
        [Self::X86_64, Self::Arm64].into_iter().find(|arch| arch.to_string() == name).ok_or_else(|| UnknownArch(name.into()))
    }
}

/// A host refuses a list of machine code. Each text ends a sentence that begins with the list's path.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactsError {
    #[error(transparent)]
    Envelope(#[from] SignedEnvelopeError),
    #[error("does not list machine code: {0}")]
    Malformed(String),
}

/// The content of `artifacts.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifacts {
    /// Version of the bundle that was compiled: see [`BundleSource::version`].
    pub version: String,
    /// Digests of the manifest and the config files at that time, by name. A host without the `.wasm` files cannot compute the
    /// version; these digests show it that a manifest was changed.
    pub files: BTreeMap<String, String>,
    pub artifacts: Vec<Artifact>,
}

/// One plugin as machine code for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub role: Role,
    pub arch: Arch,
    /// Full version of the wasmtime that compiled it.
    pub wasmtime: String,
    /// [`engine_hash`] of the host that compiled it.
    pub engine: String,
    /// Name of the file inside [`ARTIFACTS_DIR`].
    pub file: String,
    pub bytes: u64,
    /// [`digest`] of the file.
    pub digest: String,
}

impl Artifacts {
    /// Makes a list without artifacts.
    pub fn new(source: &BundleSource, use_case: &UseCase) -> Self {
        let files = text_files(use_case).into_iter().filter_map(|(_, name)| {
            let content = source.files.get(&name)?;
            Some((name, digest(content)))
        });
        Self { version: source.version(), files: files.collect(), artifacts: Vec::new() }
    }

    /// Opens a list. Fails if `trust` does not accept it, or if it is malformed.
    pub fn open(envelope: &SignedEnvelope, trust: &Trust) -> Result<Self, ArtifactsError> {
        let artifacts: Self =
            serde_json::from_slice(envelope.open(ARTIFACTS_TYPE, trust)?).map_err(|error| ArtifactsError::Malformed(error.to_string()))?;
        if !is_version(&artifacts.version) {
            return Err(ArtifactsError::Malformed(format!("version is {:?}, not 16 hexadecimal digits", artifacts.version)));
        }
        if let Some(artifact) = artifacts.artifacts.iter().find(|artifact| artifact.file.contains('/') || !is_file_name(&artifact.file)) {
            return Err(ArtifactsError::Malformed(format!("{:?} is not the name of a file", artifact.file)));
        }
        if let Some(file) = artifacts.files.keys().find(|file| !is_file_name(file)) {
            return Err(ArtifactsError::Malformed(format!("{file:?} is not the name of a file")));
        }
        Ok(artifacts)
    }

    /// Returns the list in an envelope without signatures.
    pub fn into_envelope(self) -> serde_json::Result<SignedEnvelope> {
        Ok(SignedEnvelope::new(ARTIFACTS_TYPE, serde_json::to_vec(&self)?))
    }

    /// Returns the machine code of a plugin for an architecture.
    pub fn find(&self, role: Role, arch: Arch) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.role == role && artifact.arch == arch)
    }
}

/// Returns the files that a host needs beside machine code, each with the manifest's key that names it.
pub(crate) fn text_files(use_case: &UseCase) -> Vec<(String, String)> {
    let mut files = vec![("the manifest".to_owned(), MANIFEST_FILE.to_owned())];
    for role in [Role::Validate, Role::Process] {
        let Some(spec) = use_case.plugin(role) else { continue };
        files.extend(spec.config_files.iter().map(|(name, file)| (format!("{role}.config-files.{name}"), file.clone())));
    }
    files
}

/// Returns the digest of the settings that shape machine code, as 16 hexadecimal digits. A host with a compiler and one without return
/// the same digest. wasmtime's own hash needs a compiler, and differs between machines that run the same code.
pub fn engine_hash() -> String {
    engine_hash_with(Metering::Off)
}

/// Returns [`engine_hash`] for machine code with or without metering.
pub(crate) fn engine_hash_with(metering: Metering) -> String {
    hex(&Sha256::digest(format!("{WASMTIME_VERSION} {:?}", code_settings(metering)))[..8])
}

#[cfg(test)]
mod tests;
