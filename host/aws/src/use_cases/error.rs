//! Errors of loading use cases.

use std::error::Error;

use postdate_core::host_fault::HostFault;
use postdate_core::ports::UseCaseError;
use postdate_runtime::{LoadError, ReadBundleError};
use postdate_store::StoreError;

/// A version of a use case does not load; each variant has a description. There is no variant for a load in progress, because callers
/// wait for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The store, the disk or the source of secrets does not answer, or refuses. May succeed if tried again.
    #[error("{0}")]
    Unreachable(String),
    /// The version has no machine code for this host's processor and engine, or none that the host trusts. Succeeds once it is compiled.
    #[error("{0}")]
    NotPrecompiled(String),
    /// The store has no such version.
    #[error("{0}")]
    Gone(String),
    /// The version does not load on any host.
    #[error("{0}")]
    Broken(String),
}

impl VersionError {
    pub fn gone(name: &str, version: &str) -> Self {
        Self::Gone(format!("there is no version {version:?} of a use case {name:?}"))
    }

    /// Converts the error to the port's. A version that may load later is a host fault.
    pub fn into_port(self, name: &str, version: &str) -> UseCaseError {
        let detail = format!("version {version} of use case {name} cannot be loaded: {self}");
        match self {
            Self::Unreachable(_) => HostFault::new("the store of use cases, or their secrets", detail).into(),
            Self::NotPrecompiled(_) => HostFault::new(format!("machine code of version {version}"), detail).into(),
            Self::Gone(_) | Self::Broken(_) => UseCaseError::Unusable(detail),
        }
    }
}

impl From<StoreError> for VersionError {
    fn from(error: StoreError) -> Self {
        let text = chain(&error);
        match error {
            StoreError::Unavailable { .. } => Self::Unreachable(text),
            StoreError::NotPrecompiled { .. } | StoreError::BadMachineCode { .. } => Self::NotPrecompiled(text),
            StoreError::NoSuchUseCase(_) | StoreError::NoSuchVersion { .. } | StoreError::NoFormerVersion(_) => Self::Gone(text),
            StoreError::Missing { .. }
            | StoreError::Damaged { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Moved { .. }
            | StoreError::InUse { .. } => Self::Broken(text),
        }
    }
}

impl From<ReadBundleError> for VersionError {
    fn from(error: ReadBundleError) -> Self {
        let text = chain(&error);
        match error {
            ReadBundleError::Io { .. } => Self::Unreachable(text),
            ReadBundleError::NotPrecompiled { .. } | ReadBundleError::Artifacts { .. } => Self::NotPrecompiled(text),
            _ => Self::Broken(text),
        }
    }
}

impl From<LoadError> for VersionError {
    fn from(error: LoadError) -> Self {
        let text = chain(&error);
        match error {
            LoadError::Secret { .. } => Self::Unreachable(text),
            LoadError::Compile { .. } | LoadError::Precompiled { .. } => Self::NotPrecompiled(text),
            LoadError::Bundle(_) | LoadError::Plugin { .. } => Self::Broken(text),
        }
    }
}

/// Returns the texts of the error and its sources, separated by colons.
fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
