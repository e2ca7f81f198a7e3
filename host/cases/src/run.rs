//! Runs test cases.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::bail;
use postdate_core::bundle::BundleSource;
use postdate_core::id::CorrelationId;
use postdate_core::plugin::Role;
use postdate_core::use_case::UseCase;
use postdate_runtime::{LoadError, LoadedBundle, LogLine, Outgoing, Runtime, Secrets};

use crate::call::{Called, CaseCall};
use crate::canned::Canned;
use crate::cases::{Case, Expected};
use crate::compare::{PluginAnswer, differences};
use crate::compared::Compared;

/// The result of a test case.
#[derive(Debug, Default)]
pub struct Ran {
    pub name: String,
    pub description: String,
    pub elapsed: Duration,
    /// Empty if the case passed.
    pub complaints: Vec<String>,
    /// The documents that differ; `None` if the complaints are about something else.
    pub compared: Option<Compared>,
    /// Output of the plugin to stdout and stderr.
    pub lines: Vec<LogLine>,
}

/// A loaded bundle, or the error of a plugin that a host would refuse.
pub type Loaded = Result<LoadedBundle, LoadError>;

/// Loads a bundle once for all cases; each case replaces the secrets. Fails if the bundle cannot be loaded, unless a plugin is
/// refused and a case expects it.
pub async fn load(runtime: &Runtime, source: &BundleSource, cases: &[Case]) -> anyhow::Result<Loaded> {
    let empty = Secrets::of(|_| Some(String::new()));
    match runtime.load(source, &empty).await {
        Err(error @ LoadError::Plugin { .. }) if cases.iter().any(|case| case.expect == Expected::Error("refused".into())) => {
            Ok(Err(error))
        }
        Err(error) => Err(error.into()),
        Ok(bundle) => Ok(Ok(bundle)),
    }
}

/// Runs the cases one after the other.
pub async fn run_all(loaded: &Loaded, use_case: &UseCase, cases: &[Case]) -> Vec<Ran> {
    let mut ran = Vec::with_capacity(cases.len());
    for case in cases {
        ran.push(run_case(loaded, use_case, case).await);
    }
    ran
}

/// Runs one case.
pub async fn run_case(loaded: &Loaded, use_case: &UseCase, case: &Case) -> Ran {
    let begun = Instant::now();
    let judged = try_case(loaded, use_case, case).await;
    let Judged { complaints, compared, lines } =
        judged.unwrap_or_else(|error| Judged { complaints: vec![format!("{error:#}")], ..Judged::default() });
    Ran { name: case.name.clone(), description: case.description.clone(), elapsed: begun.elapsed(), complaints, compared, lines }
}

/// The verdict about a call.
#[derive(Default)]
struct Judged {
    complaints: Vec<String>,
    compared: Option<Compared>,
    lines: Vec<LogLine>,
}

/// Makes the call of a case, and judges it.
async fn try_case(loaded: &Loaded, use_case: &UseCase, case: &Case) -> anyhow::Result<Judged> {
    let bundle = match loaded {
        Ok(bundle) => bundle.with_secrets(&secrets_of(use_case, case)?).await?,
        Err(error) => {
            let refused = PluginAnswer::Error { code: "refused", message: error.to_string() };
            let complaints = differences(&case.expect, &refused);
            let compared = (!complaints.is_empty()).then(|| Compared::answers(&case.expect, &refused));
            return Ok(Judged { complaints, compared, lines: Vec::new() });
        }
    };
    let canned = Canned::new(case.http.clone())?;
    let call = CaseCall {
        role: case.call,
        // The same in every run, so that a case can expect values that a plugin derives from it.
        id: CorrelationId::new(case.now, [0; 10]).to_string(),
        now: case.now,
        target: case.target.clone(),
        headers: case.headers.clone(),
        attempt: case.attempt,
        body: case.body.clone(),
        outgoing: Outgoing::Responder(canned.clone()),
    };
    let Called { answer, unusable, lines, .. } = call.make(&bundle, use_case).await?;
    let mut complaints = differences(&case.expect, &answer);
    let answers = (!complaints.is_empty()).then(|| Compared::answers(&case.expect, &answer));
    complaints.extend(unusable.map(|reason| format!("a host would refuse the validator's answer: {reason}")));
    complaints.extend(canned.complaints());
    // The answer of a processor whose request differs is a consequence of that.
    let bodies = canned.different_bodies().map(|bodies| Compared::bodies(&bodies.expected, &bodies.got));
    Ok(Judged { complaints, compared: bodies.or(answers), lines })
}

/// Returns the secrets of a case. Fails unless they are exactly those of the plugin that it calls; the other plugin's are empty.
fn secrets_of(use_case: &UseCase, case: &Case) -> anyhow::Result<Secrets> {
    let granted = |role: Role| use_case.plugin(role).map(|spec| spec.secrets.as_slice()).unwrap_or_default();
    let (role, own) = (case.call, granted(case.call));
    if let Some(missing) = own.iter().find(|name| !case.secrets.contains_key(*name)) {
        bail!(
            "secrets: the manifest grants {missing} to the {role} plugin: add a value to the case, such as secrets = {{ {missing} = \"...\" }}"
        );
    }
    if let Some(unknown) = case.secrets.keys().find(|name| !own.contains(name)) {
        bail!(
            "secrets: {unknown} is not granted to the {role} plugin: add it to {role}.secrets in the manifest, or remove it from the case"
        );
    }
    let values: BTreeMap<String, String> = case.secrets.clone();
    Ok(Secrets::of(move |name| Some(values.get(name).cloned().unwrap_or_default())))
}

#[cfg(test)]
mod tests;
