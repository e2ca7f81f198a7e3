//! Dead letters for the page: `GET /dead-letters`, `POST /dead-letters/{id}/redrive` and `DELETE /dead-letters/{id}`.

use axum::http::{Method, Response, StatusCode};
use bytes::Bytes;
use chrono::Utc;
use postdate_core::api::{ApiError, Code, json_response};
use postdate_core::id::CorrelationId;
use serde_json::{Value, json};

use super::detail;
use crate::dead_letter::{Chosen, Letter, LetterId, Mailbox, NoSuchLetter, StepReport};

/// Letters of one list, at most about so many.
const LISTED: usize = 200;
/// Letters that are read in search of one, at most about so many.
const SEARCHED: usize = 1000;

/// The calls over a mailbox.
pub struct Letters {
    mailbox: Mailbox,
}

/// Returns whether the path is one of these calls.
pub fn is_call(path: &str) -> bool {
    path == "/dead-letters" || path.starts_with("/dead-letters/")
}

impl Letters {
    pub fn new(mailbox: Mailbox) -> Self {
        Self { mailbox }
    }

    /// Answers one call.
    pub async fn answer(&self, method: &Method, path: &str) -> Result<Response<Bytes>, ApiError> {
        let id = CorrelationId::new(Utc::now(), rand::random());
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let mut body = match (method, segments.as_slice()) {
            (&Method::GET, ["dead-letters"]) => self.list().await,
            // Tells the page that there are dead letters, without a call of the queue.
            (&Method::HEAD, ["dead-letters"]) => Ok(json!({})),
            (&Method::POST, ["dead-letters", id, "redrive"]) => self.redrive(&chosen(id)?).await,
            (&Method::DELETE, ["dead-letters", id]) => self.delete(&chosen(id)?).await,
            (_, segments) => Err(no_such_call(path, segments)),
        }?;
        body["correlationId"] = json!(id);
        Ok(json_response(StatusCode::OK, id, &body, "application/json"))
    }

    async fn list(&self) -> Result<Value, ApiError> {
        let letters = self.mailbox.list(LISTED).await.map_err(|error| unavailable(&error))?;
        Ok(json!({
            "deadLetters": letters.iter().map(document).collect::<Vec<_>>(),
            "canRedrive": self.mailbox.can_redrive(),
            "isComplete": letters.len() < LISTED,
        }))
    }

    async fn redrive(&self, chosen: &Chosen) -> Result<Value, ApiError> {
        if !self.mailbox.can_redrive() {
            let detail = "this page does not know the delay queue of the target host: start `postdate ui` with --to URL";
            return Err(ApiError::new(StatusCode::CONFLICT, Code::NoDelayQueue, detail));
        }
        let report = done(self.mailbox.redrive(chosen, SEARCHED).await)?;
        match report.refused.first() {
            Some((_, reason)) if report.done.is_empty() => {
                let detail = format!("the letter stays in the queue: {reason}");
                Err(ApiError::new(StatusCode::CONFLICT, Code::NotRedrivable, detail))
            }
            _ => Ok(json!({ "sent": report.done.len(), "left": report.refused.len() })),
        }
    }

    async fn delete(&self, chosen: &Chosen) -> Result<Value, ApiError> {
        let report = done(self.mailbox.delete(chosen, SEARCHED).await)?;
        Ok(json!({ "deleted": report.done.len(), "isComplete": report.read < SEARCHED }))
    }
}

fn document(letter: &Letter) -> Value {
    let mut document = letter.document();
    if let Some(reason) = letter.stays() {
        document["stays"] = json!(reason);
    }
    document
}

fn chosen(id: &str) -> Result<Chosen, ApiError> {
    let id: LetterId =
        id.parse().map_err(|_| ApiError::new(StatusCode::NOT_FOUND, Code::UnknownDeadLetter, "that is no id of a letter"))?;
    Ok(Chosen::Named(vec![id]))
}

/// Returns the report of a step that went to its end.
fn done(report: anyhow::Result<StepReport>) -> Result<StepReport, ApiError> {
    let report = report.map_err(|error| match error.downcast_ref::<NoSuchLetter>() {
        Some(missing) => ApiError::new(StatusCode::NOT_FOUND, Code::UnknownDeadLetter, missing.to_string()),
        None => unavailable(&error),
    })?;
    match &report.error {
        Some(error) => Err(unavailable(error)),
        None => Ok(report),
    }
}

/// A 502 would tell the page that the server is away.
fn unavailable(error: &anyhow::Error) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::DeadLettersUnavailable, detail(error))
}

fn no_such_call(path: &str, segments: &[&str]) -> ApiError {
    let allowed = match segments {
        ["dead-letters"] => "GET, HEAD",
        ["dead-letters", _] => "DELETE",
        ["dead-letters", _, "redrive"] => "POST",
        _ => return ApiError::new(StatusCode::NOT_FOUND, Code::NotFound, format!("there is no path {path}")),
    };
    ApiError::method_not_allowed(path, allowed)
}
