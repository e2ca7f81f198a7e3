//! One call: a slot, a fresh instance, the answer or the reason why there is none.

use std::future::Future;
use std::time::{Duration, Instant};

use postdate_core::host_fault::HostFault;
use postdate_core::plugin::{Job, JobResult, PluginError, Role, Stopped, ValidateInput, Verdict};
use postdate_core::ports::Bundle;
use postdate_core::use_case::UseCase;
use wasmtime::Store;

use crate::bindings::processor::ProcessorPre;
use crate::bindings::processor::exports::postdate::plugin::process as wit_process;
use crate::bindings::validator::ValidatorPre;
use crate::bindings::validator::exports::postdate::plugin::validate as wit_validate;
use crate::convert;
use crate::load::{LoadedBundle, Plugin};
use crate::logs::LogLine;
use crate::outgoing::Outgoing;
use crate::runtime::Runtime;
use crate::store::State;

use self::run::{Call, Outcome};

mod run;
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
    /// WebAssembly instructions that the guest executed, from its start to its answer, most of them counted as one and those
    /// that only give code its structure as none. Host functions count nothing. `None` where the runtime does not count
    /// ([`Options::metering`](crate::Options::metering)), or the guest was stopped before it answered.
    pub instructions: Option<u64>,
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
        // Before the slot: what may be waited for is the network, and no time of the plugin's own.
        let patience = options.deadline.unwrap_or(Duration::MAX);
        let config = match tokio::time::timeout(patience, plugin.config()).await {
            Ok(Ok(config)) => config,
            Ok(Err(error)) => return self.not_started(plugin.identity.role, secrets_fault(format!("it is granted the secret {error}"))),
            Err(_) => return self.not_started(plugin.identity.role, secrets_fault("its secrets could not be read in time".to_owned())),
        };
        let slot = match self.runtime.inner.slots.take(&plugin.identity, timeout).await {
            Ok(slot) => slot,
            Err(reason) => return self.not_started(plugin.identity.role, reason),
        };
        let started = Instant::now();
        // The plugin's own time starts now; the caller's is running already.
        let deadline = options.deadline.map_or(started + plugin.timeout, |all| (arrived + all).min(started + plugin.timeout));
        let call = Call { plugin: plugin.clone(), config, id, input, outgoing: options.outgoing, started, deadline, slot };
        let call = call.run(self.runtime.inner.engine.clone(), self.runtime.inner.options.metering);
        let Outcome { result, elapsed, peak_memory, instructions, lines, stderr } = self.runtime.inner.threads.drive(Box::pin(call)).await;
        let result = result.map_err(|reason| self.error(plugin.identity.role, reason, stderr));
        Report { result, elapsed, peak_memory, instructions, lines }
    }

    fn no_plugin<T>(&self, role: Role) -> Report<T> {
        self.not_started(role, HostFault::new(format!("a {role} plugin"), format!("the use case has no {role} plugin")))
    }

    fn not_started<T>(&self, role: Role, fault: HostFault) -> Report<T> {
        let error = self.error(role, Stopped::NotStarted(Box::new(fault)), Vec::new());
        Report { result: Err(error), elapsed: Duration::ZERO, peak_memory: 0, instructions: None, lines: Vec::new() }
    }

    fn error(&self, role: Role, reason: Stopped, stderr: Vec<String>) -> PluginError {
        PluginError { use_case: self.use_case.name.clone(), role, version: self.version.to_string(), reason, stderr }
    }

    /// The runtime that it was loaded into.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

fn secrets_fault(detail: String) -> HostFault {
    HostFault::new("the secrets of the use case", detail)
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
pub(crate) trait Guest: Clone + Send + Sync + 'static {
    type Input: Send + Sync + 'static;
    type Output: Send + 'static;

    /// Instantiates and calls.
    fn call(&self, store: &mut Store<State>, input: &Self::Input) -> impl Future<Output = wasmtime::Result<Self::Output>> + Send;

    /// Bytes that the answer takes.
    fn size(answer: &Self::Output) -> u64;

    /// Passes the answer's messages for people through `change`.
    fn messages(answer: Self::Output, change: impl Fn(&mut String)) -> Self::Output;

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

    fn messages(mut answer: Verdict, change: impl Fn(&mut String)) -> Verdict {
        for problem in answer.as_mut().err().into_iter().flatten() {
            change(&mut problem.message);
        }
        answer
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

    fn messages(mut answer: JobResult, change: impl Fn(&mut String)) -> JobResult {
        if let Err(failure) = &mut answer {
            change(&mut failure.message);
        }
        answer
    }

    fn failed(answer: &JobResult) -> bool {
        answer.is_err()
    }
}

#[cfg(test)]
mod tests;
