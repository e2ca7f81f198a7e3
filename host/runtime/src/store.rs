//! The state of one call, and the one function that makes a `Store`: never without a memory limit and a deadline.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::config::{CORE_INSTANCES_PER_COMPONENT, MEMORIES_PER_COMPONENT, TABLE_ELEMENTS, TABLES_PER_COMPONENT};
use crate::logs::{CallLog, Pipe, Stream};
use crate::outgoing::Hooks;

/// Bytes that a guest may hand to the host in one call, its answer included. Without it, a list whose items all share
/// one long text would become far more memory here than the guest has.
pub const TRANSFER_BYTES: usize = 4 << 20;
/// Resources, such as streams and header maps, that a guest may hold at once. Each costs the host memory.
const MAX_RESOURCES: usize = 1_000;
/// Bytes of one header map.
const MAX_FIELDS_BYTES: usize = 32 << 10;
/// Bytes of one draw from `wasi:random`.
const MAX_RANDOM_BYTES: u64 = 1 << 20;

/// Everything that the host functions of one call work on.
pub struct State {
    /// Made when the guest first asks for anything of it: many a validator never does, and it is a score of allocations.
    wasi: Option<WasiCtx>,
    http: WasiHttpCtx,
    hooks: Hooks,
    table: ResourceTable,
    config: Arc<WasiConfigVariables>,
    limits: Limits,
    log: Arc<CallLog>,
}

/// The deadline passed while the guest was computing.
#[derive(Debug, thiserror::Error)]
#[error("the deadline has passed")]
pub struct DeadlinePassed;

/// Makes the store of one call. `memory` is bytes for all linear memories together.
pub fn new_store(
    engine: &Engine,
    memory: u64,
    deadline: Instant,
    config: Arc<WasiConfigVariables>,
    hooks: Hooks,
    log: Arc<CallLog>,
) -> Store<State> {
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(MAX_FIELDS_BYTES);
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_RESOURCES);
    let state = State { wasi: None, http, hooks, table, config, limits: Limits::new(memory), log };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limits);
    store.set_hostcall_fuel(TRANSFER_BYTES);
    store.set_max_component_handles(MAX_RESOURCES);
    // Each tick: give way to other tasks, so that one busy guest does not hold a thread, and look at the clock.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(
        move |_| if Instant::now() < deadline { Ok(UpdateDeadline::Yield(1)) } else { Err(DeadlinePassed.into()) },
    );
    store
}

impl State {
    pub fn config(&self) -> &WasiConfigVariables {
        &self.config
    }

    /// Most bytes of linear memory at any time of the call.
    pub fn peak_memory(&self) -> u64 {
        self.limits.peak
    }

    /// Whether the guest asked for more memory than it may have.
    pub fn memory_refused(&self) -> bool {
        self.limits.refused
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| wasi(&self.log));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Clocks, randomness, and two streams to write to. No environment, no arguments, no files, no network: standard
/// libraries import the interfaces for those, and find nothing behind them.
fn wasi(log: &Arc<CallLog>) -> WasiCtx {
    WasiCtx::builder()
        .stdout(Pipe { log: Arc::clone(log), stream: Stream::Stdout })
        .stderr(Pipe { log: Arc::clone(log), stream: Stream::Stderr })
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM_BYTES)
        .build()
}

/// Counts a call's linear memory and holds it to its limit.
struct Limits {
    max: u64,
    current: u64,
    peak: u64,
    /// What was granted last; taken back if the growth fails after all.
    granted: u64,
    refused: bool,
}

impl Limits {
    fn new(max: u64) -> Self {
        Self { max, current: 0, peak: 0, granted: 0, refused: false }
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current) as u64;
        let total = self.current.saturating_add(growth);
        if total > self.max {
            self.refused = true;
            return Ok(false);
        }
        self.current = total;
        self.peak = self.peak.max(total);
        self.granted = growth;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.current -= self.granted;
        self.granted = 0;
        tracing::debug!(error = %error, "a guest's memory could not grow");
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_PER_COMPONENT as usize
    }

    fn tables(&self) -> usize {
        TABLES_PER_COMPONENT as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_COMPONENT as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_for_all_memories_together() {
        let mut limits = Limits::new(100);
        assert!(limits.memory_growing(0, 60, None).unwrap());
        assert!(limits.memory_growing(0, 40, None).unwrap());
        assert!(!limits.refused);
        assert!(!limits.memory_growing(40, 41, None).unwrap());
        assert!(limits.refused);
        assert_eq!(limits.peak, 100);
    }
}
