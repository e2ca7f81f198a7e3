//! The HTTP server: the core's API, uploads, and the test clock, on axum and hyper.

pub mod auth;
mod upload;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{any, put};
use axum::serve::{Listener as _, ListenerExt as _};
use axum::{Extension, Router};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use postdate_core::access::{Caller, Scope};
use postdate_core::api::{Api, ApiError, ApiRequest, MAX_BODY_BYTES, json_response};
use postdate_core::id::CorrelationId;
use postdate_core::ports::Clock as _;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use auth::{Auth, Peer};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::ledger::SqliteLedger;
use crate::test_clock::TestClock;
use crate::timer::Wake;

/// Bytes of a refused body that are read and dropped. A client that is still sending would otherwise see a connection error instead of
/// the answer.
const MAX_DRAINED_BYTES: usize = 16 << 20;

pub struct App {
    pub api: Api<Catalog, SqliteLedger, Wake>,
    pub auth: Auth,
    pub clock: Clock,
    pub test_clock: Option<TestClock>,
    /// Directory for uploads that are being received.
    pub scratch: PathBuf,
    pub limits: Limits,
}

/// Time limits for reading one request, so that a slow or silent client cannot hold a connection for ever.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the whole head, from the accept or the end of the previous answer. Limits an idle connection, too.
    pub head: Duration,
    /// For a whole body; for an upload, between two pieces of it.
    pub body: Duration,
}

impl Default for Limits {
    /// 30 s for the head: hyper's default, and long enough for clients to reuse an idle connection. 30 s for a body: 256 KiB arrive
    /// within that at 70 kbit/s. An upload may have 160 MiB, so any limit for its total would cut off slow, honest clients.
    fn default() -> Self {
        Self { head: Duration::from_secs(30), body: Duration::from_secs(30) }
    }
}

/// Serves HTTP/1 until `stop`, then until the open requests are answered. Closes idle connections at `stop`.
pub async fn serve(listener: TcpListener, app: App, stop: CancellationToken) {
    let mut listener = listener.tap_io(|stream| {
        // Answers are small and clients wait for each, so do not delay one to fill a packet.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(app.limits.head);
    let router = router(app);
    let connections = TaskTracker::new();
    // axum's `accept` retries after an error, such as a lack of file descriptors.
    while let Some((stream, peer)) = stop.run_until_cancelled(listener.accept()).await {
        let service = TowerToHyperService::new(router.clone().layer(Extension(Peer(peer.ip()))));
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let stop = stop.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let served = tokio::select! {
                served = connection.as_mut() => served,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = served {
                tracing::debug!(%error, "connection failed");
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn router(app: App) -> Router {
    Router::new()
        .route("/test-clock", any(test_clock))
        .route("/use-cases/{name}", put(use_case).fallback(api))
        .fallback(api)
        .with_state(Arc::new(app))
}

async fn api(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let now = app.clock.now();
    let id = app.clock.new_id(now);
    let (parts, body) = request.into_parts();
    let response = match authenticated(&app, &parts, body).await {
        Err(error) => error.into_response(id),
        Ok((caller, body)) => match read_body(body, app.limits).await {
            Ok(bytes) => app.api.answer(ApiRequest { id, now, caller, claims: Vec::new() }, Request::from_parts(parts, bytes)).await,
            Err(error) => error.into_response(id),
        },
    };
    response.map(Body::from)
}

async fn use_case(State(app): State<Arc<App>>, Path(name): Path<String>, request: Request<Body>) -> Response {
    let id = app.clock.new_id(app.clock.now());
    let (parts, body) = request.into_parts();
    let answer = async {
        let (caller, body) = authenticated(&app, &parts, body).await?;
        match upload::check(&app, &caller, &name) {
            Ok(()) => upload::put(&app, &name, body).await,
            Err(error) => Err(refuse(error, body, app.limits).await),
        }
    };
    respond(id, answer.await)
}

async fn test_clock(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let id = app.clock.new_id(app.clock.now());
    respond(id, move_clock(&app, request).await)
}

/// Returns the caller of a request with its body. Reads and drops the body of a request that is refused.
async fn authenticated(app: &App, parts: &Parts, body: Body) -> Result<(Caller, Body), ApiError> {
    match app.auth.authenticate(parts).await {
        Ok(caller) => Ok((caller, body)),
        Err(error) => Err(refuse(error, body, app.limits).await),
    }
}

fn respond(id: CorrelationId, answer: Result<serde_json::Value, ApiError>) -> Response {
    let response = match answer {
        Ok(mut body) => {
            body["correlationId"] = serde_json::json!(id);
            json_response(StatusCode::OK, id, &body, "application/json")
        }
        Err(error) => error.into_response(id),
    };
    response.map(Body::from)
}

async fn move_clock(app: &App, request: Request<Body>) -> Result<serde_json::Value, ApiError> {
    let (parts, body) = request.into_parts();
    let (caller, body) = authenticated(app, &parts, body).await?;
    // On a server without keys, whoever reaches it may move its test clock.
    if app.auth.has_keys() {
        caller.require(if parts.method == Method::GET { Scope::Read } else { Scope::Operate })?;
    }
    let Some(clock) = &app.test_clock else {
        let detail = "this server runs on the machine's clock: start it with --test-clock to move time";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "no-test-clock", detail));
    };
    match parts.method {
        Method::GET => Ok(clock.show()),
        Method::POST => clock.advance(&read_body(body, app.limits).await?).await,
        _ => {
            let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "/test-clock answers to GET, POST");
            Err(error.with_header(header::ALLOW, "GET, POST"))
        }
    }
}

/// Reads and drops a refused body, so that its sender sees the answer. After [`MAX_DRAINED_BYTES`] or the time limit, the answer closes
/// the connection instead.
async fn refuse(error: ApiError, body: Body, limits: Limits) -> ApiError {
    let mut body = Limited::new(body, MAX_DRAINED_BYTES);
    let drained = timeout(limits.body, async {
        loop {
            match body.frame().await {
                Some(Ok(_)) => {}
                end => return end.is_none(),
            }
        }
    });
    if drained.await == Ok(true) { error } else { closing(error) }
}

/// Makes the answer close the connection: the rest of the body may still come, and is no next request.
fn closing(error: ApiError) -> ApiError {
    error.with_header(header::CONNECTION, "close")
}

/// Fails with 413 for more than [`MAX_BODY_BYTES`], with 408 after the time limit, and with 400 if the client stops in between.
async fn read_body(mut body: Body, limits: Limits) -> Result<Bytes, ApiError> {
    let read = timeout(limits.body, Limited::new(&mut body, MAX_BODY_BYTES).collect());
    match read.await.map_err(|_| body_timeout(limits))? {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(refuse(ApiError::payload_too_large(), body, limits).await),
        Err(error) => Err(body_cut_off(&*error)),
    }
}

fn body_cut_off(error: &dyn std::error::Error) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "body-cut-off", format!("the body did not arrive whole: {error}"))
}

fn body_timeout(limits: Limits) -> ApiError {
    let detail = format!("the body did not arrive within {:?}: send it again, on a faster connection", limits.body);
    closing(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", detail))
}

#[cfg(test)]
mod tests;
