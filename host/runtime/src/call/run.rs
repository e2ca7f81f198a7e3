//! What one call is made of, apart from who waits for it: it may go on in another thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postdate_core::plugin::Stopped;
use wasmtime::Engine;

use super::Guest;
use super::stopped::stopped;
use crate::config::Metering;
use crate::limits::MAX_OUTPUT_BYTES;
use crate::load::Plugin;
use crate::logs::{CallLog, LogLine};
use crate::outgoing::{Hooks, Outgoing};
use crate::secrets::{Config, Mask};
use crate::slots::Slot;
use crate::store::{counted, new_store, start_counting};

pub struct Call<G: Guest> {
    pub plugin: Plugin<G>,
    pub config: Config,
    /// Correlation id.
    pub id: String,
    pub input: G::Input,
    pub outgoing: Outgoing,
    pub started: Instant,
    pub deadline: Instant,
    /// Held until the instance has been given back.
    pub slot: Slot,
}

pub struct Outcome<T> {
    pub result: Result<T, Stopped>,
    pub elapsed: Duration,
    pub peak_memory: u64,
    pub instructions: Option<u64>,
    pub lines: Vec<LogLine>,
    pub stderr: Vec<String>,
}

impl<G: Guest> Call<G> {
    pub async fn run(self, engine: Engine, metering: Metering) -> Outcome<G::Output> {
        let Self { plugin, config, id, input, outgoing, started, deadline, slot } = self;
        let log = CallLog::new(Arc::clone(&plugin.identity), id, Mask::new(&config.secrets));
        let hooks = Hooks::new(outgoing, Arc::clone(&plugin.grants), Arc::clone(&log));
        let mut store = new_store(&engine, plugin.memory, deadline, config, hooks, Arc::clone(&log));
        // Not tried in vain: servers do not count, and to make an error at each call takes time.
        let counting = metering == Metering::On && start_counting(&mut store).is_ok();
        // The epoch stops a guest that computes; this stops one that waits inside a host call.
        let given = deadline.saturating_duration_since(started);
        let answer = tokio::time::timeout(given, plugin.pre.call(&mut store, &input)).await;
        let cut_off = !matches!(answer, Ok(Ok(_)));
        let result = match answer {
            Ok(Ok(answer)) => match G::size(&answer) {
                size if size > MAX_OUTPUT_BYTES => Err(Stopped::Output { size, limit: MAX_OUTPUT_BYTES }),
                _ => Ok(G::messages(answer, |message| log.mask(message))),
            },
            Ok(Err(error)) => Err(stopped(&error, store.data(), given)),
            Err(_) => Err(Stopped::Timeout(given)),
        };
        // A key may be asked for that need not be there; where all went well, nobody wants to hear of it.
        if result.as_ref().map_or(true, G::failed) {
            store.data().missed().notes(plugin.identity.role).for_each(|note| log.note(note));
        }
        let peak_memory = store.data().peak_memory();
        // Code keeps its count in a register, and what it had there when it was cut off is lost.
        let instructions = if counting && !cut_off { counted(&store).ok() } else { None };
        // Gives the instance back, and stops the requests that the guest left behind.
        drop(store);
        drop(slot);
        let (lines, stderr) = log.finish();
        Outcome { result, elapsed: started.elapsed(), peak_memory, instructions, lines, stderr }
    }
}
