//! A proxy in front of moto. The proxy refuses calls that AWS would refuse, makes conditional writes atomic, records the calls,
//! and injects faults.

mod answer;
mod bus;
mod script;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use hyper::Request;
use hyper::body::Bytes;
use serde_json::Value;

use crate::clock::Clock;
use crate::lawful;
use crate::model::{self, Call};
use crate::serve::{self, Answer, Server};
use bus::Bus;
use script::{FaultScript, Met};

pub use script::{Fault, Held, Moment};

/// Header of the test's own calls, which pass without record or fault. They are checked by the service's model alone.
pub(crate) const OF_THE_TEST: &str = "x-of-the-test";
/// Header from which moto reads the account.
pub(crate) const ACCOUNT: &str = "x-moto-account-id";

/// A call that the proxy received.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Service of the credential scope: `dynamodb`, `events`, `scheduler`, `sqs`, `sns`, `s3`, `lambda`, `states`.
    pub service: String,
    /// Action as in the API reference: `PutRule`, `GetObject`.
    pub action: String,
    /// The input, with the members of the service's model, see [`Call`].
    pub body: Value,
    /// Time of the call, on the test's clock.
    pub at: DateTime<Utc>,
    /// Reasons for which AWS would refuse the call. If there are any, the proxy refuses it, unless it is lenient.
    pub refused: Vec<String>,
    /// The injected fault.
    pub fault: Option<Fault>,
    /// moto's answer: status and JSON (null for any other body). `None` until moto has answered.
    pub answer: Option<(u16, Value)>,
}

impl Recorded {
    pub fn is(&self, service: &str, action: &str) -> bool {
        self.service == service && self.action == action
    }

    /// Returns `true` if the call took effect.
    pub fn done(&self) -> bool {
        self.answer.as_ref().is_some_and(|(status, _)| *status < 300)
    }
}

/// The proxy of one test, for one account. Runs until the last clone is dropped.
#[derive(Clone)]
pub struct FaultProxy {
    server: Arc<Server>,
    state: Arc<State>,
}

struct State {
    moto: String,
    account: String,
    clock: Clock,
    http: reqwest::Client,
    records: Mutex<Vec<Arc<Recorded>>>,
    script: FaultScript,
    bus: Bus,
    /// Held during each call: moto runs calls on threads, without a lock around a transaction or a conditional write.
    one_at_a_time: tokio::sync::Mutex<()>,
    lenient: AtomicBool,
    /// Breaches of a model by the test's own calls.
    faulty: Mutex<Vec<String>>,
}

impl FaultProxy {
    /// Starts a proxy for the moto at `moto`, `http://host:port`.
    pub async fn start(moto: &str, account: &str, clock: Clock) -> Self {
        let state = Arc::new(State {
            moto: moto.to_owned(),
            account: account.to_owned(),
            clock,
            http: serve::http(),
            records: Mutex::default(),
            script: FaultScript::default(),
            bus: Bus::default(),
            one_at_a_time: tokio::sync::Mutex::default(),
            lenient: AtomicBool::default(),
            faulty: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let state = Arc::clone(&shared);
            async move {
                // A task of its own: AWS finishes a call also after its caller has disconnected.
                tokio::spawn(async move { state.handle(request).await }).await.ok().flatten()
            }
        })
        .await;
        Self { server: Arc::new(server), state }
    }

