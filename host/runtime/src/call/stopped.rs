//! The reasons why a call did not begin or ended without an answer.

use std::io;
use std::time::Duration;

use postdate_core::host_fault::{HostFault, MEMORY, SECRETS, SLOT};
use postdate_core::plugin::{Role, Stopped};
use rustix::io::Errno;
use wasmtime::component::ResourceTableError;
use wasmtime::error::OutOfMemory;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use super::guest::{DeadlinePassed, GuestState};
use crate::engine::config::{CORE_INSTANCES_PER_COMPONENT, MEMORIES_PER_COMPONENT, TABLES_PER_COMPONENT};
use crate::engine::slots::NoSlot;
use crate::limits::{MAX_OUTPUT_BYTES, RANDOM_BYTES, RESOURCES, Reached, TRANSFER_BYTES};
use crate::secrets::SecretError;

/// A call did not begin. Each reason is a host fault, except [`Self::NoPlugin`].
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    #[error(transparent)]
    Slot(NoSlot),
    /// A secret is missing or cannot be read.
    #[error("it is granted the secret {0}")]
    Secrets(SecretError),
    #[error("its secrets could not be read in time")]
    SecretsLate,
    /// The machine has no memory or no instance for the call.
    #[error("{0}")]
    Resources(String),
    #[error("the use case has no {0} plugin")]
    NoPlugin(Role),
}

impl From<NotStarted> for Stopped {
    fn from(reason: NotStarted) -> Self {
        let waits_for = match &reason {
            NotStarted::Slot(NoSlot::All { role, slots }) => format!("{SLOT} for {role} plugins (all {slots} busy)"),
            NotStarted::Slot(NoSlot::Share { role, .. }) => {
                format!("{SLOT} for the {role} plugin of one use case (its share is busy)")
            }
            NotStarted::Secrets(_) | NotStarted::SecretsLate => SECRETS.to_owned(),
            NotStarted::Slot(NoSlot::Memory { .. }) | NotStarted::Resources(_) => MEMORY.to_owned(),
            NotStarted::NoPlugin(role) => format!("a {role} plugin"),
        };
        Self::NotStarted(Box::new(HostFault::new(waits_for, reason.to_string())))
    }
}

/// Returns the reason why wasmtime ended the call. `timeout` is the call's time limit.
pub fn stopped(error: &wasmtime::Error, state: &GuestState, timeout: Duration) -> Stopped {
    if error.is::<DeadlinePassed>() {
        return Stopped::Timeout(timeout);
    }
    if let Some(reached) = error.downcast_ref::<Reached>() {
        return (*reached).into();
    }
    // A guest that reaches a limit traps, exits or panics, depending on its language. The limit is the cause, so it is reported.
    if let Some(refused) = state.refused() {
        return refused;
    }
    if lacks_resources(error) {
        return NotStarted::Resources(error.root_cause().to_string()).into();
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return trapped(&format!("it exited with status {}", exit.0), state);
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trapped(&trap.to_string(), state);
    }
    let cause = error.root_cause().to_string();
    if let Some(stopped) = by_text(error, &cause) {
        return stopped;
    }
    trapped(cause.lines().next().unwrap_or_default(), state)
}

/// Returns the trap. A guest without error handling traps after a failed request, as an uncaught exception of `fetch` does in JavaScript:
/// the cause of that is part of the reason.
fn trapped(trap: &str, state: &GuestState) -> Stopped {
    Stopped::Trap(match state.request_failure() {
        Some(cause) => format!("{trap}; the last HTTP request before that failed: {cause}"),
        None => trap.to_owned(),
    })
}

/// Returns whether the host, and not the guest, ran out of something.
fn lacks_resources(error: &wasmtime::Error) -> bool {
    error.is::<PoolConcurrencyLimitError>()
        || error.is::<OutOfMemory>()
        || error.downcast_ref::<Errno>() == Some(&Errno::NOMEM)
        || error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory)
}

/// Recognizes errors by their texts, because wasmtime does not export their types. The hostile suite tests the texts.
fn by_text(error: &wasmtime::Error, cause: &str) -> Option<Stopped> {
    let limit = |what, limit| Some(Stopped::Limit { what, limit });
    if cause.contains("fuel allocated for hostcalls has been exhausted") {
        return Some(Stopped::Output { size: TRANSFER_BYTES as u64, limit: MAX_OUTPUT_BYTES });
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) || cause.contains("handle limit exceeded") {
        return limit("resources at once", RESOURCES as u64);
    }
    if cause.starts_with("requested len ") && cause.contains(" exceeds limit ") {
        return limit("random bytes at once", RANDOM_BYTES);
    }
    // The limit of instances applies at the call for instances on demand, and at the load for pooled ones.
    match cause.strip_prefix("resource limit exceeded: ")?.split(' ').next()? {
        "instance" => limit("core instances", CORE_INSTANCES_PER_COMPONENT.into()),
        "table" => limit("tables", TABLES_PER_COMPONENT.into()),
        "memory" => limit("memories", MEMORIES_PER_COMPONENT.into()),
        _ => None,
    }
}
