//! One call: a slot, a fresh instance, the answer or the reason why there is none.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postdate_core::plugin::{Job, JobResult, PluginError, Role, Stopped, ValidateInput, Verdict};
use postdate_core::ports::Bundle;
use postdate_core::use_case::UseCase;
use wasmtime::Store;

use crate::bindings::processor::ProcessorPre;
use crate::bindings::processor::exports::postdate::plugin::process as wit_process;
use crate::bindings::validator::ValidatorPre;
use crate::bindings::validator::exports::postdate::plugin::validate as wit_validate;
use crate::convert;
use crate::limits::MAX_OUTPUT_BYTES;
use crate::load::{LoadedBundle, Plugin};
use crate::logs::{CallLog, LogLine};
use crate::outgoing::{Hooks, Outgoing};
use crate::runtime::Runtime;
use crate::store::{State, new_store};

use self::stopped::stopped;

mod stopped;

/// What a caller decides about one call.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// Wall-clock time for all of it, the wait for a slot included, if that is less than the manifest's timeout.
    pub deadline: Option<Duration>,
    pub outgoing: Outgoing,
}

/// What came of one call.
#[derive(Debug)]
pub struct Report<T> {
    pub result: Result<T, PluginError>,
    /// From the slot to the answer.
    pub elapsed: Duration,
    /// Most bytes of linear memory at any time of the call.
    pub peak_memory: u64,
    pub lines: Vec<LogLine>,
}

impl LoadedBundle {
    /// Calls the validate plugin, with all the details.
    pub async fn call_validate(&self, input: ValidateInput, options: CallOptions) -> Report<Verdict> {
        match &self.validate {
            Some(plugin) => {
                let id = input.id.clone();
                self.call(plugin, id, convert::request(input), options).await
            }
            None => self.no_plugin(Role::Validate),
        }
    }

    /// Calls the process plugin, with all the details.
    pub async fn call_process(&self, job: Job, options: CallOptions) -> Report<JobResult> {
        match &self.process {
            Some(plugin) => {
                let id = job.id.clone();
                self.call(plugin, id, convert::job(job), options).await
            }
            None => self.no_plugin(Role::Process),
        }
    }

    async fn call<G: Guest>(&self, plugin: &Plugin<G>, id: String, input: G::Input, options: CallOptions) -> Report<G::Output> {
        let arrived = Instant::now();
        let timeout = options.deadline.map_or(plugin.timeout, |deadline| deadline.min(plugin.timeout));
        let slot = tokio::time::timeout(timeout, self.runtime.inner.slots.acquire()).await;
        let Ok(Ok(_slot)) = slot else {
            let reason = format!("all {} slots for plugins were busy", self.runtime.inner.options.slots);
            return self.not_started(plugin.identity.role, reason);
        };
        let started = Instant::now();
        // The plugin's own time starts now; the caller's is running already.
        let deadline = options.deadline.map_or(started + plugin.timeout, |all| (arrived + all).min(started + plugin.timeout));
        let log = CallLog::new(Arc::clone(&plugin.identity), id);
        let hooks = Hooks::new(options.outgoing, Arc::clone(&plugin.grants), Arc::clone(&log));
        let mut store = new_store(&self.runtime.inner.engine, plugin.memory, deadline, Arc::clone(&plugin.config), hooks, Arc::clone(&log));
        // The epoch stops a guest that computes; this stops one that waits inside a host call.
        let given = deadline.saturating_duration_since(started);
        let answer = tokio::time::timeout(given, plugin.pre.call(&mut store, &input)).await;
        let result = match answer {
            Ok(Ok(answer)) => match G::size(&answer) {
                size if size > MAX_OUTPUT_BYTES => Err(Stopped::Output { size, limit: MAX_OUTPUT_BYTES }),
                _ => Ok(answer),
            },
            Ok(Err(error)) => Err(stopped(&error, store.data(), given)),
            Err(_) => Err(Stopped::Timeout(given)),
        };
        // A key may be asked for that need not be there; where all went well, nobody wants to hear of it.
        if result.as_ref().map_or(true, G::failed) {
            store.data().missed().notes(plugin.identity.role).for_each(|note| log.note(note));
        }
        let peak_memory = store.data().peak_memory();
        // Gives the instance back, and stops the requests that the guest left behind.
        drop(store);
        let (lines, stderr) = log.finish();
        let result = result.map_err(|reason| self.error(plugin.identity.role, reason, stderr));
        Report { result, elapsed: started.elapsed(), peak_memory, lines }
    }

    fn no_plugin<T>(&self, role: Role) -> Report<T> {
        self.not_started(role, format!("the use case has no {role} plugin"))
    }

    fn not_started<T>(&self, role: Role, reason: String) -> Report<T> {
        let error = self.error(role, Stopped::NotStarted(reason), Vec::new());
        Report { result: Err(error), elapsed: Duration::ZERO, peak_memory: 0, lines: Vec::new() }
    }

    fn error(&self, role: Role, reason: Stopped, stderr: Vec<String>) -> PluginError {
        PluginError { use_case: self.use_case.name.clone(), role, version: self.version.to_string(), reason, stderr }
    }

    /// The runtime that it was loaded into.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

impl Bundle for LoadedBundle {
    fn use_case(&self) -> &UseCase {
        &self.use_case
    }

    fn version(&self) -> &str {
        &self.version
    }

    async fn validate(&self, input: ValidateInput) -> Result<Verdict, PluginError> {
        self.call_validate(input, CallOptions::default()).await.result
    }

    async fn process(&self, job: Job, deadline: Option<Duration>) -> Result<JobResult, PluginError> {
        self.call_process(job, CallOptions { deadline, outgoing: Outgoing::Granted }).await.result
    }
}

/// What differs between the two worlds.
pub(crate) trait Guest {
    type Input: Sync;
    type Output;

    /// Instantiates and calls.
    fn call(&self, store: &mut Store<State>, input: &Self::Input) -> impl Future<Output = wasmtime::Result<Self::Output>> + Send;

    /// Bytes that the answer takes.
    fn size(answer: &Self::Output) -> u64;

    /// Whether the answer says that the plugin could not do its work.
    fn failed(answer: &Self::Output) -> bool;
}

impl Guest for ValidatorPre<State> {
    type Input = wit_validate::Request;
    type Output = Verdict;

    async fn call(&self, store: &mut Store<State>, input: &Self::Input) -> wasmtime::Result<Verdict> {
        let instance = self.instantiate_async(&mut *store).await?;
        instance.postdate_plugin_validate().call_validate(store, input).await.map(convert::verdict)
    }

    fn size(answer: &Verdict) -> u64 {
        convert::verdict_size(answer)
    }

    /// A rejection is good work.
    fn failed(_: &Verdict) -> bool {
        false
    }
}

impl Guest for ProcessorPre<State> {
    type Input = wit_process::Job;
    type Output = JobResult;

    async fn call(&self, store: &mut Store<State>, input: &Self::Input) -> wasmtime::Result<JobResult> {
        let instance = self.instantiate_async(&mut *store).await?;
        instance.postdate_plugin_process().call_process(store, input).await.map(convert::job_result)
    }

    fn size(answer: &JobResult) -> u64 {
        convert::job_result_size(answer)
    }

    fn failed(answer: &JobResult) -> bool {
        answer.is_err()
    }
}

#[cfg(test)]
mod tests;
