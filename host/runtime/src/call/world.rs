//! A common trait for the two worlds of the contract.

use std::future::Future;

use postdate_core::plugin::{JobResult, Verdict};
use wasmtime::Store;

use super::convert;
use super::guest::GuestState;
use crate::bindings::processor::ProcessorPre;
use crate::bindings::processor::exports::postdate::plugin::process as wit_process;
use crate::bindings::validator::ValidatorPre;
use crate::bindings::validator::exports::postdate::plugin::validate as wit_validate;

/// The differences between the worlds `validator` and `processor`.
pub trait PluginWorld: Clone + Send + Sync + 'static {
    type Input: Send + Sync + 'static;
    type Output: Send + 'static;

    /// Instantiates the plugin and calls it.
    fn call(&self, store: &mut Store<GuestState>, input: &Self::Input) -> impl Future<Output = wasmtime::Result<Self::Output>> + Send;

    /// Returns the size of the answer in bytes.
    fn size(answer: &Self::Output) -> u64;

    /// Applies `change` to the answer's messages for people.
    fn messages(answer: Self::Output, change: impl Fn(&mut String)) -> Self::Output;

    /// Returns whether the answer says that the plugin could not do its work.
    fn failed(answer: &Self::Output) -> bool;
}

impl PluginWorld for ValidatorPre<GuestState> {
    type Input = wit_validate::Request;
    type Output = Verdict;

    async fn call(&self, store: &mut Store<GuestState>, input: &Self::Input) -> wasmtime::Result<Verdict> {
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

    /// A rejection is a regular answer of a validator.
    fn failed(_: &Verdict) -> bool {
        false
    }
}

impl PluginWorld for ProcessorPre<GuestState> {
    type Input = wit_process::Job;
    type Output = JobResult;

    async fn call(&self, store: &mut Store<GuestState>, input: &Self::Input) -> wasmtime::Result<JobResult> {
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
