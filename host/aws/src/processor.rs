//! The processor host: answers HTTP events of API Gateway, function URLs and load balancers through the core's API.

mod caller;
mod event;
mod tame;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Response, StatusCode};
use lambda_http::RequestExt as _;
use postdate_core::api::{Api, ApiError, ApiRequest, Outcomes, max_bytes, submitted_to};
use postdate_core::id::CorrelationId;
use postdate_core::ports::{Changes, Clock as _, Intake, Pauses, Requests, Scheduler, UseCases};
use tracing::Instrument as _;

pub use event::{Incoming, MalformedEvent};
pub use tame::read_event;

use crate::clock::{self, SystemClock};
use crate::config::CallerClaims;
use crate::host::Host;
use crate::ledger::DynamoLedger;
use crate::metrics::{self, Service, Unit};
use crate::schedule::AwsScheduler;
use crate::use_cases::AwsUseCases;
use crate::xray::{self, spans};

/// The ports of the API.
pub struct Processor<U, L, S> {
    pub use_cases: U,
    pub ledger: L,
    pub scheduler: S,
    /// The path before `/requests` in the URLs that clients call. `None` means the stage of API Gateway.
    pub base_path: Option<String>,
    pub claims: CallerClaims,
    pub now: fn() -> DateTime<Utc>,
    pub new_id: fn(DateTime<Utc>) -> CorrelationId,
}

impl Processor<AwsUseCases, DynamoLedger, AwsScheduler> {
    pub fn new(host: Host) -> Self {
        let Host { config, use_cases, ledger, scheduler, .. } = host;
        let (base_path, claims) = (config.base_path, config.claims);
        Self { use_cases, ledger, scheduler, base_path, claims, now: clock::now, new_id: |now| SystemClock.new_id(now) }
    }
}

impl<U: UseCases + Clone, L: Intake + Requests + Changes + Pauses + Clone, S: Scheduler + Clone> Processor<U, L, S> {
    /// Answers one event. Every error becomes a response.
    pub async fn answer(&self, request: lambda_http::Request) -> Response<Bytes> {
        let now = (self.now)();
        let id = (self.new_id)(now);
        let request_id = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
        let span = tracing::info_span!("call", request_id, correlation_id = %id);
        let segment = spans::invocation(request.lambda_context_ref().and_then(|context| context.xray_trace_id.as_deref()));
        self.answer_call(request, id, now).instrument(span).instrument(segment).await
    }

    async fn answer_call(&self, request: lambda_http::Request, id: CorrelationId, now: DateTime<Utc>) -> Response<Bytes> {
        let mut incoming = match Incoming::read(request, self.base_path.as_deref()) {
            Ok(incoming) => incoming,
            Err(error) => return ApiError::new(StatusCode::BAD_REQUEST, error.code(), error.to_string()).into_response(id),
        };
        xray::adopt(incoming.request.headers_mut());
        let submitted = submitted_to(incoming.request.method(), incoming.request.uri().path()).map(str::to_owned);
        let is_head = incoming.request.method() == http::Method::HEAD;
        let caller = self.claims.caller(&incoming.caller);
        let limit = max_bytes(incoming.request.uri().path());
        let mut response = match caller {
            Err(error) => error.into_response(id),
            Ok(_) if incoming.request.body().len() > limit => ApiError::payload_too_large(limit).into_response(id),
            Ok(caller) => {
                let api = Api {
                    use_cases: self.use_cases.clone(),
                    ledger: self.ledger.clone(),
                    scheduler: self.scheduler.clone(),
                    base_path: incoming.base_path,
                };
                let answer = Box::pin(api.answer(ApiRequest { id, now, caller, claims: incoming.caller }, incoming.request));
                match &submitted {
                    Some(use_case) => spans::accept(use_case, answer).await,
                    None => answer.await,
                }
            }
        };
        self.count(submitted.as_deref(), &response).await;
        if is_head {
            response.body_mut().clear();
        }
        response
    }

    async fn count(&self, submitted: Option<&str>, response: &Response<Bytes>) {
        let outcomes = response.extensions().get::<Outcomes>().cloned().unwrap_or_default();
        // The path can contain any name, and each new name creates a metric, which costs money. Count only known use cases by name.
        let known = match submitted {
            Some(name) if response.status().is_success() => Some(name),
            Some(name) => self.use_cases.current_manifest(name).await.map(|_| name),
            None => None,
        };
        if outcomes.accepted > 0 {
            metrics::emit(Service::Processor, known, &[("Accepted", f64::from(outcomes.accepted), Unit::Count)]);
        }
        for code in outcomes.refused {
            metrics::emit_rejected(Service::Processor, known, code);
        }
    }
}

#[cfg(test)]
mod tests;
