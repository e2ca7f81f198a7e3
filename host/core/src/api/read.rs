//! `GET /requests/{id}` and `GET /requests`.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use http::StatusCode;
use percent_encoding::percent_decode_str;

use super::document::RequestList;
use super::{Answer, Api, ApiError, ApiRequest};
use crate::accept::MAX_LABEL_BYTES;
use crate::id::CorrelationId;
use crate::ports::{Changes, Intake, Requests, Scheduler, UseCases};
use crate::problem::Code;
use crate::request::{Cursor, HistoryEntry, Order, Query, Request, Status};
use crate::time::{LATEST, parse_time};
use crate::use_case::{MAX_LABELS, NAME_RULE, is_use_case_name};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// Limit of the requests of one page, in bytes of JSON. A Lambda's answer to an ALB has at most 1 MB (Lambda as a target of an ALB,
/// limits) and contains this JSON as a JSON string, which may be twice as long.
pub(super) const MAX_PAGE_BYTES: usize = 384 << 10;

impl<U: UseCases, L: Intake + Requests + Changes, S: Scheduler> Api<U, L, S> {
    /// Returns a request with its history; with `wait`, once it has ended or the time is over.
    pub(super) async fn get_request(&self, call: &ApiRequest, id: CorrelationId, query: Option<&str>) -> Result<Answer, ApiError> {
        let wait = parse_wait(query.unwrap_or_default())?;
        let (mut request, mut history) = self.find_seen(call, id).await?;
        if let Some(wait) = wait.filter(|_| !request.status.is_end()) {
            self.ledger.wait_for_end(id, wait.min(self.ledger.longest_wait())).await;
            (request, history) = self.find_seen(call, id).await?;
        }
        Ok(Answer::new(StatusCode::OK, id, &self.show(&request, call.now).with_history(&history)))
    }

    /// Returns the accepted body, byte for byte.
    pub(super) async fn get_body(&self, call: &ApiRequest, id: CorrelationId) -> Result<Answer, ApiError> {
        let (request, _) = self.find_seen(call, id).await?;
        match self.ledger.body(id).await? {
            Some(text) => Ok(Answer::of_text(StatusCode::OK, id, text)),
            None if request.erased_at.is_some() => {
                Err(ApiError::new(StatusCode::GONE, Code::Erased, "the body of the request was erased").about(id))
            }
            None => Err(unknown(id)),
        }
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
        let order = query.order;
        let page = self.ledger.list(query).await?;
        let (mut requests, mut next, mut bytes) = (Vec::new(), page.next, 0);
        let mut last = None;
        for request in &page.requests {
            let shown = self.show(request, call.now);
            bytes += serde_json::to_string(&shown).map_or(0, |text| text.len());
            if bytes > MAX_PAGE_BYTES && last.is_some() {
                next = last;
                break;
            }
            requests.push(shown);
            last = Some(request.place(order));
        }
        let only_owner = call.caller.only_owner().map(str::to_owned);
        let document = RequestList { requests, only_owner, next_cursor: next.map(encode_cursor), correlation_id: call.id };
        Ok(Answer::new(StatusCode::OK, call.id, &document))
    }
}

pub(super) fn unknown(id: CorrelationId) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, Code::UnknownRequest, format!("there is no request {id}"))
}

/// Returns the names and values of a query string.
fn pairs(query: &str) -> impl Iterator<Item = Result<(&str, String), ApiError>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, raw) = pair.split_once('=').unwrap_or((pair, ""));
        // Keep a "+", which means a space in a query string: in these values it is the sign of an offset, not escaped by the client.
        let value = percent_decode_str(raw).decode_utf8().map_err(|_| bad(name, "is not UTF-8"))?.into_owned();
        Ok((name, value))
    })
}

/// Reads how long a call waits for the end of its request.
fn parse_wait(query: &str) -> Result<Option<Duration>, ApiError> {
    let mut wait = None;
    for pair in pairs(query) {
        match pair? {
            ("wait", value) => {
                let time = humantime::parse_duration(&value).map_err(|_| bad("wait", "is not a duration; write it as 30s"))?;
                wait = Some(time);
            }
            (name, _) => return Err(bad(name, "is unknown; known is wait")),
        }
    }
    Ok(wait)
}

