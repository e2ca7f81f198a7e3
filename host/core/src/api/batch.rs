//! `POST /requests/{use-case}/batch`.

use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::document::{BatchOutcomes, ItemOutcome};
use super::error::ProblemAnswer;
use super::submit::submission;
use super::{Answer, Api, ApiError, ApiRequest, Outcomes};
use crate::accept::{Submission, accept_all};
use crate::ports::{Changes, Intake, Requests, Scheduler, UseCases};
use crate::problem::Code;

/// Limit of a batch's body, in bytes. A Lambda gets at most 6 MB, as a JSON string with escapes (Lambda quotas).
pub const MAX_BATCH_BYTES: usize = 4 << 20;
/// Limit of the requests in a batch.
const MAX_ITEMS: usize = 500;
/// Limit of an answer's outcomes, in bytes, as of a page of a list.
const MAX_OUTCOMES_BYTES: usize = super::read::MAX_PAGE_BYTES;

/// Returns whether the path is that of a batch.
pub fn is_batch(path: &str) -> bool {
    let name = path.strip_prefix("/requests/").and_then(|rest| rest.strip_suffix("/batch"));
    name.is_some_and(|name| !name.contains('/'))
}

impl<U: UseCases, L: Intake + Requests + Changes, S: Scheduler> Api<U, L, S> {
    /// Submits each item of a JSON array as a call of its own would, and answers 200 with the outcomes in the order of the items.
    pub(super) async fn submit_batch(&self, call: ApiRequest, use_case: &str, request: Request<Bytes>) -> Result<Answer, ApiError> {
        let (id, now) = (call.id, call.now);
        let (parts, body) = request.into_parts();
        let items = items(&body)?;
        let whole = submission(call, use_case, &parts.headers, body.clone())?;
        let submissions = items.iter().enumerate().map(|(n, item)| Submission {
            id: id.nth(n, now),
            // No client's key has a line break, and one separates the key from the caller's space.
            idempotency_key: whole.idempotency_key.as_ref().map(|key| format!("{key}\n\n{n}")),
            body: body.slice_ref(item.get().as_bytes()),
            ..whole.clone()
        });
        let accepted = accept_all(&self.use_cases, &self.ledger, &self.scheduler, submissions.collect()).await;
        let (mut left, mut counted) = (MAX_OUTCOMES_BYTES, Outcomes::default());
        let outcomes = accepted.into_iter().enumerate().map(|(n, outcome)| {
            let outcome = match outcome {
                Ok(accepted) => {
                    counted.accepted += 1;
                    let body = json!(self.acknowledge(&accepted));
                    ItemOutcome { status: StatusCode::ACCEPTED.as_u16(), body, retry_after: None, shortened: false }
                }
                Err(rejection) => {
                    let problem = ApiError::from(rejection).into_problem(id.nth(n, now));
                    counted.refused.push(problem.body.code.as_str());
                    outcome_of(problem)
                }
            };
            let size = serde_json::to_string(&outcome).map_or(0, |text| text.len());
            match left.checked_sub(size) {
                Some(rest) => {
                    left = rest;
                    outcome
                }
                None => shortened(&outcome),
            }
        });
        let body = BatchOutcomes { outcomes: outcomes.collect(), correlation_id: id };
        Ok(Answer { outcomes: counted, ..Answer::new(StatusCode::OK, id, &body) })
    }
}

/// Returns the items of a batch as they were sent.
fn items(body: &[u8]) -> Result<Vec<&RawValue>, ApiError> {
    let malformed = |error: serde_json::Error| {
        let detail = format!("the body of a batch is a JSON array of requests: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, Code::MalformedJson, detail)
    };
    let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(malformed)?;
    if items.is_empty() || items.len() > MAX_ITEMS {
        let detail = format!("a batch has 1 to {MAX_ITEMS} requests; this one has {}", items.len());
        return Err(
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::BatchSize, detail).with(|members| members.limit = Some(MAX_ITEMS as u64))
        );
    }
    Ok(items)
}

/// Returns the outcome of an item that was not accepted. `retryAfter` stands for the header, in seconds.
fn outcome_of(ProblemAnswer { status, body, headers }: ProblemAnswer) -> ItemOutcome {
    let retry_after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    ItemOutcome { status: status.as_u16(), body: json!(body), retry_after, shortened: false }
}

/// Returns an outcome without the longer members of its body.
fn shortened(outcome: &ItemOutcome) -> ItemOutcome {
    let kept = ["correlationId", "status", "code"].map(|member| (member.to_owned(), outcome.body[member].clone()));
    let body = Value::Object(kept.into_iter().filter(|(_, value)| !value.is_null()).collect());
    ItemOutcome { status: outcome.status, body, retry_after: None, shortened: true }
}
