//! Errors of a store.

/// An operation on a store failed. `location` is a path or an `s3://` address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk, the network or the account does not answer or refuses. May succeed on another try, or with another permission.
    #[error("cannot {action} {location}: {reason}")]
    Unavailable { action: &'static str, location: String, reason: String },
    #[error("{location} is not there")]
    Missing { location: String },
    /// The object exists, but its content is wrong. `reason` ends the sentence.
    #[error("{location} {reason}")]
    Damaged { location: String, reason: String },
    /// The version has no machine code for this host.
    #[error(
        "{location} has not been compiled for this host ({ours}), but for {}: compile it with the version of Postdate that the host has: \
         postdate use-case compile --to STORE --arch {}",
        if machines.is_empty() { "nothing".to_owned() } else { machines.join(", ") },
        ours.split('-').next().unwrap_or_default()
    )]
    NotPrecompiled { location: String, ours: String, machines: Vec<String> },
    /// The list of machine code for this host is not one that it accepts. `reason` ends the sentence.
    #[error(
        "{location} {reason}: compile the version again, with a key that the host trusts if it asks for one: postdate use-case compile"
    )]
    BadMachineCode { location: String, reason: String },
    #[error("{location} has more than {limit} bytes")]
    TooLarge { location: String, limit: u64 },
    /// Another writer was first.
    #[error("{location} was moved by somebody else meanwhile, to version {now} by {by}: look at what it is now, and try again")]
    Moved { location: String, now: String, by: String },
    /// A push or a rollback has cleared the version's mark while it was being deleted.
    #[error("{location} is in use again, and is kept: somebody pushed it, or went back to it, meanwhile")]
    InUse { location: String },
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
    pub(crate) fn unavailable(action: &'static str, location: impl Into<String>, reason: impl ToString) -> Self {
        Self::Unavailable { action, location: location.into(), reason: reason.to_string() }
    }

    pub(crate) fn damaged(location: impl Into<String>, reason: impl ToString) -> Self {
        Self::Damaged { location: location.into(), reason: reason.to_string() }
    }
}