fn parse_query(query: &str) -> Result<Query, ApiError> {
    let mut parsed = Query { limit: DEFAULT_LIMIT, ..Query::default() };
    let mut order = None;
    for pair in pairs(query) {
        let (name, value) = pair?;
        let mut time = |of: Order| {
            if order.is_some_and(|order| order != of) {
                return Err(bad(
                    name,
                    "cannot be combined with a range of another time: choose one of from/to, dueFrom/dueTo, endedFrom/endedTo",
                ));
            }
            order = Some(of);
            parse_time(&value).map(Some).map_err(|error| bad(name, &error.to_string()))
        };
        match name {
            "useCase" if is_use_case_name(&value) => parsed.use_case = Some(value),
            "useCase" => return Err(bad(name, &format!("must be the name of a use case: {NAME_RULE}"))),
            "status" => {
                parsed.status = Some(value.parse::<Status>().map_err(|()| bad(name, &format!("must be one of {}", known_statuses())))?);
            }
            "from" => parsed.from = time(Order::Trigger)?,
            "to" => parsed.to = time(Order::Trigger)?,
            "dueFrom" => parsed.from = time(Order::Due)?,
            "dueTo" => parsed.to = time(Order::Due)?,
            "endedFrom" => parsed.from = time(Order::Ended)?,
            "endedTo" => parsed.to = time(Order::Ended)?,
            "cursor" => parsed.after = Some(decode_cursor(&value).ok_or_else(|| bad(name, "is not a nextCursor of this API"))?),
            "limit" => {
                parsed.limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                    .ok_or_else(|| bad(name, "must be a number from 1 to 500"))?;
            }
            _ => match name.strip_prefix("label.") {
                Some(label) if is_use_case_name(label) && value.len() <= MAX_LABEL_BYTES => parsed.labels.push((label.to_owned(), value)),
                Some(label) if is_use_case_name(label) => return Err(bad(name, &format!("must have at most {MAX_LABEL_BYTES} bytes"))),
                Some(_) => return Err(bad(name, &format!("must end with the name of a label: {NAME_RULE}"))),
                None => return Err(bad(name, &format!("is unknown; known are {KNOWN}"))),
            },
        }
    }
    parsed.order = order.unwrap_or_default();
    if parsed.labels.len() > MAX_LABELS {
        return Err(bad("label", &format!("is there more than {MAX_LABELS} times: a use case has no more labels")));
    }
    match (parsed.order, parsed.status) {
        (Order::Due, Some(status)) if status != Status::Scheduled => Err(bad("status", "must be scheduled beside dueFrom and dueTo")),
        (Order::Ended, Some(status)) if !status.is_end() => Err(bad("status", "must be that of an end beside endedFrom and endedTo")),
        _ => Ok(parsed),
    }
}

/// Parameters of a list.
const KNOWN: &str = "useCase, status, from, to, dueFrom, dueTo, endedFrom, endedTo, label.NAME, cursor, limit";

fn bad(name: &str, what: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, Code::BadQuery, format!("query parameter {name:?}: {what}"))
        .with(|members| members.parameter = Some(name.to_owned()))
}

fn known_statuses() -> String {
    Status::ALL.map(Status::as_str).join(", ")
}

/// Returns the cursor as text that is opaque to clients.
fn encode_cursor(cursor: Cursor) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{}/{}", cursor.at.timestamp_millis(), cursor.id))
}

fn decode_cursor(text: &str) -> Option<Cursor> {
    let plain = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (millis, id) = plain.split_once('/')?;
    let at = DateTime::from_timestamp_millis(millis.parse().ok()?).filter(|at| *at <= LATEST)?;
    Some(Cursor { at, id: id.parse().ok()? })
}

#[cfg(test)]
mod tests;
