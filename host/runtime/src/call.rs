//! Calls a plugin: takes a slot, runs a fresh instance, and returns its answer or the reason for having none.

use std::time::{Duration, Instant};

use postdate_core::plugin::{Job, JobResult, PluginError, Role, Stopped, ValidateInput, Verdict};
use postdate_core::ports::Bundle;
use postdate_core::trace::TraceParent;
use postdate_core::use_case::UseCase;

use crate::engine::runtime::Runtime;
use crate::load::{LoadedBundle, Plugin};
use crate::outgoing::Outgoing;

mod convert;
pub mod guest;
pub mod logs;
pub mod observer;
mod run;
mod stopped;
pub mod wasi_config;
mod world;

use logs::LogLine;
use observer::EndedCall;
use run::{PluginCall, Returned};
use stopped::NotStarted;
use world::PluginWorld;

/// Longest wait for a slot. It is shorter than the margin of a lease over the plugin's timeout, so that a claim outlives the call.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// A caller's settings for one call.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// Wall-clock time for the call and its wait for a slot, if that is less than the manifest's timeout.
    pub deadline: Option<Duration>,
    pub outgoing: Outgoing,
}

/// The result of one call, and what it used.
#[derive(Debug)]
pub struct Report<T> {
    pub result: Result<T, PluginError>,
    /// Time from taking the slot to the answer.
    pub elapsed: Duration,
    /// Largest total of linear memory during the call, in bytes.
    pub peak_memory: u64,
    /// Number of WebAssembly instructions that the guest executed, from its start to its answer. Host functions, and instructions that
    /// only structure the code, do not count. `None` without [`Options::metering`](crate::Options::metering), or if the guest was
    /// stopped before it answered.
    pub instructions: Option<u64>,
    pub lines: Vec<LogLine>,
}

impl LoadedBundle {
    /// Calls the validate plugin, and returns the full report.
    pub async fn call_validate(&self, input: ValidateInput, options: CallOptions) -> Report<Verdict> {
        match &self.validate {
            Some(plugin) => {
                let id = input.id.clone();
                self.call(plugin, id, None, convert::request(input), options).await
            }
            None => self.no_plugin(Role::Validate),
        }
    }

    /// Calls the process plugin, and returns the full report.
    pub async fn call_process(&self, job: Job, options: CallOptions) -> Report<JobResult> {
        match &self.process {
            Some(plugin) => {
                let (id, trace) = (job.id.clone(), job.trace);
                self.call(plugin, id, trace, convert::job(job), options).await
            }
            None => self.no_plugin(Role::Process),
        }
    }

    async fn call<W: PluginWorld>(
        &self,
        plugin: &Plugin<W>,
        id: String,
        trace: Option<TraceParent>,
        input: W::Input,
        options: CallOptions,
    ) -> Report<W::Output> {
        let arrived = Instant::now();
        let timeout = options.deadline.map_or(plugin.timeout, |deadline| deadline.min(plugin.timeout));
        // Secrets are read before the slot is taken: they may come over the network, and the wait must not count against the plugin's
        // timeout.
        let patience = options.deadline.unwrap_or(Duration::MAX);
        let config = match tokio::time::timeout(patience, plugin.config()).await {
            Ok(Ok(config)) => config,
            Ok(Err(error)) => return self.not_started(plugin.identity.role, NotStarted::Secrets(error)),
            Err(_) => return self.not_started(plugin.identity.role, NotStarted::SecretsLate),
        };
        // A wait into the time that the plugin needs would end as a failure of the plugin.
        let rest = options.deadline.map_or(LONGEST_WAIT, |all| all.saturating_sub(arrived.elapsed()).saturating_sub(plugin.timeout));
        let wait = timeout.min(LONGEST_WAIT).min(rest);
        let slot = match self.runtime.inner.slots.take(&plugin.identity, plugin.memory, wait).await {
            Ok(slot) => slot,
            Err(error) => return self.not_started(plugin.identity.role, NotStarted::Slot(error)),
        };
        let started = Instant::now();
        // The plugin's timeout starts now. The caller's deadline started with the call.
        let deadline = options.deadline.map_or(started + plugin.timeout, |all| (arrived + all).min(started + plugin.timeout));
        let network = self.runtime.inner.options.network.clone();
        let outgoing = options.outgoing;
        let call = PluginCall { plugin: plugin.clone(), config, id, trace, input, outgoing, network, started, deadline, slot };
        let call = call.run(self.runtime.inner.engine.clone(), self.runtime.inner.options.metering);
        let Returned { result, elapsed, peak_memory, instructions, lines, stderr } = self.runtime.inner.threads.drive(Box::pin(call)).await;
        let (use_case, role) = (self.use_case.name.as_str(), plugin.identity.role);
        self.runtime.inner.options.observer.tell(EndedCall { use_case, role, elapsed, peak_memory, stopped: result.as_ref().err() });
        let result = result.map_err(|reason| self.error(role, reason, stderr));
        Report { result, elapsed, peak_memory, instructions, lines }
    }

    fn no_plugin<T>(&self, role: Role) -> Report<T> {
        self.not_started(role, NotStarted::NoPlugin(role))
    }

    fn not_started<T>(&self, role: Role, reason: NotStarted) -> Report<T> {
        let error = self.error(role, reason.into(), Vec::new());
        Report { result: Err(error), elapsed: Duration::ZERO, peak_memory: 0, instructions: None, lines: Vec::new() }
    }

    fn error(&self, role: Role, reason: Stopped, stderr: Vec<String>) -> PluginError {
        PluginError { use_case: self.use_case.name.clone(), role, version: self.version.to_string(), reason, stderr }
    }

    /// Returns the runtime that loaded the bundle.
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

#[cfg(test)]
mod tests;
