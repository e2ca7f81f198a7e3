//! Tests of the whole API over fakes: bytes in, bytes out.

mod access;
mod batch;
mod change;
mod errors;
mod labels;
pub(super) mod openapi;
mod pause;
mod read;
mod submit;
mod use_cases;

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, Request, Response};
use serde_json::Value;

use super::{Api, ApiRequest, CORRELATION_HEADER};
use crate::access::Caller;
use crate::fire::Firing;
use crate::id::CorrelationId;
use crate::ports::{Aftercare, ScheduleError};
use crate::request::{self, Claimed};
use crate::testing::{FakeBundle, FakeClock, FakeDeliver, FakeUseCases, MemoryLedger, RecordingScheduler, block_on, moment, sample_id};

const ORDERS: &str = r#"
name = "orders"
description = "Place an order at a chosen time"
[validate]
plugin = "validate.wasm"
[process]
plugin = "process.wasm"
[schedule]
max-ahead = "30d"
[retry]
max-attempts = 2
backoff = { jitter = 0 }
[targets]
default = "here"
here = { kind = "plugin" }
hook = { kind = "http", url = "http://127.0.0.1:9000/hook" }
"#;

/// A client and its host. The n-th call has the n-th sample id.
struct Client {
    api: Api<FakeUseCases, MemoryLedger, RecordingScheduler>,
    calls: Cell<u64>,
    now: Cell<DateTime<Utc>>,
    caller: RefCell<Caller>,
}

/// A parsed answer.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
    /// The body as it was sent.
    text: String,
}

impl Client {
    fn new(bundle: FakeBundle) -> Self {
        let api = Api {
            use_cases: FakeUseCases::of(bundle),
            ledger: MemoryLedger::default(),
            scheduler: RecordingScheduler::default(),
            base_path: String::new(),
        };
        Self { api, calls: Cell::new(0), now: Cell::new(moment()), caller: RefCell::new(Caller::everything()) }
    }

    fn of_orders() -> Self {
        Self::new(FakeBundle::new("v1", ORDERS))
    }

    /// Makes the following calls those of `caller`.
    fn acts_as(&self, caller: &Caller) {
        self.caller.replace(caller.clone());
    }

    fn advance(&self, seconds: i64) {
        self.now.set(self.now.get() + TimeDelta::seconds(seconds));
    }

    /// Sends a request. Checks the headers and members that every answer must have.
    #[track_caller]
    fn send(&self, request: Request<Bytes>) -> Reply {
        self.calls.set(self.calls.get() + 1);
        let call =
            ApiRequest { id: sample_id(self.calls.get()), now: self.now.get(), caller: self.caller.borrow().clone(), claims: Vec::new() };
        let reply = Reply::read(block_on(self.api.answer(call, request)));
        let content_type = if reply.status < 400 { "application/json" } else { "application/problem+json" };
        assert_eq!(reply.header("content-type"), content_type);
        assert_eq!(Some(reply.header(CORRELATION_HEADER)), reply.body["correlationId"].as_str(), "{reply:?}");
        if reply.status >= 400 {
            assert_eq!(reply.body["status"], reply.status);
            for member in ["title", "code", "detail"] {
                assert!(reply.body[member].as_str().is_some_and(|text| !text.is_empty()), "no {member}: {reply:?}");
            }
        }
        reply
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        self.send(request(method, path, body))
    }

    #[track_caller]
    fn get(&self, path: &str) -> Reply {
        self.call("GET", path, "")
    }

    /// Posts to `orders`. Returns the id of the request.
    #[track_caller]
    fn accepted(&self, body: &str) -> CorrelationId {
        let reply = self.call("POST", "/requests/orders", body);
        assert_eq!(reply.status, 202, "{reply:?}");
        reply.id()
    }

    /// Claims the request for its next attempt. Panics if it is not due.
    fn claim(&self, id: CorrelationId) -> crate::request::Claimed {
        block_on(self.api.ledger.claim(id, self.now.get())).unwrap().expect("the request is due")
    }

    /// Fires the request once, as a host does at the due time.
    fn fire(&self, id: CorrelationId) {
        let Claimed { request, body } = self.claim(id);
        let clock = FakeClock::default();
        clock.set(self.now.get());
        let Api { use_cases, ledger, scheduler, .. } = &self.api;
        let firing = Firing { use_cases, ledger, scheduler, deliver: &FakeDeliver::answering(Ok(None)), clock: &clock, aftercare: &NoCare };
        block_on(firing.run(request, Some(body), None)).unwrap();
    }
}

/// A host that does nothing after an attempt.
struct NoCare;

impl Aftercare for NoCare {
    async fn again(&self, _request: &request::Request) -> Result<bool, ScheduleError> {
        Ok(true)
    }
}

impl Reply {
    fn read(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.into()).expect("every answer is UTF-8");
        let body = serde_json::from_str(&text).expect("every answer is JSON");
        Self { status: parts.status.as_u16(), headers: parts.headers, body, text }
    }

    /// Returns a header's text; empty if the header is absent.
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[track_caller]
    fn id(&self) -> CorrelationId {
        self.body["correlationId"].as_str().unwrap().parse().unwrap()
    }

    /// Returns `status code` of an error.
    fn error(&self) -> String {
        format!("{} {}", self.status, self.body["code"].as_str().unwrap_or("(no code)"))
    }
}

fn request(method: &str, path: &str, body: &str) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn with_header(mut request: Request<Bytes>, name: &'static str, value: &str) -> Request<Bytes> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}
