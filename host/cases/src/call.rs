//! One call of a plugin outside a server, with the input that a host would give it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::accept::check_acceptance;
use postdate_core::plugin::{Job, Role, ValidateInput};
use postdate_core::time::{rfc3339, trigger_of};
use postdate_core::use_case::UseCase;
use postdate_runtime::{CallOptions, LoadedBundle, LogLine, Outgoing, Report};

use crate::compare::PluginAnswer;

/// Time from `now` to the trigger time of a body that names no time.
const DEFAULT_AHEAD: TimeDelta = TimeDelta::hours(1);

/// The input of a call, from a test case or from the command line.
#[derive(Debug, Clone)]
pub struct CaseCall {
    pub role: Role,
    /// Correlation id.
    pub id: String,
    /// Time at which the request was received, or the job was due.
    pub now: DateTime<Utc>,
    pub target: Option<String>,
    /// Values by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// JSON text, or any text that a test case gives a processor.
    pub body: String,
    pub outgoing: Outgoing,
}

/// The answer of a call, and its cost.
#[derive(Debug)]
pub struct Called {
    pub answer: PluginAnswer,
    /// Reason why a host would refuse this acceptance.
    pub unusable: Option<String>,
    pub elapsed: Duration,
    /// Bytes of linear memory.
    pub peak_memory: u64,
    /// `None` if the runtime does not count them.
    pub instructions: Option<u64>,
    /// Output of the plugin to stdout and stderr.
    pub lines: Vec<LogLine>,
}

impl CaseCall {
    /// Calls the plugin. Fails if a host would not call it: no such plugin or target, a header that is not granted, or a body
    /// that is no JSON object for a validator.
    pub async fn make(self, bundle: &LoadedBundle, use_case: &UseCase) -> anyhow::Result<Called> {
        let role = self.role;
        let Some(spec) = use_case.plugin(role) else { bail!("the use case {} has no {role} plugin", use_case.name) };
        if let Some(unknown) = self.target.as_deref().filter(|alias| use_case.targets.get(alias).is_none()) {
            bail!("target: {unknown:?} is not among the targets of the use case: {}", use_case.targets.aliases().join(", "));
        }
        if let Some(unlisted) = self.headers.keys().find(|name| !spec.headers.contains(name)) {
            bail!("headers: a host does not pass {unlisted:?} to the validator: add it to validate.headers in the manifest");
        }
        let options = CallOptions { deadline: None, outgoing: self.outgoing.clone() };
        match role {
            Role::Validate => {
                let now = self.now;
                let input = self.into_input(use_case)?;
                let called = called(bundle.call_validate(input, options).await);
                let unusable = match &called.answer {
                    PluginAnswer::Accepted(acceptance) => check_acceptance(use_case, acceptance, now).err().map(|error| error.to_string()),
                    _ => None,
                };
                Ok(Called { unusable, ..called })
            }
            Role::Process => Ok(called(bundle.call_process(self.into_job(use_case), options).await)),
        }
    }

    fn into_input(self, use_case: &UseCase) -> anyhow::Result<ValidateInput> {
        let fields =
            serde_json::from_str(&self.body).context("the body must be a JSON object: a host passes no other body to a validator")?;
        let has_time = |fields: &serde_json::Map<_, _>| fields.contains_key("triggerAt") || fields.contains_key("delay");
        let trigger_at = if has_time(&fields) { trigger_of(&fields, self.now)?.at } else { self.now + DEFAULT_AHEAD };
        Ok(ValidateInput {
            id: self.id,
            use_case: use_case.name.clone(),
            received_at: rfc3339(self.now),
            trigger_at: rfc3339(trigger_at),
            target: self.target,
            caller: Vec::new(),
            headers: self.headers.into_iter().collect(),
            body: self.body,
        })
    }

    fn into_job(self, use_case: &UseCase) -> Job {
        Job {
            id: self.id,
            use_case: use_case.name.clone(),
            target: self.target.unwrap_or_else(|| use_case.targets.default.clone()),
            attempt: self.attempt,
            scheduled_for: rfc3339(self.now),
            body: self.body,
            trace: None,
        }
    }
}

fn called<T>(report: Report<T>) -> Called
where
    PluginAnswer: From<Result<T, postdate_core::plugin::PluginError>>,
{
    let Report { result, elapsed, peak_memory, instructions, lines } = report;
    Called { answer: result.into(), unusable: None, elapsed, peak_memory, instructions, lines }
}

#[cfg(test)]
mod tests;
