//! `POST /use-cases/{name}/rollback`: a former version serves again.

use chrono::Utc;
use http::StatusCode;
use postdate_core::access::{Caller, Scope};
use postdate_core::api::{ApiError, Code, members, text_member};
use postdate_core::audit;
use postdate_store::{By, Moved};
use tokio::sync::OwnedSemaphorePermit;

use super::App;
use super::upload;
use crate::catalog::RollBackError;

/// Recorded as the author where the server cannot tell callers apart.
const SOMEBODY: &str = "api";

/// Fails if the caller may not roll this use case back, and with 503 while the queue of uploads is full. Returns the place in the queue.
pub fn enter(app: &App, caller: &Caller, name: &str) -> Result<OwnedSemaphorePermit, ApiError> {
    caller.require(Scope::Deploy)?;
    caller.require_use_case(name)?;
    app.api.use_cases.queue_upload().ok_or_else(upload::queue_full)
}

/// Makes the version that the body names current, or the one before without a body.
pub async fn post(app: &App, caller: &Caller, name: &str, body: &[u8], _place: OwnedSemaphorePermit) -> Result<Moved, ApiError> {
    let fields = members(body, &["version"])?;
    let version = text_member(&fields, "version")?;
    let by = By { name: caller.name.as_deref().unwrap_or(SOMEBODY), now: Utc::now() };
    let moved = app.api.use_cases.roll_back(name, version, by).await.map_err(|error| fault(&error))?;
    if moved.from.as_ref() != Some(&moved.to) {
        audit::version("rolled-back", caller.name.as_deref(), name, &moved.to, moved.from.as_deref());
    }
    Ok(moved)
}

fn fault(error: &RollBackError) -> ApiError {
    let (status, code) = match error {
        RollBackError::NoSuchUseCase(_) => (StatusCode::NOT_FOUND, Code::UnknownUseCase),
        RollBackError::NoSuchVersion { .. } => (StatusCode::NOT_FOUND, Code::UnknownVersion),
        RollBackError::NoFormerVersion(_) => (StatusCode::CONFLICT, Code::NoFormerVersion),
        RollBackError::Unsigned { .. } => (StatusCode::FORBIDDEN, Code::SignatureRefused),
        RollBackError::Upload(error) => return upload::fault(error),
    };
    ApiError::new(status, code, error.to_string())
}
