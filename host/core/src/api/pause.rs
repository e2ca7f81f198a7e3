//! `POST /use-cases/{name}/pause` and `/resume`.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{self, StreamExt as _};
use http::{Request, StatusCode};
use serde_json::{Map, Value};

use super::body::{malformed, members, text_member};
use super::document::{PauseDocument, PauseList};
use super::error::at_target;
use super::{Answer, Api, ApiError, ApiRequest};
use crate::accept::Rejection;
use crate::arm::arm;
use crate::audit;
use crate::pause::{Pause, RESUME, pause_of};
use crate::ports::{Changes, Intake, Pauses, Requests, Scheduler, UseCases};
use crate::problem::Code;
use crate::request::{self, Query, Status};
use crate::time;
use crate::use_case::UseCase;

/// Most requests that the end of a pause wakes, and most that it looks at: the call has a time limit, and the others come back later.
const MOST_WOKEN: usize = 2_000;
const MOST_SEEN: usize = 10_000;
/// Requests in a page of those that it looks at.
const WOKEN_PAGE: usize = 500;
/// Requests whose messages are sent at the same time.
const WOKEN_TOGETHER: usize = 20;
/// Time between two requests that are woken. A queue delivers messages in any order, and the host waits for the time of each.
const WOKEN_APART: TimeDelta = TimeDelta::milliseconds(10);

impl<U: UseCases, L: Intake + Requests + Changes + Pauses, S: Scheduler> Api<U, L, S> {
    /// Pauses a use case, or one target of it. Requests are accepted meanwhile, and wait.
    pub(super) async fn pause(&self, call: &ApiRequest, name: &str, request: &Request<Bytes>) -> Result<Answer, ApiError> {
        let fields = members(request.body(), &["target", "until"])?;
        let use_case = self.pausable(call, name).await?;
        let target = target(&fields, &use_case)?;
        let until = match fields.get("until") {
            None => None,
            Some(Value::String(text)) => {
                let until = time::parse_time(text).map_err(|error| malformed("until", &error.to_string()))?;
                if until <= call.now {
                    return Err(malformed("until", &format!("{text} has passed")));
                }
                Some(until)
            }
            Some(_) => return Err(malformed("until", "\"until\" must be text: a time in RFC 3339")),
        };
        let by = call.caller.name.clone();
        // Another end of a pause does not begin it anew.
        let pauses = self.ledger.pauses(call.now).await?;
        let since = pauses.iter().find(|pause| pause.use_case == name && pause.target == target).map_or(call.now, |pause| pause.since);
        let pause = Pause { use_case: name.to_owned(), target, since, until, by };
        self.ledger.pause(pause.clone()).await?;
        audit::pause("paused", pause.by.as_deref(), name, pause.target.as_deref(), until);
        self.paused(call, name).await
    }

    /// Ends the pause of a target, or every pause of a use case.
    pub(super) async fn resume(&self, call: &ApiRequest, name: &str, request: &Request<Bytes>) -> Result<Answer, ApiError> {
        let fields = members(request.body(), &["target"])?;
        call.caller.require_use_case(name)?;
        // A pause may be older than the version that serves, so its target need not exist any more.
        let target = text_member(&fields, "target")?;
        if !self.ledger.resume(name, target).await? {
            let what =
                target.map_or_else(|| format!("the use case {name:?}"), |target| format!("the target {target:?} of use case {name:?}"));
            return Err(ApiError::new(StatusCode::CONFLICT, Code::NotPaused, format!("{what} is not paused")));
        }
        audit::pause("resumed", call.caller.name.as_deref(), name, target, None);
        if let Some(after) = self.scheduler.resumed() {
            self.wake_oldest(name, call.now, call.now + after).await;
        }
        self.paused(call, name).await
    }

    /// Schedules the oldest requests again that wait for the end of a pause which is over, the first for `at` and each
    /// [a little later](WOKEN_APART) than the one before. Logs errors: a request that is left out comes back by itself.
    async fn wake_oldest(&self, name: &str, now: DateTime<Utc>, mut at: DateTime<Utc>) {
        let pauses = match self.ledger.pauses(now).await {
            Ok(pauses) => pauses,
            Err(error) => return tracing::warn!(use_case = name, %error, "cannot read the pauses that are left"),
        };
        let mut query = Query {
            use_case: Some(name.to_owned()),
            status: Some(Status::Scheduled),
            to: Some(now),
            limit: WOKEN_PAGE,
            ..Query::default()
        };
        let mut woken = 0;
        for _ in 0..MOST_SEEN / WOKEN_PAGE {
            let page = match self.ledger.list(query.clone()).await {
                Ok(page) => page,
                Err(error) => return tracing::warn!(use_case = name, %error, "cannot list the requests that waited for the end of a pause"),
            };
            let held_up = page.requests.into_iter().filter(|request| {
                let waits = request.waiting.as_ref().is_some_and(|waiting| waiting.on.starts_with(RESUME));
                waits && pause_of(&pauses, name, &request.target, now).is_none()
            });
            let calls = held_up.take(MOST_WOKEN - woken).map(|request| {
                woken += 1;
                let request = request::Request { due_at: at, ..request };
                at += WOKEN_APART;
                async move {
                    if let Err(error) = arm(&self.use_cases, &self.ledger, &self.scheduler, &request, None, now).await {
                        tracing::warn!(correlation_id = %request.id, %error, "cannot wake a request after the end of a pause");
                    }
                }
            });
            stream::iter(calls).buffer_unordered(WOKEN_TOGETHER).collect::<()>().await;
            match page.next.filter(|_| woken < MOST_WOKEN) {
                Some(next) => query.after = Some(next),
                None => return,
            }
        }
    }

    async fn pausable(&self, call: &ApiRequest, name: &str) -> Result<Arc<UseCase>, ApiError> {
        call.caller.require_use_case(name)?;
        let current = self.use_cases.current_manifest(name).await;
        current.map(|(_, use_case)| use_case).ok_or_else(|| Rejection::UnknownUseCase { name: name.to_owned() }.into())
    }

    /// Returns the answer that shows all pauses of a use case.
    async fn paused(&self, call: &ApiRequest, name: &str) -> Result<Answer, ApiError> {
        let pauses = self.ledger.pauses(call.now).await?;
        let document = PauseList { use_case: name.to_owned(), paused: PauseDocument::of(&pauses, name), correlation_id: call.id };
        Ok(Answer::new(StatusCode::OK, call.id, &document))
    }
}

fn target(fields: &Map<String, Value>, use_case: &UseCase) -> Result<Option<String>, ApiError> {
    let Some(alias) = text_member(fields, "target")? else { return Ok(None) };
    match use_case.targets.get(alias) {
        Some((_, target)) if target.is_direct() => Err(direct(alias)),
        Some(_) => Ok(Some(alias.to_owned())),
        None => Err(Rejection::UnknownTarget { alias: alias.to_owned(), known: use_case.targets.aliases() }.into()),
    }
}

/// The event of a direct target reaches it without a host, which alone could hold it back.
fn direct(alias: &str) -> ApiError {
    let detail = format!("the target {alias:?} is direct: a rule delivers to it, and no host can hold that back");
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::TargetNotPausable, detail).with(at_target)
}
