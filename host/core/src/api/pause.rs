//! `POST /use-cases/{name}/pause` and `/resume`.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Map, Value, json};

use super::body::{malformed, members, text_member};
use super::{Answer, Api, ApiError, ApiRequest};
use crate::accept::Rejection;
use crate::audit;
use crate::pause::Pause;
use crate::ports::{Changes, Intake, Pauses, Requests, Scheduler, UseCases};
use crate::time::{self, rfc3339};
use crate::use_case::UseCase;

impl<U, L, S> Api<U, L, S>
where
    U: UseCases,
    L: Intake + Requests + Changes + Pauses,
    S: Scheduler,
{
    /// Pauses a use case, or one target of it. Requests are accepted meanwhile, and wait.
    pub(super) async fn pause(&self, call: &ApiRequest, name: &str, request: &Request<Bytes>) -> Result<Answer, ApiError> {
        let fields = members(request.body(), &["target", "until"])?;
        let use_case = self.pausable(call, name).await?;
        let target = target(&fields, &use_case)?;
        let until = match fields.get("until") {
            None => None,
            Some(Value::String(text)) => {
                let until = time::parse_time(text)?;
                if until <= call.now {
                    return Err(malformed("until", &format!("{text} has passed")));
                }
                Some(until)
            }
            Some(_) => return Err(malformed("until", "\"until\" must be text: a time in RFC 3339")),
        };
        let by = call.caller.name.clone();
        audit::pause("paused", by.as_deref(), name, target.as_deref(), until);
        self.ledger.pause(Pause { use_case: name.to_owned(), target, since: call.now, until, by }).await?;
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
            return Err(ApiError::new(StatusCode::CONFLICT, "not-paused", format!("{what} is not paused")));
        }
        audit::pause("resumed", call.caller.name.as_deref(), name, target, None);
        self.scheduler.resumed();
        self.paused(call, name).await
    }

    async fn pausable(&self, call: &ApiRequest, name: &str) -> Result<Arc<UseCase>, ApiError> {
        call.caller.require_use_case(name)?;
        let current = self.use_cases.current_manifest(name).await;
        current.map(|(_, use_case)| use_case).ok_or_else(|| Rejection::UnknownUseCase { name: name.to_owned() }.into())
    }

    /// Returns the answer that shows all pauses of a use case.
    async fn paused(&self, call: &ApiRequest, name: &str) -> Result<Answer, ApiError> {
        let pauses = self.ledger.pauses(call.now).await?;
        Ok(Answer::new(StatusCode::OK, call.id, json!({ "useCase": name, "paused": shown(&pauses, name) })))
    }
}

/// Returns the pauses of a use case as documents show them.
pub(super) fn shown(pauses: &[Pause], use_case: &str) -> Vec<Value> {
    let of_use_case = pauses.iter().filter(|pause| pause.use_case == use_case);
    let shown = of_use_case.map(|Pause { target, since, until, by, .. }| {
        let mut document = json!({ "since": rfc3339(*since) });
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                document[name] = json!(value);
            }
        };
        add("target", target.clone());
        add("until", until.map(rfc3339));
        add("by", by.clone());
        document
    });
    shown.collect()
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
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "target-not-pausable", detail).with("pointer", json!("/target"))
}
