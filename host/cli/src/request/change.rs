//! The changes of a request, as calls of the API: cancel, move, retry, erase.

use anyhow::bail;
use chrono::{DateTime, Utc};
use postdate_core::lifecycle::DECISION;
use postdate_core::request::Status;
use postdate_core::time::{rfc3339, trigger_of};
use reqwest::Method;
use serde_json::{Value, json};

use super::arguments::NewTime;
use crate::body::{self, Overrides};
use crate::client::{Answer, Client, HttpCall};
use crate::when;

/// A change of a request.
#[derive(Debug, Clone)]
pub enum ChangeCall {
    Cancel,
    Retry,
    Erase,
    Move {
        /// Body of the call.
        body: String,
        /// The new time, as documents show it, of a move of many.
        at: Option<String>,
    },
}

impl ChangeCall {
    /// Returns the move to a time, which the server reads.
    pub fn to(time: &NewTime) -> anyhow::Result<Self> {
        let at = time.at.as_ref().map(|at| when::trigger_at(at, time.zone.as_deref())).transpose()?;
        let overrides = Overrides { trigger_at: at.as_deref(), delay: time.delay.as_deref(), target: None };
        Ok(Self::Move { body: body::compose("{}", overrides)?, at: None })
    }

    /// Returns the change for many requests. A move goes to one moment, so that a repeat of the command leaves out the requests that
    /// have it already.
    pub fn of_many(self, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let Self::Move { body, .. } = self else { return Ok(self) };
        let at = rfc3339(trigger_of(&serde_json::from_str(&body)?, now)?.at);
        Ok(Self::Move { body: json!({ "triggerAt": at }).to_string(), at: Some(at) })
    }

    pub async fn make(&self, client: &Client, id: &str) -> anyhow::Result<Answer> {
        let call = match self {
            Self::Cancel => HttpCall { method: Method::DELETE, path: &["requests", id], ..HttpCall::default() },
            Self::Retry => HttpCall { method: Method::POST, path: &["requests", id, "retry"], ..HttpCall::default() },
            Self::Erase => HttpCall { method: Method::POST, path: &["requests", id, "erase"], ..HttpCall::default() },
            Self::Move { body, .. } => {
                HttpCall { method: Method::PATCH, path: &["requests", id], body: Some(body.clone()), ..HttpCall::default() }
            }
        };
        client.call(call).await
    }

    /// Returns the statuses of the requests to list, `None` for the filter's own. Fails if the change is not possible with the
    /// filter's status.
    pub fn statuses(&self, filter: Option<&str>) -> anyhow::Result<Vec<Option<Status>>> {
        let possible: &[Status] = match self {
            Self::Cancel | Self::Move { .. } => &[Status::Scheduled],
            Self::Retry => &[Status::Failed, Status::Expired, Status::Scheduled],
            Self::Erase => &[Status::Scheduled, Status::Succeeded, Status::Failed, Status::Cancelled, Status::Expired],
        };
        match (filter, self) {
            (Some(status), _) if !possible.iter().any(|possible| possible.as_str() == status) => {
                let possible: Vec<&str> = possible.iter().map(|status| status.as_str()).collect();
                bail!("a {status} request cannot be {}: --status takes {} here", self.done(), possible.join(", "))
            }
            (Some(_), _) | (None, Self::Erase) => Ok(vec![None]),
            (None, Self::Retry) => Ok(vec![Some(Status::Failed), Some(Status::Expired)]),
            (None, Self::Cancel | Self::Move { .. }) => Ok(vec![Some(Status::Scheduled)]),
        }
    }

    /// Returns whether a listed request has nothing to change, or cannot be changed.
    pub fn leaves_out(&self, request: &Value) -> bool {
        let has = |member: &str| !request[member].is_null();
        match self {
            Self::Cancel => false,
            Self::Retry => has("erasedAt") || (request["status"] == Status::Scheduled.as_str() && request["waitsFor"] != DECISION),
            Self::Erase => has("erasedAt"),
            // A back-off, a hold or a wait is over after a move, also to the same time.
            Self::Move { at, .. } => {
                at.as_ref().is_some_and(|at| request["triggerAt"] == at.as_str()) && !has("nextAttemptAt") && !has("waitsFor")
            }
        }
    }

    /// Returns why requests are left out.
    pub fn left_out(&self) -> &'static str {
        match self {
            Self::Cancel | Self::Retry => "cannot be retried",
            Self::Erase => "are erased already",
            Self::Move { .. } => "have this time already",
        }
    }

    /// Returns the change as an order, such as `cancel`, and the place of a move.
    pub fn order(&self) -> (&'static str, String) {
        match self {
            Self::Cancel => ("cancel", String::new()),
            Self::Retry => ("retry", String::new()),
            Self::Erase => ("erase", String::new()),
            Self::Move { at, .. } => ("move", at.as_ref().map(|at| format!(" to {at}")).unwrap_or_default()),
        }
    }

    /// Returns the change as a participle, such as `cancelled`.
    pub fn done(&self) -> &'static str {
        match self {
            Self::Cancel => "cancelled",
            Self::Retry => "retried",
            Self::Erase => "erased",
            Self::Move { .. } => "moved",
        }
    }
}
