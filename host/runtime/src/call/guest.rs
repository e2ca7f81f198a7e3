//! The state of one guest, and the only function that makes a `Store`, always with a memory limit and a deadline.

use std::sync::Arc;
use std::time::Instant;

use postdate_core::plugin::Stopped;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::logs::{CallLog, Pipe, Stream};
use super::wasi_config::WasiConfig;
use crate::limits::{CallLimits, FIELDS_BYTES, RANDOM_BYTES, RESOURCES, TRANSFER_BYTES};
use crate::outgoing::Hooks;
use crate::secrets::PluginConfig;

/// The state that the host functions of one call work on.
pub struct GuestState {
    /// The WASI context, made at first use. Many validators never need it, and making it costs about twenty allocations.
    wasi: Option<WasiCtx>,
    http: WasiHttpCtx,
    hooks: Hooks,
    table: ResourceTable,
    config: WasiConfig,
    limits: CallLimits,
    log: Arc<CallLog>,
}

/// The deadline passed while the guest was computing.
#[derive(Debug, thiserror::Error)]
#[error("the deadline has passed")]
pub struct DeadlinePassed;

/// Fuel of a call, more than any call can use. Fuel only counts instructions here; it limits nothing.
const FUEL: u64 = u64::MAX;

/// Makes the store of one call. `memory` is the limit in bytes for all linear memories together.
pub fn new_store(
    engine: &Engine,
    memory: u64,
    deadline: Instant,
    config: PluginConfig,
    hooks: Hooks,
    log: Arc<CallLog>,
) -> Store<GuestState> {
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(FIELDS_BYTES);
    let mut table = ResourceTable::new();
    table.set_max_capacity(RESOURCES);
    let state = GuestState { wasi: None, http, hooks, table, config: WasiConfig::new(config), limits: CallLimits::new(memory), log };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limits);
    store.set_hostcall_fuel(TRANSFER_BYTES);
    store.set_max_component_handles(RESOURCES);
    // At each tick the guest yields to other tasks, so that a busy guest does not hold a thread, and the deadline is checked.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(
        move |_| if Instant::now() < deadline { Ok(UpdateDeadline::Yield(1)) } else { Err(DeadlinePassed.into()) },
    );
    store
}

/// Starts counting instructions. Fails on an engine whose code does not count.
pub fn start_counting(store: &mut Store<GuestState>) -> wasmtime::Result<()> {
    store.set_fuel(FUEL)
}

/// Returns the instructions that the guest has executed since [`start_counting`].
pub fn counted(store: &Store<GuestState>) -> wasmtime::Result<u64> {
    Ok(FUEL - store.get_fuel()?)
}

impl GuestState {
    /// The state of `wasi:config/store`.
    pub fn config(&mut self) -> &mut WasiConfig {
        &mut self.config
    }

    /// Returns the largest total of linear memory during the call, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.limits.peak()
    }

    /// Returns the cause why the guest's last outgoing request got no answer. `None` if it got one.
    pub fn request_failure(&self) -> Option<String> {
        self.log.last_failure()
    }

    /// Returns the first limit that the guest reached, if it reached one.
    pub fn refused(&self) -> Option<Stopped> {
        self.limits.refused().cloned().or_else(|| self.hooks.reached().map(Stopped::from))
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| wasi(&self.log));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Returns a WASI context with clocks, random numbers and two output streams. Standard libraries import the interfaces of environment,
/// arguments, files and network as well, which are empty.
fn wasi(log: &Arc<CallLog>) -> WasiCtx {
    WasiCtx::builder()
        .stdout(Pipe { log: Arc::clone(log), stream: Stream::Stdout })
        .stderr(Pipe { log: Arc::clone(log), stream: Stream::Stderr })
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(RANDOM_BYTES)
        .build()
}
