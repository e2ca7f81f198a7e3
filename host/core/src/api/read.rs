//! `GET /requests/{id}` and `GET /requests`.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Answer, Api, ApiError, ApiRequest, document};
use crate::id::CorrelationId;
use crate::ports::{Changes, Intake, Requests, Scheduler, UseCases};
use crate::request::{Cursor, HistoryEntry, Query, Request, Status};
use crate::time::{LATEST, parse_time};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// Limit of the requests of one page, in bytes of JSON. A Lambda's answer to an ALB has at most 1 MB (Lambda as a target of an ALB,
/// limits) and contains this JSON as a JSON string, which may be twice as long.
pub(super) const MAX_PAGE_BYTES: usize = 384 << 10;

impl<U, L, S> Api<U, L, S>
where
    U: UseCases,
    L: Intake + Requests + Changes,
    S: Scheduler,
{
    pub(super) async fn get_request(&self, call: &ApiRequest, id: CorrelationId) -> Result<Answer, ApiError> {
        let (request, history) = self.find_seen(call, id).await?;
        let body = document::full(&request, &history, &self.path_of(id));
        Ok(Answer::new(StatusCode::OK, id, body))
    }

    /// Returns a request that the caller sees. Any other request is unknown, in the same words as one that does not exist.
    pub(super) async fn find_seen(&self, call: &ApiRequest, id: CorrelationId) -> Result<(Request, Vec<HistoryEntry>), ApiError> {
        self.ledger.find(id).await?.filter(|(request, _)| call.caller.sees(request)).ok_or_else(|| unknown(id))
    }

    pub(super) async fn list_requests(&self, call: &ApiRequest, query: Option<&str>) -> Result<Answer, ApiError> {
        let query = Query {
            within: call.caller.use_cases.as_ref().map(|names| names.iter().cloned().collect()),
            owner: call.caller.only_owner().map(str::to_owned),
            ..parse_query(query.unwrap_or_default())?
        };
        let page = self.ledger.list(query).await?;
        let (mut requests, mut next, mut bytes): (Vec<Value>, _, _) = (Vec::new(), page.next, 0);
        let mut last = None;
        for request in &page.requests {
            let shown = document::listed(request, &self.path_of(request.id));
            bytes += shown.to_string().len();
            if bytes > MAX_PAGE_BYTES && last.is_some() {
                next = last;
                break;
            }
            requests.push(shown);
            last = Some(request.place());
        }
        let mut body = json!({ "requests": requests });
        if let Some(owner) = call.caller.only_owner() {
            body["onlyOwner"] = json!(owner);
        }
        if let Some(next) = next {
            body["nextCursor"] = json!(encode_cursor(next));
        }
        Ok(Answer::new(StatusCode::OK, call.id, body))
    }
}

pub(super) fn unknown(id: CorrelationId) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown-request", format!("there is no request {id}"))
}

fn parse_query(query: &str) -> Result<Query, ApiError> {
    let mut parsed = Query { limit: DEFAULT_LIMIT, ..Query::default() };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, raw) = pair.split_once('=').unwrap_or((pair, ""));
        // Keep a "+", which means a space in a query string: in these values it is the sign of an offset, not escaped by the client.
        let value = percent_decode_str(raw).decode_utf8().map_err(|_| bad(name, "is not UTF-8"))?.into_owned();
        match name {
            "useCase" => parsed.use_case = Some(value),
            "status" => {
                parsed.status = Some(value.parse::<Status>().map_err(|()| bad(name, &format!("must be one of {}", known_statuses())))?);
            }
            "from" => parsed.from = Some(parse_time(&value).map_err(|error| bad(name, &error.to_string()))?),
            "to" => parsed.to = Some(parse_time(&value).map_err(|error| bad(name, &error.to_string()))?),
            "cursor" => parsed.after = Some(decode_cursor(&value).ok_or_else(|| bad(name, "is not a nextCursor of this API"))?),
            "limit" => {
                parsed.limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                    .ok_or_else(|| bad(name, "must be a number from 1 to 500"))?;
            }
            _ => return Err(bad(name, "is unknown; known are useCase, status, from, to, cursor, limit")),
        }
    }
    Ok(parsed)
}

fn bad(name: &str, what: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad-query", format!("query parameter {name:?}: {what}")).with("parameter", json!(name))
}

fn known_statuses() -> String {
    Status::ALL.map(Status::as_str).join(", ")
}

/// Returns the cursor as text that is opaque to clients.
fn encode_cursor(cursor: Cursor) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{}/{}", cursor.trigger_at.timestamp_millis(), cursor.id))
}

fn decode_cursor(text: &str) -> Option<Cursor> {
    let plain = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (millis, id) = plain.split_once('/')?;
    let trigger_at = DateTime::from_timestamp_millis(millis.parse().ok()?).filter(|at| *at <= LATEST)?;
    Some(Cursor { trigger_at, id: id.parse().ok()? })
}

#[cfg(test)]
mod tests;
