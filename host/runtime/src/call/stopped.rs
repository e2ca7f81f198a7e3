//! From wasmtime's error to the reason why a call ended without an answer.

use std::time::Duration;

use postdate_core::host_fault::HostFault;
use postdate_core::plugin::Stopped;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use crate::config::{CORE_INSTANCES_PER_COMPONENT, MEMORIES_PER_COMPONENT, TABLES_PER_COMPONENT};
use crate::limits::{MAX_OUTPUT_BYTES, RANDOM_BYTES, RESOURCES, Reached, TRANSFER_BYTES};
use crate::store::{DeadlinePassed, State};

/// Why wasmtime ended the call. `timeout` is what the call had.
pub fn stopped(error: &wasmtime::Error, state: &State, timeout: Duration) -> Stopped {
    if error.is::<DeadlinePassed>() {
        return Stopped::Timeout(timeout);
    }
    if let Some(reached) = error.downcast_ref::<Reached>() {
        return (*reached).into();
    }
    // What a guest does that is refused something differs by language: it traps, exits, or panics. The cause is the refusal.
    if let Some(refused) = state.refused() {
        return refused;
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Stopped::NotStarted(Box::new(HostFault::new("memory for a plugin", error.root_cause().to_string())));
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Stopped::Trap(format!("it exited with status {}", exit.0));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return Stopped::Trap(trap.to_string());
    }
    let cause = error.root_cause().to_string();
    if let Some(stopped) = by_text(error, &cause) {
        return stopped;
    }
    Stopped::Trap(cause.lines().next().unwrap_or_default().to_owned())
}

/// Errors whose types are wasmtime's own affair. The hostile suite holds on to their texts.
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
    // Instances made on demand are counted at the call; pooled ones when the plugin is loaded.
    match cause.strip_prefix("resource limit exceeded: ")?.split(' ').next()? {
        "instance" => limit("core instances", CORE_INSTANCES_PER_COMPONENT.into()),
        "table" => limit("tables", TABLES_PER_COMPONENT.into()),
        "memory" => limit("memories", MEMORIES_PER_COMPONENT.into()),
        _ => None,
    }
}