    /// Returns the value for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// Returns all calls of the Lambdas, oldest first.
    pub fn records(&self) -> Vec<Arc<Recorded>> {
        self.state.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the calls of one action, oldest first.
    pub fn calls(&self, service: &str, action: &str) -> Vec<Arc<Recorded>> {
        self.records().into_iter().filter(|call| call.is(service, action)).collect()
    }

    /// Returns the names of all calls but the first `skip`, in order: `dynamodb.PutItem`.
    pub fn names(&self, skip: usize) -> Vec<String> {
        self.records().iter().skip(skip).map(|call| format!("{}.{}", call.service, call.action)).collect()
    }

    /// Removes all calls from the record.
    pub fn forget(&self) {
        self.state.records.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Injects the fault into the next call of the action. `*` stands for any service or action.
    pub fn fail_once(&self, service: &str, action: &str, fault: Fault) {
        self.fail_nth(service, action, 1, fault);
    }

    /// Injects the fault into the `nth` call of the action from now on, counted from 1.
    pub fn fail_nth(&self, service: &str, action: &str, nth: usize, fault: Fault) {
        self.state.script.add(service, action, nth, nth, fault);
    }

    /// Injects the fault into every call of the action, until [`Self::heal`].
    pub fn fail_always(&self, service: &str, action: &str, fault: Fault) {
        self.fail_from(service, action, 1, fault);
    }

    /// Injects the fault into the `nth` call of the action and all after it, until [`Self::heal`].
    pub fn fail_from(&self, service: &str, action: &str, nth: usize, fault: Fault) {
        self.state.script.add(service, action, nth, usize::MAX, fault);
    }

    /// Removes all faults. Held calls stay held.
    pub fn heal(&self) {
        self.state.script.clear();
    }

    /// Stops the next call of the action at the given moment, so that the test can kill the caller there.
    pub fn hold(&self, service: &str, action: &str, moment: Moment) -> Held {
        self.hold_nth(service, action, 1, moment)
    }

    /// Stops the `nth` call of the action from now on, counted from 1.
    pub fn hold_nth(&self, service: &str, action: &str, nth: usize, moment: Moment) -> Held {
        self.state.script.hold(service, action, nth, moment)
    }

    /// Passes calls on that AWS would refuse.
    pub fn lenient(&self) {
        self.state.lenient.store(true, Ordering::Relaxed);
    }

    /// Panics if a Lambda, or the test itself, sent a call that AWS would refuse.
    #[track_caller]
    pub fn assert_lawful(&self) {
        let faulty = self.state.faulty.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(faulty.is_empty(), "the test's own calls break the models: {faulty:?}");
        for call in self.records() {
            assert!(call.refused.is_empty(), "AWS would refuse {}.{} for {:?}: {}", call.service, call.action, call.refused, call.body);
        }
    }
}

impl State {
    async fn handle(&self, mut request: Request<Bytes>) -> Option<Answer> {
        let account = self.account.parse().expect("digits are a header's value");
        request.headers_mut().insert(ACCOUNT, account);
        let mut call = model::read(&request);
        if request.headers_mut().remove(OF_THE_TEST).is_some() {
            if call.problems.is_empty() {
                return self.pass_on(&call, &request).await;
            }
            let problem = format!("{}.{}: {}", call.service, call.action, call.problems.join("; "));
            self.faulty.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
            return Some(answer::refusal(&call.service, &call.problems));
        }
        call.problems.extend(lawful::problems(&call.service, &call.action, &call.body, Some(self.clock.now())));
        let met = self.script.meet(&call.service, &call.action);
        let record = Recorded {
            service: call.service.clone(),
            action: call.action.clone(),
            body: call.body.clone(),
            at: self.clock.now(),
            refused: call.problems.clone(),
            fault: met.as_ref().map(Met::fault),
            answer: None,
        };
        let index = self.record(record);
        let refuse = !call.problems.is_empty() && !self.lenient.load(Ordering::Relaxed);
        match met {
            None if refuse => Some(answer::refusal(&call.service, &call.problems)),
            None => self.carry_out(index, &call, &request).await,
            Some(Met::Hold(mut hold)) => {
                if hold.moment == Moment::Before {
                    hold.reached_and_released().await.then_some(())?;
                }
                let answer = self.carry_out(index, &call, &request).await;
                if hold.moment == Moment::After {
                    hold.reached_and_released().await.then_some(())?;
                }
                answer
            }
            Some(Met::Fail(Fault::Timeout)) => {
                // Ends with the test. The client's own timeout comes first.
                std::future::pending::<()>().await;
                None
            }
            Some(Met::Fail(Fault::LostResponse)) => {
                self.carry_out(index, &call, &request).await;
                None
            }
            Some(Met::Fail(fault)) => Some(answer::answer(fault, &call.service, &call.action, &call.body)),
        }
    }

    fn record(&self, call: Recorded) -> usize {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push(Arc::new(call));
        records.len() - 1
    }

    async fn carry_out(&self, index: usize, call: &Call, request: &Request<Bytes>) -> Option<Answer> {
        use http_body_util::BodyExt as _;
        let (parts, body) = self.pass_on(call, request).await?.into_parts();
        let bytes = body.collect().await.ok()?.to_bytes();
        let content = serde_json::from_slice(&bytes).unwrap_or_default();
        if let Some(call) = self.records.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            Arc::make_mut(call).answer = Some((parts.status.as_u16(), content));
        }
        Some(Answer::from_parts(parts, bytes.into()))
    }

    async fn pass_on(&self, call: &Call, request: &Request<Bytes>) -> Option<Answer> {
        let _turn = self.one_at_a_time.lock().await;
        if call.service != "events" {
            return serve::forward(&self.http, &self.moto, request).await;
        }
        if self.bus.is_full_for(&call.action, &call.body) {
            return Some(answer::answer(Fault::LimitExceeded, &call.service, &call.action, &call.body));
        }
        let answer = serve::forward(&self.http, &self.moto, request).await?;
        if answer.status().is_success() {
            self.bus.done(&call.action, &call.body);
        }
        Some(answer)
    }
}
