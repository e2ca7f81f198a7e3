//! One call of a plugin, separate from its caller, because the call may continue on another thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postdate_core::plugin::Stopped;
use postdate_core::trace::TraceParent;
use postdate_egress::Network;
use wasmtime::Engine;

use super::guest::{counted, new_store, start_counting};
use super::logs::{CallLog, LogLine};
use super::stopped::stopped;
use super::world::PluginWorld;
use crate::engine::config::Metering;
use crate::engine::slots::Slot;
use crate::limits::MAX_OUTPUT_BYTES;
use crate::load::Plugin;
use crate::outgoing::{Hooks, Outgoing};
use crate::secrets::{Mask, PluginConfig};

pub struct PluginCall<W: PluginWorld> {
    pub plugin: Plugin<W>,
    pub config: PluginConfig,
    /// Correlation id.
    pub id: String,
    /// Sent with the plugin's HTTP requests.
    pub trace: Option<TraceParent>,
    pub input: W::Input,
    pub outgoing: Outgoing,
    pub network: Network,
    pub started: Instant,
    pub deadline: Instant,
    /// The call's slot, which is held until the instance is back in the pool.
    pub slot: Slot,
}

/// The result of a call, and what it used.
pub struct Returned<T> {
    pub result: Result<T, Stopped>,
    pub elapsed: Duration,
    pub peak_memory: u64,
    pub instructions: Option<u64>,
    pub lines: Vec<LogLine>,
    pub stderr: Vec<String>,
}

impl<W: PluginWorld> PluginCall<W> {
    pub async fn run(self, engine: Engine, metering: Metering) -> Returned<W::Output> {
        let Self { plugin, config, id, trace, input, outgoing, network, started, deadline, slot } = self;
        let log = CallLog::new(Arc::clone(&plugin.identity), id, Mask::new(&config.secrets));
        let hooks = Hooks::new(outgoing, network, Arc::clone(&plugin.grants), trace, Arc::clone(&log));
        let mut store = new_store(&engine, plugin.memory, deadline, config, hooks, Arc::clone(&log));
        // Tested first because servers do not count, and an error at each call would cost time.
        let counting = metering == Metering::On && start_counting(&mut store).is_ok();
        // The epoch stops a guest that computes. This timeout stops a guest that waits in a host function.
        let given = deadline.saturating_duration_since(started);
        let answer = tokio::time::timeout(given, plugin.pre.call(&mut store, &input)).await;
        let cut_off = !matches!(answer, Ok(Ok(_)));
        let result = match answer {
            Ok(Ok(answer)) => match W::size(&answer) {
                size if size > MAX_OUTPUT_BYTES => Err(Stopped::Output { size, limit: MAX_OUTPUT_BYTES }),
                _ => Ok(W::messages(answer, |message| log.mask(message))),
            },
            Ok(Err(error)) => Err(stopped(&error, store.data(), given)),
            Err(_) => Err(Stopped::Timeout(given)),
        };
        // A config key may be optional, so a missing key is noted only if the call failed.
        if result.as_ref().map_or(true, W::failed) {
            store.data_mut().config().notes(plugin.identity.role).for_each(|note| log.note(note));
        }
        let peak_memory = store.data().peak_memory();
        // Machine code keeps its count in a register, which is lost if the call is stopped.
        let instructions = if counting && !cut_off { counted(&store).ok() } else { None };
        // Returns the instance to the pool, and stops the requests that the guest left behind.
        drop(store);
        drop(slot);
        let (lines, stderr) = log.finish();
        Returned { result, elapsed: started.elapsed(), peak_memory, instructions, lines, stderr }
    }
}
