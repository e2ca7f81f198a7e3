//! One call of a plugin outside a server: what the host would hand it, made of a case or of the command line.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DateTime, TimeDelta, Utc};
use postdate_core::plugin::{Acceptance, Job, Role, ValidateInput};
use postdate_core::time::{check_window, parse_time, rfc3339, trigger_of};
use postdate_core::use_case::UseCase;
use postdate_runtime::{CallOptions, LoadedBundle, LogLine, Outgoing, Report};

use crate::compare::Outcome;

/// How far ahead a body that says no time is taken to be scheduled.
const DEFAULT_AHEAD: TimeDelta = TimeDelta::hours(1);

/// What goes into a call.
#[derive(Debug, Clone)]
pub struct Call {
    pub role: Role,
    pub id: String,
    /// When the request was received, or the job was due.
    pub now: DateTime<Utc>,
    pub target: Option<String>,
    /// Lower-case name to value.
    pub headers: BTreeMap<String, String>,
    pub attempt: u32,
    pub body: String,
    pub outgoing: Outgoing,
}

/// What came of it.
#[derive(Debug)]
pub struct Called {
    pub outcome: Outcome,
    /// Why the host would not take this acceptance, if it is one.
    pub unusable: Option<String>,
    pub elapsed: Duration,
    /// Bytes.
    pub peak_memory: u64,
    /// `None` where they were not counted.
    pub instructions: Option<u64>,
    pub lines: Vec<LogLine>,
}

impl Call {
    /// Fails where a host would not call the plugin at all.
    pub async fn make(self, bundle: &LoadedBundle, use_case: &UseCase) -> anyhow::Result<Called> {
        let role = self.role;
        let Some(spec) = use_case.plugin(role) else { bail!("the use case {} has no {role} plugin", use_case.name) };
        if let Some(unknown) = self.target.as_deref().filter(|alias| use_case.targets.get(alias).is_none()) {
            bail!("target: {unknown:?} is not among the targets of the use case: {}", use_case.targets.aliases().join(", "));
        }
        if let Some(unlisted) = self.headers.keys().find(|name| !spec.headers.contains(name)) {
            bail!("headers: the validator would not see {unlisted:?}: add it to validate.headers of the manifest");
        }
        let options = CallOptions { deadline: None, outgoing: self.outgoing.clone() };
        match role {
            Role::Validate => {
                let now = self.now;
                let input = self.into_input(use_case)?;
                let called = called(bundle.call_validate(input, options).await);
                let unusable = match &called.outcome {
                    Outcome::Accepted(acceptance) => unusable(use_case, acceptance, now),
                    _ => None,
                };
                Ok(Called { unusable, ..called })
            }
            Role::Process => Ok(called(bundle.call_process(self.into_job(use_case), options).await)),
        }
    }

    fn into_input(self, use_case: &UseCase) -> anyhow::Result<ValidateInput> {
        let fields = serde_json::from_str(&self.body).context("the body must be a JSON object: the host hands a validator nothing else")?;
        let has_time = |fields: &serde_json::Map<_, _>| fields.contains_key("triggerAt") || fields.contains_key("delay");
        let trigger_at = if has_time(&fields) { trigger_of(&fields, self.now)? } else { self.now + DEFAULT_AHEAD };
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
        }
    }
}

fn called<T>(report: Report<T>) -> Called
where
    Outcome: From<Result<T, postdate_core::plugin::PluginError>>,
{
    let Report { result, elapsed, peak_memory, instructions, lines } = report;
    Called { outcome: result.into(), unusable: None, elapsed, peak_memory, instructions, lines }
}

/// What the host checks of an acceptance before it takes it.
fn unusable(use_case: &UseCase, acceptance: &Acceptance, now: DateTime<Utc>) -> Option<String> {
    if let Some(alias) = acceptance.target.as_deref().filter(|alias| use_case.targets.get(alias).is_none()) {
        return Some(format!("target: {alias:?} is not among the targets of the use case: {}", use_case.targets.aliases().join(", ")));
    }
    if let Some(body) = &acceptance.body
        && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(body)
    {
        return Some(format!("body: it is not JSON: {error}"));
    }
    let at = acceptance.trigger_at.as_deref()?;
    let window = parse_time(at).and_then(|at| check_window(at, now, use_case.schedule.max_ahead));
    window.err().map(|error| format!("trigger-at: {error}"))
}

#[cfg(test)]
mod tests;
