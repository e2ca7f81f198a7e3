//! Errors of loading a bundle.

use postdate_core::bundle::BundleError;
use postdate_core::plugin::Role;
use postdate_core::use_case::PluginSpec;

use crate::code::artifacts::{ARTIFACTS_DIR, ARTIFACTS_FILE, Arch};
use crate::code::compile::{CompileError, Subject};
use crate::engine::config::WASMTIME_VERSION;
use crate::secrets::SecretError;

/// A bundle cannot be loaded. [`Self::Bundle`] and [`Self::Plugin`] are faults of the bundle, the others of the host.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// `reason` ends the sentence: the plugin's fault, and its remedy.
    #[error("the {role} plugin of use case {use_case} ({file}) {reason}")]
    Plugin { use_case: String, role: Role, file: String, reason: String },
    /// The precompiled machine code is missing, or does not fit this host. `fix` says how to make it.
    #[error("the {role} plugin of use case {use_case} ({file}) {reason}: {fix}")]
    Precompiled { use_case: String, role: Role, file: String, reason: Box<PrecompiledError>, fix: String },
    /// The compiler failed for another reason than an invalid plugin, which is [`Self::Plugin`].
    #[error("the {role} plugin of use case {use_case} ({file}) {reason}")]
    Compile { use_case: String, role: Role, file: String, reason: CompileError },
    /// A secret does not exist on this host, or cannot be read or used. `key` is the key of the manifest that names it.
    #[error("use case {use_case}: {key} names {error}")]
    Secret { use_case: String, key: String, error: SecretError },
}

impl LoadError {
    /// Returns whether the same load may succeed a moment later, without a change of the bundle.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Compile { reason, .. } => reason.is_transient(),
            Self::Secret { .. } => true,
            Self::Bundle(_) | Self::Plugin { .. } | Self::Precompiled { .. } => false,
        }
    }
}

/// Precompiled machine code cannot be loaded. Each text ends a sentence that names the plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrecompiledError {
    #[error("cannot be loaded: this host's processor is neither x86_64 nor arm64")]
    UnknownProcessor,
    #[error("has not been compiled for {arch}: {ARTIFACTS_DIR}/{ARTIFACTS_FILE} has no {role} for it")]
    Missing { role: Role, arch: Arch },
    #[error("was compiled by wasmtime {wasmtime}, and this host runs {WASMTIME_VERSION}")]
    OtherWasmtime { wasmtime: String },
    #[error("was compiled by a Postdate with other engine settings ({engine}) than this host's ({ours})")]
    OtherEngine { engine: String, ours: String },
    /// The file does not exist or cannot be read.
    #[error("cannot be read{0}")]
    Unreadable(String),
    /// The file is not the one that the compiler wrote.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// wasmtime refused the file.
    #[error("cannot be loaded from {file} ({reason})")]
    Unloadable { file: String, reason: String },
}

/// A [`LoadError`] that does not name its plugin yet.
pub enum Refused {
    /// The text ends a sentence that names the plugin.
    Plugin(String),
    Precompiled {
        reason: PrecompiledError,
        fix: String,
    },
    Compile(CompileError),
}

impl From<CompileError> for Refused {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Invalid(_) => Self::Plugin(error.to_string()),
            error => Self::Compile(error),
        }
    }
}

impl Refused {
    pub fn into_error(self, Subject { use_case, role }: Subject<'_>, spec: &PluginSpec) -> LoadError {
        let (use_case, file) = (use_case.to_owned(), spec.plugin.clone());
        match self {
            Self::Plugin(reason) => LoadError::Plugin { use_case, role, file, reason },
            Self::Precompiled { reason, fix } => LoadError::Precompiled { use_case, role, file, reason: Box::new(reason), fix },
            Self::Compile(reason) => LoadError::Compile { use_case, role, file, reason },
        }
    }
}
