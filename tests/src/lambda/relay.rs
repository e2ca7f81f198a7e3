//! A relay between a Lambda and the emulator. The relay corrects two headers of an invocation: cargo-lambda 1.9 sends the
//! deadline `600000`, a time in 1970, and the ARN `function-arn`. It adds the header of X-Ray.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use hyper::Request;
use hyper::body::Bytes;

use crate::aws::REGION;
use crate::clock::Clock;
use crate::serve::{self, Answer, Server};

#[derive(Debug)]
pub struct Relay {
    server: Server,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    emulator: String,
    http: reqwest::Client,
    clock: Clock,
    account: String,
    /// X-Ray's header of each invocation; empty for none.
    trace: Mutex<String>,
    /// Processes by the name given to [`Relay::address`].
    processes: Mutex<HashMap<String, Process>>,
}

#[derive(Debug, Default, Clone)]
struct Process {
    asked: usize,
    timeout: Option<Duration>,
}

impl Relay {
    pub async fn start(emulator: u16, clock: Clock, account: &str) -> Self {
        let emulator = format!("http://127.0.0.1:{emulator}");
        let state = State {
            emulator,
            http: serve::http(),
            clock,
            account: account.to_owned(),
            trace: Mutex::default(),
            processes: Mutex::default(),
        };
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let state = Arc::clone(&shared);
            async move { state.handle(request).await }
        })
        .await;
        Self { server, state }
    }

    /// Returns `AWS_LAMBDA_RUNTIME_API` for one process of a function. `timeout` is the time for an invocation.
    pub fn address(&self, process: &str, function: &str, timeout: Duration) -> String {
        let process_of = Process { asked: 0, timeout: Some(timeout) };
        self.state.processes().insert(process.to_owned(), process_of);
        // lambda_runtime needs the scheme in an address with a path. AWS's own address has neither.
        format!("http://127.0.0.1:{}/{process}/.rt/{function}", self.server.port)
    }

    /// Sets X-Ray's header of the invocations from now on.
    pub fn set_trace(&self, header: &str) {
        header.clone_into(&mut self.state.trace());
    }

    /// Returns how many times the process has asked for an invocation.
    pub fn asked(&self, process: &str) -> usize {
        self.state.processes().get(process).map_or(0, |process| process.asked)
    }
}

impl State {
    fn processes(&self) -> std::sync::MutexGuard<'_, HashMap<String, Process>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trace(&self) -> std::sync::MutexGuard<'_, String> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn handle(&self, mut request: Request<Bytes>) -> Option<Answer> {
        let path = request.uri().path().to_owned();
        let (process, inside) = path.strip_prefix('/')?.split_once('/')?;
        *request.uri_mut() = format!("/{inside}").parse().ok()?;
        let next = inside.ends_with("/invocation/next");
        if next && let Some(process) = self.processes().get_mut(process) {
            process.asked += 1;
        }
        let mut answer = serve::forward(&self.http, &self.emulator, &request).await?;
        if next {
            let timeout = self.processes().get(process).and_then(|process| process.timeout).unwrap_or_default();
            let deadline = self.clock.now() + TimeDelta::from_std(timeout).ok()?;
            let function = inside.split('/').nth(1).unwrap_or_default();
            let arn = format!("arn:aws:lambda:{REGION}:{}:function:{function}", self.account);
            let headers = answer.headers_mut();
            headers.insert("lambda-runtime-deadline-ms", deadline.timestamp_millis().into());
            headers.insert("lambda-runtime-invoked-function-arn", arn.parse().ok()?);
            let trace = self.trace().clone();
            if !trace.is_empty() {
                headers.insert("lambda-runtime-trace-id", trace.parse().ok()?);
            }
        }
        Some(answer)
    }
}
