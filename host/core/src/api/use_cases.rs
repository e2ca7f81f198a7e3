//! `GET /use-cases`, `/use-cases/{name}` and `/use-cases/{name}/versions`.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Api, ApiError, ApiRequest, pause};
use crate::accept::Rejection;
use crate::access::{Caller, Scope};
use crate::pause::Pause;
use crate::ports::{Changes, Intake, Pauses, Requests, Scheduler, StoredVersions, UseCaseInfo, UseCases, VersionDetails};
use crate::time::rfc3339;

/// Most versions of one answer. A store may have thousands; with the names of their test cases, an answer would be megabytes.
const MAX_VERSIONS: usize = 200;

impl<U, L, S> Api<U, L, S>
where
    U: UseCases,
    L: Intake + Requests + Changes + Pauses,
    S: Scheduler,
{
    /// Lists the use cases that the caller sees.
    pub(super) async fn list_use_cases(&self, call: &ApiRequest) -> Result<Answer, ApiError> {
        let mut seen = self.use_cases.list().await;
        seen.retain(|info| call.caller.sees_use_case(&info.name));
        let pauses = self.ledger.pauses(call.now).await?;
        let shown: Vec<Value> = seen.into_iter().map(|info| entry(info, &call.caller, &pauses)).collect();
        Ok(Answer::new(StatusCode::OK, call.id, json!({ "useCases": shown })))
    }

    /// Returns one use case as the list does, with its grants for those who deploy or operate.
    pub(super) async fn get_use_case(&self, call: &ApiRequest, name: &str) -> Result<Answer, ApiError> {
        call.caller.require_use_case(name)?;
        let info = self.use_cases.list().await.into_iter().find(|info| info.name == name).ok_or_else(|| unknown(name))?;
        let mut document = entry(info, &call.caller, &self.ledger.pauses(call.now).await?);
        if sees_inside(&call.caller)
            && let Some((_, use_case)) = self.use_cases.current_manifest(name).await
        {
            document["plugins"] = json!(use_case.grants());
            document["reach"] = json!(use_case.reach());
        }
        Ok(Answer::new(StatusCode::OK, call.id, document))
    }

    /// Returns the stored versions of a use case, the newest first.
    pub(super) async fn list_versions(&self, call: &ApiRequest, name: &str) -> Result<Answer, ApiError> {
        call.caller.require_use_case(name)?;
        let stored = self.use_cases.versions(name).await.map_err(|error| ApiError::store(&error))?.ok_or_else(|| unknown(name))?;
        let serving = self.use_cases.list().await.into_iter().find(|info| info.name == name).and_then(|info| info.version);
        Ok(Answer::new(StatusCode::OK, call.id, versions(name, stored, serving.as_deref(), &call.caller)))
    }
}

/// Returns a use case as lists show it.
fn entry(info: UseCaseInfo, caller: &Caller, pauses: &[Pause]) -> Value {
    let hidden = |_| "its newest version could not be loaded; the scope \"deploy\" shows the reason".to_owned();
    let error = if sees_inside(caller) { info.error } else { info.error.map(hidden) };
    let mut document = json!(UseCaseInfo { error, ..info });
    let of_use_case = pause::shown(pauses, document["name"].as_str().unwrap_or_default());
    if !of_use_case.is_empty() {
        document["paused"] = json!(of_use_case);
    }
    document
}

fn versions(name: &str, stored: StoredVersions, serving: Option<&str>, caller: &Caller) -> Value {
    let StoredVersions { mut versions, current, fixed } = stored;
    let more = versions.len().saturating_sub(MAX_VERSIONS);
    versions.truncate(MAX_VERSIONS);
    let shown = versions.into_iter().map(|mut version| {
        if let VersionDetails::Unusable { error } = &mut version.details
            && !sees_inside(caller)
        {
            "it cannot be used; the scope \"deploy\" shows the reason".clone_into(error);
        }
        let mut document = json!(version);
        document["serves"] = json!(serving == Some(&version.version));
        document
    });
    let mut document = json!({ "useCase": name, "versions": shown.collect::<Vec<_>>() });
    if let Some((since, by)) = current {
        document["current"] = json!({ "since": since.map(rfc3339), "by": by });
    }
    if let Some(reason) = fixed {
        document["fixed"] = json!(reason);
    }
    if more > 0 {
        document["more"] = json!(more);
    }
    document
}

/// Returns whether the caller sees what may quote a manifest or name files of the host: errors and grants.
fn sees_inside(caller: &Caller) -> bool {
    caller.may(Scope::Deploy) || caller.may(Scope::Operate)
}

fn unknown(name: &str) -> ApiError {
    Rejection::UnknownUseCase { name: name.to_owned() }.into()
}
