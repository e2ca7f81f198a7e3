//! Converts between the core's types and the contract's. Moves the fields, which are the same, without copying.

use std::time::Duration;

use postdate_core::plugin::{Acceptance, Job, JobFailure, JobResult, Problem, ValidateInput, Verdict};

use crate::bindings::processor::exports::postdate::plugin::process as wit_process;
use crate::bindings::validator::exports::postdate::plugin::validate as wit_validate;

pub fn request(input: ValidateInput) -> wit_validate::Request {
    let ValidateInput { id, use_case, received_at, trigger_at, target, caller, headers, body } = input;
    wit_validate::Request { id, use_case, received_at, trigger_at, target, caller, headers, body }
}

pub fn verdict(answer: Result<wit_validate::Acceptance, Vec<wit_validate::Problem>>) -> Verdict {
    match answer {
        Ok(wit_validate::Acceptance { body, target, trigger_at }) => Ok(Acceptance { body, target, trigger_at }),
        Err(problems) => {
            Err(problems.into_iter().map(|wit_validate::Problem { pointer, code, message }| Problem { pointer, code, message }).collect())
        }
    }
}

pub fn job(job: Job) -> wit_process::Job {
    let Job { id, use_case, target, attempt, scheduled_for, body, trace: _ } = job;
    wit_process::Job { id, use_case, target, attempt, scheduled_for, body }
}

pub fn job_result(answer: Result<Option<String>, wit_process::Failure>) -> JobResult {
    answer.map_err(|wit_process::Failure { message, retry, retry_after_seconds }| JobFailure {
        message,
        retry,
        retry_after: retry_after_seconds.map(|seconds| Duration::from_secs(seconds.into())),
    })
}

/// Returns the size of a verdict in bytes of text.
pub fn verdict_size(verdict: &Verdict) -> u64 {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let bytes = match verdict {
        Ok(Acceptance { body, target, trigger_at }) => length(body) + length(target) + length(trigger_at),
        // Each problem's own struct counts too, so that a million empty problems are not a small answer.
        Err(problems) => problems.iter().map(|p| size_of::<Problem>() + p.pointer.len() + p.code.len() + p.message.len()).sum(),
    };
    bytes as u64
}

/// Returns the size of a job's result in bytes of text.
pub fn job_result_size(result: &JobResult) -> u64 {
    let bytes = match result {
        Ok(text) => text.as_ref().map_or(0, String::len),
        Err(failure) => failure.message.len(),
    };
    bytes as u64
}
