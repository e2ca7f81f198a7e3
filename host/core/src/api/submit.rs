//! `POST /requests/{use-case}`.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};

use super::document::Acknowledgement;
use super::{Answer, Api, ApiError, ApiRequest, Outcomes};
use crate::accept::{Accepted, Submission, accept};
use crate::ports::{Changes, Intake, Requests, Scheduler, UseCases};
use crate::problem::Code;
use crate::time::rfc3339;
use crate::trace::TraceParent;

/// Limit of an `Idempotency-Key`, in characters.
const MAX_KEY: usize = 255;

impl<U: UseCases, L: Intake + Requests + Changes, S: Scheduler> Api<U, L, S> {
    pub(super) async fn submit(&self, call: ApiRequest, use_case: &str, request: Request<Bytes>) -> Result<Answer, ApiError> {
        let (parts, body) = request.into_parts();
        let submission = submission(call, use_case, &parts.headers, body)?;
        let accepted = accept(&self.use_cases, &self.ledger, &self.scheduler, submission).await?;
        let body = self.acknowledge(&accepted);
        let outcomes = Outcomes { accepted: 1, ..Outcomes::default() };
        let id = body.correlation_id;
        Ok(Answer { location: Some(self.path_of(id)), outcomes, ..Answer::new(StatusCode::ACCEPTED, id, &body) })
    }

    /// Logs that a request was accepted, and returns its acknowledgement.
    pub(super) fn acknowledge(&self, Accepted { request, replayed, zone }: &Accepted) -> Acknowledgement {
        let labels = request.labels_text();
        tracing::info!(
            correlation_id = %request.id,
            use_case = request.use_case,
            owner = request.owner,
            labels,
            trigger_at = rfc3339(request.trigger_at),
            replayed,
            "accepted"
        );
        let path = self.path_of(request.id);
        Acknowledgement::of(request, &path, zone.as_ref())
    }
}

/// Returns the submission of a call, if its caller may use the use case.
pub(super) fn submission(call: ApiRequest, use_case: &str, headers: &HeaderMap, body: Bytes) -> Result<Submission, ApiError> {
    call.caller.require_use_case(use_case)?;
    Ok(Submission {
        id: call.id,
        use_case: use_case.to_owned(),
        received_at: call.now,
        idempotency_key: idempotency_key(headers)?.map(|key| call.caller.stored_key(key)),
        owner: call.caller.name,
        headers: readable(headers),
        trace: TraceParent::of(headers),
        caller: call.claims,
        body,
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= MAX_KEY => Ok(Some(key.to_owned())),
        _ => {
            let detail = format!("an Idempotency-Key is 1 to {MAX_KEY} visible ASCII characters");
            Err(ApiError::new(StatusCode::BAD_REQUEST, Code::IdempotencyKeyMalformed, detail))
        }
    }
}

/// Returns the headers whose values are text. A validator gets no others.
pub(super) fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
}
