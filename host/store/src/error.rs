//! What goes wrong with a store.

/// Why a store did not do it. Each names the place: a path, or an `s3://` address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// May succeed if tried again, or once somebody has given permission: a disk, a network, an account.
    #[error("cannot {action} {place}: {reason}")]
    Unavailable { action: &'static str, place: String, reason: String },
    #[error("{place} is not there")]
    Missing { place: String },
    /// It is there, and is not what it should be. `reason` is a sentence's end.
    #[error("{place} {reason}")]
    Damaged { place: String, reason: String },
    /// A version has no machine code for this host yet. `reason` is a sentence's end.
    #[error("{place} {reason}")]
    NotCompiled { place: String, reason: String },
    #[error("{place} has more than {limit} bytes")]
    TooLarge { place: String, limit: u64 },
    /// Somebody else was first.
    #[error("{place} was moved by somebody else meanwhile, to version {now} by {by}: look at what it is now, and try again")]
    Moved { place: String, now: String, by: String },
    #[error("there is no use case {0} in the store")]
    NoSuchUseCase(String),
    #[error(
        "there is no version {version} of use case {name} in the store: `postdate use-case list {name} --store STORE` lists those that there are"
    )]
    NoSuchVersion { name: String, version: String },
    #[error("use case {0} has served no version before this one")]
    NoFormerVersion(String),
}

#[expect(clippy::needless_pass_by_value, reason = "whoever has the reason has no other use for it")]
impl StoreError {
    pub(crate) fn unavailable(action: &'static str, place: impl Into<String>, reason: impl ToString) -> Self {
        Self::Unavailable { action, place: place.into(), reason: reason.to_string() }
    }

    pub(crate) fn damaged(place: impl Into<String>, reason: impl ToString) -> Self {
        Self::Damaged { place: place.into(), reason: reason.to_string() }
    }
}
