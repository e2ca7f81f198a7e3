//! The state of one call, and the one function that makes a `Store`: never without a memory limit and a deadline.

use std::sync::Arc;
use std::time::Instant;

use postdate_core::plugin::Stopped;
use secrecy::ExposeSecret as _;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::config_store::Missed;
use crate::limits::{FIELDS_BYTES, Limits, RANDOM_BYTES, RESOURCES, TRANSFER_BYTES};
use crate::logs::{CallLog, Pipe, Stream};
use crate::outgoing::Hooks;
use crate::secrets::Config;

/// Everything that the host functions of one call work on.
pub struct State {
    /// Made when the guest first asks for anything of it: many a validator never does, and it is a score of allocations.
    wasi: Option<WasiCtx>,
    http: WasiHttpCtx,
    hooks: Hooks,
    table: ResourceTable,
    config: Config,
    missed: Missed,
    limits: Limits,
    log: Arc<CallLog>,
}

/// The deadline passed while the guest was computing.
#[derive(Debug, thiserror::Error)]
#[error("the deadline has passed")]
pub struct DeadlinePassed;

/// So much that no call ends for want of it: it counts, and limits nothing.
const FUEL: u64 = u64::MAX;

/// Makes the store of one call. `memory` is bytes for all linear memories together.
pub fn new_store(engine: &Engine, memory: u64, deadline: Instant, config: Config, hooks: Hooks, log: Arc<CallLog>) -> Store<State> {
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(FIELDS_BYTES);
    let mut table = ResourceTable::new();
    table.set_max_capacity(RESOURCES);
    let state = State { wasi: None, http, hooks, table, config, missed: Missed::default(), limits: Limits::new(memory), log };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limits);
    store.set_hostcall_fuel(TRANSFER_BYTES);
    store.set_max_component_handles(RESOURCES);
    // Each tick: give way to other tasks, so that one busy guest does not hold a thread, and look at the clock.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(
        move |_| if Instant::now() < deadline { Ok(UpdateDeadline::Yield(1)) } else { Err(DeadlinePassed.into()) },
    );
    store
}

/// Starts the count of instructions. Only for an engine whose code counts: another one makes an error of it.
pub fn start_counting(store: &mut Store<State>) -> wasmtime::Result<()> {
    store.set_fuel(FUEL)
}

/// Instructions that the guest has executed since.
pub fn counted(store: &Store<State>) -> wasmtime::Result<u64> {
    Ok(FUEL - store.get_fuel()?)
}

impl State {
    pub fn config_entries(&self) -> Vec<(String, String)> {
        let settings = self.config.settings.iter().map(|(key, value)| (key.clone(), value.clone()));
        let secrets = self.config.secrets.iter().map(|(key, value)| (key.clone(), value.expose_secret().to_owned()));
        settings.chain(secrets).collect()
    }

    /// The guest asks for a key.
    pub fn config_value(&mut self, key: &str) -> Option<String> {
        let secret = || self.config.secrets.get(key).map(|value| value.expose_secret().to_owned());
        let value = self.config.settings.get(key).cloned().or_else(secret);
        if value.is_none() {
            self.missed.add(key);
        }
        value
    }

    /// The keys that the guest asked for in vain.
    pub fn missed(&self) -> &Missed {
        &self.missed
    }

    /// Most bytes of linear memory at any time of the call.
    pub fn peak_memory(&self) -> u64 {
        self.limits.peak()
    }

    /// What the guest wanted and could not have, if there was anything.
    pub fn refused(&self) -> Option<Stopped> {
        self.limits.refused().cloned().or_else(|| self.hooks.reached().map(Stopped::from))
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
        .max_random_size(RANDOM_BYTES)
        .build()
}
