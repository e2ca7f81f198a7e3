//! Access: the rights of a caller, and the decisions that follow from them. Hosts find out who calls; see [`Caller`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::request::Request;

/// A right. A call needs one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Post requests.
    Submit,
    /// Read and list requests and use cases.
    Read,
    /// Move, cancel and retry requests.
    Change,
    /// Push use cases and roll them back.
    Deploy,
    /// See metrics, the details of `/health` and the requests of every owner, and move a test clock.
    Operate,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::Submit, Self::Read, Self::Change, Self::Deploy, Self::Operate];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Change => "change",
            Self::Deploy => "deploy",
            Self::Operate => "operate",
        }
    }

    /// Returns all scopes as text, separated by commas.
    pub fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is no scope: choose from {}", Self::names()))
    }
}

/// The author of a call, and the author's rights.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// Name for the record of requests; `None` where the host cannot tell callers apart.
    pub name: Option<String>,
    pub scopes: BTreeSet<Scope>,
    /// Use cases that the caller may use and see; `None` for all.
    pub use_cases: Option<BTreeSet<String>>,
    /// Restricts the caller to requests that it made itself. The scope `operate` lifts the restriction.
    pub own_only: bool,
    /// Separates idempotency keys: two callers with different values never share a key. `None` for a host's only or oldest caller,
    /// whose keys are stored as they are.
    pub key_space: Option<String>,
}

/// The right that a caller lacks for a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("{} lacks the scope {scope:?}, which this call needs", subject(caller.as_ref()), scope = scope.as_str())]
    Scope { caller: Option<String>, scope: Scope },
    #[error("{} may not use the use case {use_case:?}", subject(caller.as_ref()))]
    UseCase { caller: Option<String>, use_case: String },
}

fn subject(caller: Option<&String>) -> String {
    caller.map_or_else(|| "the caller".to_owned(), |name| format!("the caller {name:?}"))
}

impl Caller {
    /// Returns a caller that may do everything.
    pub fn everything() -> Self {
        Self { scopes: Scope::ALL.into(), ..Self::default() }
    }

    /// Returns a caller that has shown no key. It has no scope.
    pub fn stranger() -> Self {
        Self { own_only: true, ..Self::default() }
    }

    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Fails if the caller lacks the scope.
    pub fn require(&self, scope: Scope) -> Result<(), Denied> {
        if self.may(scope) { Ok(()) } else { Err(Denied::Scope { caller: self.name.clone(), scope }) }
    }

    /// Fails if the caller may not use the use case.
    pub fn require_use_case(&self, name: &str) -> Result<(), Denied> {
        if self.sees_use_case(name) { Ok(()) } else { Err(Denied::UseCase { caller: self.name.clone(), use_case: name.to_owned() }) }
    }

    pub fn sees_use_case(&self, name: &str) -> bool {
        self.use_cases.as_ref().is_none_or(|names| names.contains(name))
    }

    /// Returns the owner whose requests are the only ones that the caller sees; `None` if the caller sees those of every owner. A
    /// restricted caller without a name sees none, which the empty name stands for: no request has it as its owner.
    pub fn only_owner(&self) -> Option<&str> {
        (self.own_only && !self.may(Scope::Operate)).then(|| self.name.as_deref().unwrap_or_default())
    }

    /// Returns true if the caller may see that the request exists.
    pub fn sees(&self, request: &Request) -> bool {
        self.sees_use_case(&request.use_case) && self.only_owner().is_none_or(|owner| request.owner.as_deref() == Some(owner))
    }

    /// Returns an idempotency key as the ledger stores it: within the caller's key space. The separator is in no client's key, since
    /// those are visible ASCII characters.
    pub fn stored_key(&self, key: String) -> String {
        match &self.key_space {
            Some(space) => format!("{space}\n{key}"),
            None => key,
        }
    }
}

#[cfg(test)]
mod tests;
