//! An HTTP server in the test that receives deliveries, records them, and answers by the test's script.

use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use hyper::body::Frame;
use serde_json::Value;
use tokio::task::AbortHandle;

/// A received request.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub at: DateTime<Utc>,
    pub method: Method,
    /// Path with the query string.
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Delivery {
    /// Returns a header's text, or an empty text if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.body))
    }
}

/// The answer to a delivery.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    breaks_off: bool,
    delay: Duration,
}

/// A body that breaks off after its text: the server then closes the connection.
struct BrokenOff {
    text: Option<Bytes>,
    is_sent: bool,
}

impl hyper::body::Body for BrokenOff {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if let Some(text) = self.text.take() {
            return Poll::Ready(Some(Ok(Frame::data(text))));
        }
        if !std::mem::replace(&mut self.is_sent, true) {
            // The server sends its buffer while it waits, and drops it at an error.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(std::io::ErrorKind::BrokenPipe.into())))
    }
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn ok(body: &str) -> Self {
        Self::status(200).body(body)
    }

    pub fn body(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Breaks the answer off after its body, which then has no end.
    pub fn broken_off(self) -> Self {
        Self { breaks_off: true, ..self }
    }

    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

type Script = dyn Fn(&Delivery, usize) -> Reply + Send + Sync;

struct Shared {
    deliveries: Mutex<Vec<Delivery>>,
    script: Box<Script>,
}

/// A receiver on 127.0.0.1. Runs until it is dropped.
pub struct Receiver {
    pub port: u16,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Receiver {
    /// Starts a receiver that answers by `script`, whose second argument is the number of earlier deliveries.
    pub async fn start(script: impl Fn(&Delivery, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        let shared = Arc::new(Shared { deliveries: Mutex::default(), script: Box::new(script) });
        let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, shared, task: serving.abort_handle() }
    }

    /// Starts a receiver that answers 200 to every request.
    pub async fn accepting() -> Self {
        Self::start(|_, _| Reply::ok("done")).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Returns tables of a manifest whose requests go to `/` of this receiver.
    pub fn hook(&self) -> String {
        format!("[targets]\ndefault = 'hook'\nhook = {{ kind = 'http', url = '{}' }}\n", self.url("/"))
    }

    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.lock().clone()
    }

    pub fn count(&self) -> usize {
        self.shared.lock().len()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Delivery>> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8_lossy(&body).into_owned();
    let delivery = Delivery { at: Utc::now(), method, path: uri.to_string(), headers, body };
    let reply = {
        let mut all = shared.lock();
        let reply = (shared.script)(&delivery, all.len());
        all.push(delivery);
        reply
    };
    tokio::time::sleep(reply.delay).await;
    let body = if reply.breaks_off { Body::new(BrokenOff { text: Some(reply.body.into()), is_sent: false }) } else { reply.body.into() };
    let mut response = (StatusCode::from_u16(reply.status).expect("a status"), body).into_response();
    for (name, value) in reply.headers {
        response.headers_mut().insert(HeaderName::from_static(name), value.parse().expect("a header's value"));
    }
    response
}
