//! `GET /use-cases`, `/use-cases/{name}` and `/use-cases/{name}/versions`.

use http::StatusCode;

use super::document::{Grants, LastMove, PauseDocument, UseCaseDetails, UseCaseDocument, UseCaseList, VersionDocument, VersionList};
use super::{Answer, Api, ApiError, ApiRequest};
use crate::accept::Rejection;
use crate::access::{Caller, Scope};
use crate::pause::Pause;
use crate::ports::{Changes, Intake, Pauses, Requests, Scheduler, StoredVersions, UseCaseInfo, UseCases, VersionDetails};
use crate::time::rfc3339;

/// Most versions of one answer. A store may have thousands; with the names of their test cases, an answer would be megabytes.
const MAX_VERSIONS: usize = 200;

impl<U: UseCases, L: Intake + Requests + Changes + Pauses, S: Scheduler> Api<U, L, S> {
    /// Lists the use cases that the caller sees.
    pub(super) async fn list_use_cases(&self, call: &ApiRequest) -> Result<Answer, ApiError> {
        let mut seen = self.use_cases.list().await;
        seen.retain(|info| call.caller.sees_use_case(&info.name));
        let pauses = self.ledger.pauses(call.now).await?;
        let use_cases = seen.into_iter().map(|info| entry(info, &call.caller, &pauses)).collect();
        Ok(Answer::new(StatusCode::OK, call.id, &UseCaseList { use_cases, correlation_id: call.id }))
    }

    /// Returns one use case as the list does, with its grants for those who deploy or operate.
    pub(super) async fn get_use_case(&self, call: &ApiRequest, name: &str) -> Result<Answer, ApiError> {
        call.caller.require_use_case(name)?;
        let info = self.use_cases.list().await.into_iter().find(|info| info.name == name).ok_or_else(|| unknown(name))?;
        let use_case = entry(info, &call.caller, &self.ledger.pauses(call.now).await?);
        let current = if sees_inside(&call.caller) { self.use_cases.current_manifest(name).await } else { None };
        let grants = current.map(|(_, use_case)| Grants { plugins: use_case.grants(), reach: use_case.reach() });
        Ok(Answer::new(StatusCode::OK, call.id, &UseCaseDetails { use_case, grants, correlation_id: call.id }))
    }

    /// Returns the stored versions of a use case, the newest first.
    pub(super) async fn list_versions(&self, call: &ApiRequest, name: &str) -> Result<Answer, ApiError> {
        call.caller.require_use_case(name)?;
        let stored = self.use_cases.versions(name).await.map_err(|error| ApiError::store(&error))?.ok_or_else(|| unknown(name))?;
        let serving = self.use_cases.list().await.into_iter().find(|info| info.name == name).and_then(|info| info.version);
        let StoredVersions { mut versions, current, fixed } = stored;
        let more = versions.len().checked_sub(MAX_VERSIONS).filter(|more| *more > 0);
        versions.truncate(MAX_VERSIONS);
        let shown = versions.into_iter().map(|mut info| {
            if let VersionDetails::Unusable { error } = &mut info.details
                && !sees_inside(&call.caller)
            {
                "it cannot be used; the scope \"deploy\" shows the reason".clone_into(error);
            }
            let serves = serving.as_ref() == Some(&info.version);
            VersionDocument::of(info, serves)
        });
        let list = VersionList {
            use_case: name.to_owned(),
            versions: shown.collect(),
            current: current.map(|(since, by)| LastMove { since: since.map(rfc3339), by }),
            fixed,
            more,
            correlation_id: call.id,
        };
        Ok(Answer::new(StatusCode::OK, call.id, &list))
    }
}

/// Returns a use case as lists show it.
fn entry(info: UseCaseInfo, caller: &Caller, pauses: &[Pause]) -> UseCaseDocument {
    let hidden = |_| "its newest version could not be loaded; the scope \"deploy\" shows the reason".to_owned();
    let error = if sees_inside(caller) { info.error } else { info.error.map(hidden) };
    UseCaseDocument { paused: PauseDocument::of(pauses, &info.name), info: UseCaseInfo { error, ..info } }
}

/// Returns whether the caller sees what may quote a manifest or name files of the host: errors and grants.
fn sees_inside(caller: &Caller) -> bool {
    caller.may(Scope::Deploy) || caller.may(Scope::Operate)
}

fn unknown(name: &str) -> ApiError {
    Rejection::UnknownUseCase { name: name.to_owned() }.into()
}
