//! `POST /requests/{use-case}`.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};

use super::{Answer, Api, ApiError, ApiRequest, MAX_BODY_BYTES, document};
use crate::accept::{Submission, accept};
use crate::ports::{Changes, Intake, Requests, Scheduler, UseCases};

/// Limit of an `Idempotency-Key`, in characters.
const MAX_KEY: usize = 255;

impl<U, L, S> Api<U, L, S>
where
    U: UseCases,
    L: Intake + Requests + Changes,
    S: Scheduler,
{
    pub(super) async fn submit(&self, call: ApiRequest, use_case: &str, request: Request<Bytes>) -> Result<Answer, ApiError> {
        call.caller.require_use_case(use_case)?;
        let (parts, body) = request.into_parts();
        check_body(&parts.headers, &body)?;
        let submission = Submission {
            id: call.id,
            use_case: use_case.to_owned(),
            received_at: call.now,
            idempotency_key: idempotency_key(&parts.headers)?.map(|key| call.caller.stored_key(key)),
            owner: call.caller.name,
            headers: readable(&parts.headers),
            caller: call.claims,
            body,
        };
        let accepted = accept(&self.use_cases, &self.ledger, &self.scheduler, submission).await?;
        let request = accepted.request;
        tracing::info!(
            correlation_id = %request.id,
            use_case = request.use_case,
            owner = request.owner,
            trigger_at = %request.trigger_at,
            replayed = accepted.replayed,
            "accepted"
        );
        let path = self.path_of(request.id);
        let body = document::acknowledgement(&request, &path);
        Ok(Answer { status: StatusCode::ACCEPTED, id: request.id, body, location: Some(path) })
    }
}

/// Refuses a body that is too large, or whose content type is not JSON. The content type also keeps web pages of other origins from
/// posting here: browsers send `application/json` across origins only after a preflight.
pub(super) fn check_body(headers: &HeaderMap, body: &Bytes) -> Result<(), ApiError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(ApiError::payload_too_large());
    }
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    let detail = format!("the content type is {essence:?}: send \"content-type: application/json\" (with curl: --json)");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= MAX_KEY => Ok(Some(key.to_owned())),
        _ => {
            let detail = format!("an Idempotency-Key is 1 to {MAX_KEY} visible ASCII characters");
            Err(ApiError::new(StatusCode::BAD_REQUEST, "idempotency-key-malformed", detail))
        }
    }
}

/// Returns the headers whose values are text. A validator gets no others.
fn readable(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
}
