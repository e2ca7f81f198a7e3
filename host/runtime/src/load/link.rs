//! Checks and links a plugin, without calling it.

use bytes::Bytes;
use postdate_core::plugin::Role;
use wasmtime::component::{Component, InstancePre};

use super::bundle_dir::MAX_FILE_BYTES;
use super::error::Refused;
use super::export_type;
use crate::call::guest::GuestState;
use crate::code::compile::blocking;
use crate::contract::inspect::inspect;
use crate::engine::runtime::Inner;

/// Refuses a file that is not a plugin for this role. Does not compile the file.
pub async fn examine(wasm: &Bytes, role: Role) -> Result<(), Refused> {
    if wasm.len() as u64 > MAX_FILE_BYTES {
        return Err(Refused::Plugin(format!("is {} bytes, more than the {MAX_FILE_BYTES} that are taken", wasm.len())));
    }
    let wasm = wasm.clone();
    let problems = blocking(move || inspect(&wasm).problems(Some(role))).await?;
    if problems.is_empty() { Ok(()) } else { Err(Refused::Plugin(problems.join("; and it "))) }
}

/// Links a component whose imports were accepted by name, so only their types can be wrong. The error ends a sentence.
pub fn link(inner: &Inner, role: Role, component: &Component) -> Result<InstancePre<GuestState>, String> {
    export_type::check(&inner.engine, component, role)?;
    inner.linker.instantiate_pre(component).map_err(|error| format!("imports something of another type than the host has: {error:#}"))
}
