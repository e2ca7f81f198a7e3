//! The HTTP server: the core's API, uploads, and the test clock, on axum and hyper.

pub mod auth;
mod connections;
mod events;
pub mod fair_semaphore;
mod metrics;
mod names;
mod rollback;
mod stream;
mod upload;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use axum::serve::{Listener as _, ListenerExt as _};
use axum::{Extension, Router};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use postdate_core::access::{Caller, Scope};
use postdate_core::api::{
    Api, ApiError, ApiRequest, Code, MAX_BODY_BYTES, Outcomes, check_body, check_encoding, check_type,
    document::{ClockTime, Uploaded},
    is_batch, is_public, json_response, max_bytes, submitted_to,
};
use postdate_core::id::CorrelationId;
use postdate_core::ports::Clock as _;
use postdate_core::time::Rfc3339;
use postdate_store::Moved;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use names::{HostName, check as check_host};

use auth::{Auth, Peer};
use connections::{Admission, Connections, Link};
use fair_semaphore::{FairSemaphore, Permit};
use stream::{ClientStream, written_out};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::ledger::SqliteLedger;
use crate::test_clock::TestClock;
use crate::timer::TimerHandle;
use crate::traces::Traces;

/// Limit of a request head, in bytes. Headers are at most 100, hyper's default.
const MAX_HEAD_BYTES: usize = 128 << 10;
/// How long a connection stays open after an answer to a request that was not read whole. A close at once would reset the connection,
/// and its client would see an error instead of the answer.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes that are read and dropped in that time.
const MAX_LINGERED_BYTES: u64 = 64 << 10;
/// Connections beyond the limit that are answered at the same time. Others are closed without an answer.
const MAX_TURNED_AWAY: usize = 16;

/// Batches that are received and answered at the same time: their bodies are large. One caller gets half of them.
pub const BATCHES: usize = 8;
/// How long a batch waits for its permit.
const BATCH_WAIT: Duration = Duration::from_secs(10);

pub struct App {
    pub api: Api<Catalog, SqliteLedger, TimerHandle>,
    pub auth: Auth,
    pub clock: Clock,
    pub test_clock: Option<TestClock>,
    /// Directory for uploads that are being received.
    pub scratch: PathBuf,
    pub limits: ConnectionLimits,
    /// Further names by which clients call this server.
    pub names: Vec<HostName>,
    /// Of [`BATCHES`].
    pub batches: FairSemaphore,
    /// Of calls that wait for the end of a request: half of the connections.
    pub waits: FairSemaphore,
    pub traces: Traces,
}

/// Limits of time and number, so that slow or silent clients cannot take all connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// For the whole head, from the accept or the end of the previous answer. Limits an idle connection, too.
    pub head: Duration,
    /// For a whole body; for an upload, between two pieces of it.
    pub body: Duration,
    /// For a whole upload.
    pub upload: Duration,
    /// For the client to accept a piece of the answer.
    pub answer: Duration,
    /// Open connections at a time.
    pub connections: usize,
}

impl ConnectionLimits {
    /// Returns the limits of a server that runs `concurrency` requests at a time. 30 s for the head: hyper's default, and long enough
    /// for clients to reuse an idle connection. 30 s for a body: 256 KiB arrive within that at 70 kbit/s. 15 min for an upload of up to
    /// 160 MiB: as long as `postdate use-case push` waits.
    pub fn of(concurrency: usize) -> Self {
        let (short, long) = (Duration::from_secs(30), Duration::from_mins(15));
        Self { head: short, body: short, upload: long, answer: short, connections: connections::allowed(concurrency) }
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
    http.timer(TokioTimer::new()).header_read_timeout(app.limits.head).max_header_size(MAX_HEAD_BYTES);
    let app = Arc::new(app);
    let router = TowerToHyperService::new(router(Arc::clone(&app)));
    let connections = Connections::new(app.limits.connections);
    let turned_away = Arc::new(Semaphore::new(MAX_TURNED_AWAY));
    let tasks = TaskTracker::new();
    // axum's `accept` retries after an error, such as a lack of file descriptors.
    while let Some((tcp, peer)) = stop.run_until_cancelled(listener.accept()).await {
        // Fails if the client has closed the connection already.
        let Ok(local) = tcp.local_addr() else { continue };
        if let Some(admission) = connections.admit(peer, local) {
            tasks.spawn(connect(Arc::clone(&app), http.clone(), router.clone(), tcp, admission, stop.clone()));
        } else if let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() {
            let id = app.clock.new_id(app.clock.now());
            tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
                turn_away(tcp, id).await;
                drop(permit);
            }));
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// Serves one connection until it ends, is evicted, or the server stops.
async fn connect(app: Arc<App>, http: http1::Builder, router: HttpService, tcp: TcpStream, admission: Admission, stop: CancellationToken) {
    let link = &admission.link;
    let stream = ClientStream::new(tcp, Arc::clone(link), app.clock.clone(), app.limits.answer);
    let service = service_fn(|request| answer(&app, &router, link, request));
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let served = tokio::select! {
        served = &mut connection => served,
        () = stop.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
        () = link.evicted.cancelled() => {
            if !link.is_busy() {
                return;
            }
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection failed");
    }
    if link.lingers.load(Ordering::Relaxed) {
        let mut stream = connection.into_parts().io.into_inner();
        tokio::select! {
            () = async { if stream.flush().await.is_ok() { linger(stream.into_tcp()).await } } => {}
            () = stop.cancelled() => {}
            () = link.evicted.cancelled() => {}
        }
    }
}

/// Answers one request: refuses it if it comes from elsewhere, else routes it.
async fn answer(app: &App, router: &HttpService, link: &Arc<Link>, request: Request<Incoming>) -> Result<Response, Infallible> {
    link.wait();
    let (mut parts, body) = request.into_parts();
    let submitted = submitted_to(&parts.method, parts.uri.path()).map(str::to_owned);
    let response = match names::check(&parts, link.local.ip(), &app.names) {
        Ok(()) => {
            parts.extensions.insert(Peer(link.peer.ip()));
            parts.extensions.insert(Arc::clone(link));
            router.call(Request::from_parts(parts, body)).await?
        }
        Err(error) => closing_if_body(error, &body).into_response(app.clock.new_id(app.clock.now())).map(Body::from),
    };
    if let Some(Outcomes { refused, .. }) = response.extensions().get()
        && let Some(use_case) = &submitted
    {
        let use_case = Some(use_case.as_str()).filter(|name| app.api.use_cases.has(name));
        for code in refused {
            app.api.ledger.metrics().rejected(use_case, code);
        }
    }
    if response.headers().contains_key(header::CONNECTION) {
        link.lingers.store(true, Ordering::Relaxed);
    }
    Ok(response)
}

/// Answers 503 on a connection for which there is no place.
async fn turn_away(mut tcp: TcpStream, id: CorrelationId) {
    let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::TooManyConnections, "every connection of the server is in use");
    let answer = written_out(&closing(error.with_header(header::RETRY_AFTER, "1")).into_response(id));
    if let Ok(Ok(())) = timeout(LINGER, tcp.write_all(&answer)).await {
        linger(tcp).await;
    }
}

/// Closes a connection so that a client that is still sending can read the answer first (RFC 9112, 9.6).
async fn linger(mut tcp: TcpStream) {
    let wait = timeout(LINGER, async {
        tcp.shutdown().await?;
        let dropped = tokio::io::copy(&mut (&mut tcp).take(MAX_LINGERED_BYTES), &mut tokio::io::sink()).await?;
        if dropped == MAX_LINGERED_BYTES {
            std::future::pending::<()>().await;
        }
        Ok::<(), std::io::Error>(())
    });
    // The client has had its time, or has closed the connection.
    drop(wait.await);
}

type HttpService = TowerToHyperService<Router>;

/// Routes of a path.
type Route = MethodRouter<Arc<App>>;
type MakeRoute = fn() -> Route;

/// Paths that only this host answers, beside those of [`CALLS`](postdate_core::api::CALLS): the methods of each, as the header `Allow`
/// lists them, and their handlers.
const ROUTES: [(&str, &str, MakeRoute); 5] = [
    ("/metrics", "GET, HEAD", || get(metrics::get)),
    // A stream has no head that a client would ask for.
    ("/events", "GET", || get(events::get).head(no_such_method)),
    ("/test-clock", "GET, HEAD, POST", || get(test_clock).post(test_clock)),
    ("/use-cases/{name}", "GET, HEAD, PUT", || get(api).put(use_case)),
    ("/use-cases/{name}/rollback", "POST", || post(roll_back)),
];

/// Paths of the page.
const PAGE: [&str; 3] = ["/ui", "/ui/", "/ui/{*file}"];

/// The methods of a path in [`ROUTES`].
#[derive(Debug, Clone, Copy)]
struct Allowed(&'static str);

fn router(app: Arc<App>) -> Router {
    let router = PAGE.iter().fold(Router::new(), |router, path| router.route(path, any(page)));
    let router = ROUTES.iter().fold(router, |router, (path, allowed, route)| {
        router.route(path, route().fallback(no_such_method).layer(Extension(Allowed(allowed))))
    });
    router.route("/", any(root)).fallback(api).with_state(app)
}

/// Leads a browser to the page.
async fn root(app: State<Arc<App>>, link: Extension<Arc<Link>>, request: Request<Body>) -> Response {
    match postdate_page::from_root(request.method(), request.headers()) {
        Some(redirect) => redirect.map(Body::from),
        None => api(app, link, request).await,
    }
}

async fn api(State(app): State<Arc<App>>, Extension(link): Extension<Arc<Link>>, request: Request<Body>) -> Response {
    let now = app.clock.now();
    let id = app.clock.new_id(now);
    let (mut parts, body) = request.into_parts();
    let received = async {
        let (caller, body) = authenticated(&app, &parts, body).await?;
        let path = parts.uri.path();
        let permit = if is_batch(path) {
            Some(batch_permit(&app, &caller).await?)
        } else if waits(&parts.uri) {
            Some(app.waits.take(&caller).ok_or_else(|| crowded(Code::TooManyWaits, "as many calls wait for the end of a request as may"))?)
        } else {
            None
        };
        // Strangers may call these paths, and their calls have no body.
        let body = if is_public(path) { Bytes::new() } else { read_body(body, max_bytes(path), app.limits).await? };
        Ok::<_, ApiError>((caller, body, permit))
    };
    let response = match received.await {
        Ok((caller, body, _permit)) => {
            let _work = link.work();
            let span = app.traces.call(&mut parts);
            let answer = app.api.answer(ApiRequest { id, now, caller, claims: Vec::new() }, Request::from_parts(parts, body));
            match span {
                Some(span) => Box::pin(span.run(answer)).await,
                None => answer.await,
            }
        }
        Err(error) => error.into_response(id),
    };
    response.map(Body::from)
}

/// Returns a permit for a batch of this caller, after a wait if need be.
async fn batch_permit<'a>(app: &'a App, caller: &Caller) -> Result<Permit<'a>, ApiError> {
    caller.require(Scope::Submit).map_err(|denied| closing(denied.into()))?;
    let permit = app.batches.wait(caller, BATCH_WAIT).await;
    permit.ok_or_else(|| closing(crowded(Code::TooManyBatches, "the server works on as many batches as it may")))
}

/// Returns whether a call waits for the end of a request.
fn waits(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("wait=")))
}

fn crowded(code: Code, detail: &str) -> ApiError {
    let detail = format!("{detail}, or the caller has its share of them: try again in a moment");
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with_header(header::RETRY_AFTER, "1")
}

async fn use_case(State(app): State<Arc<App>>, Extension(link): Extension<Arc<Link>>, request: Request<Body>) -> Response {
    let id = app.clock.new_id(app.clock.now());
    let (parts, body) = request.into_parts();
    // The name is not decoded: no legal one has an escaped character.
    let name = parts.uri.path().strip_prefix("/use-cases/").unwrap_or_default();
    let answer = async {
        let (caller, body) = authenticated(&app, &parts, body).await?;
        let place = upload::enter(&app, &caller, name).map_err(closing)?;
        check_encoding(&parts.headers).and_then(|()| check_type(&parts.headers, upload::is_tar, upload::TAR)).map_err(closing)?;
        let Moved { from, to } = upload::put(&app, &caller, name, body, &link, place).await?;
        Ok(Uploaded { use_case: name.to_owned(), version: to, former: from, correlation_id: id })
    };
    respond(id, answer.await)
}

async fn roll_back(State(app): State<Arc<App>>, Extension(link): Extension<Arc<Link>>, request: Request<Body>) -> Response {
    let id = app.clock.new_id(app.clock.now());
    let (parts, body) = request.into_parts();
    let name = parts.uri.path().strip_prefix("/use-cases/").and_then(|rest| rest.strip_suffix("/rollback")).unwrap_or_default();
    let answer = async {
        let (caller, body) = authenticated(&app, &parts, body).await?;
        let place = rollback::enter(&app, &caller, name).map_err(closing)?;
        let body = read_body(body, MAX_BODY_BYTES, app.limits).await?;
        let _work = link.work();
        check_body(&parts.headers, &body, MAX_BODY_BYTES)?;
        let Moved { from, to } = rollback::post(&app, &caller, name, &body, place).await?;
        Ok(Uploaded { use_case: name.to_owned(), version: to, former: from, correlation_id: id })
    };
    respond(id, answer.await)
}

/// Answers a method that a path of this server does not take.
async fn no_such_method(State(app): State<Arc<App>>, Extension(Allowed(allowed)): Extension<Allowed>, request: Request<Body>) -> Response {
    let id = app.clock.new_id(app.clock.now());
    let (parts, body) = request.into_parts();
    let answer = async {
        let (_, body) = authenticated(&app, &parts, body).await?;
        Err::<Uploaded, _>(closing_if_body(ApiError::method_not_allowed(parts.uri.path(), allowed), &body))
    };
    respond(id, answer.await)
}

async fn page(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let answer = postdate_page::answer(request.method(), request.uri().path(), request.headers());
    answer.unwrap_or_else(|error| closing_if_body(error, request.body()).into_response(app.clock.new_id(app.clock.now()))).map(Body::from)
}

async fn test_clock(State(app): State<Arc<App>>, Extension(link): Extension<Arc<Link>>, request: Request<Body>) -> Response {
    let id = app.clock.new_id(app.clock.now());
    let now = move_clock(&app, &link, request).await;
    respond(id, now.map(|now| ClockTime { now: Rfc3339(now), correlation_id: id }))
}

/// Returns the caller of a request with its body. The body of a request that is refused is not read.
async fn authenticated(app: &App, parts: &Parts, body: Body) -> Result<(Caller, Body), ApiError> {
    match app.auth.authenticate(parts).await {
        Ok(caller) => Ok((caller, body)),
        Err(error) => Err(closing_if_body(error, &body)),
    }
}

fn respond(id: CorrelationId, answer: Result<impl Serialize, ApiError>) -> Response {
    let response = match answer {
        Ok(body) => json_response(StatusCode::OK, id, &body, "application/json"),
        Err(error) => error.into_response(id),
    };
    response.map(Body::from)
}

/// Shows or moves the test clock. Returns its time.
async fn move_clock(app: &App, link: &Arc<Link>, request: Request<Body>) -> Result<DateTime<Utc>, ApiError> {
    let (parts, body) = request.into_parts();
    let (caller, body) = authenticated(app, &parts, body).await?;
    // On a server without keys, whoever reaches it may move its test clock.
    if app.auth.has_keys() {
        let shows = [Method::GET, Method::HEAD].contains(&parts.method);
        caller.require(if shows { Scope::Read } else { Scope::Operate }).map_err(|denied| closing(denied.into()))?;
    }
    let body = read_body(body, MAX_BODY_BYTES, app.limits).await?;
    let _work = link.work();
    let Some(clock) = &app.test_clock else {
        let detail = "this server runs on the machine's clock: start it with --test-clock to move time";
        return Err(ApiError::new(StatusCode::NOT_FOUND, Code::NoTestClock, detail));
    };
    check_body(&parts.headers, &body, MAX_BODY_BYTES)?;
    if parts.method == Method::POST { clock.advance(&body).await } else { Ok(clock.time()) }
}

/// Makes the answer close the connection: the rest of the body may still come, and is no next request.
fn closing(error: ApiError) -> ApiError {
    error.with_header(header::CONNECTION, "close")
}

/// Returns the error with [`closing`], unless the request has no body.
fn closing_if_body(error: ApiError, body: &impl hyper::body::Body) -> ApiError {
    if body.is_end_stream() { error } else { closing(error) }
}

/// Fails with 413 for more than `limit` bytes, with 408 after the time limit, and with 400 if the client stops in between.
async fn read_body(body: Body, limit: usize, limits: ConnectionLimits) -> Result<Bytes, ApiError> {
    let read = timeout(limits.body, Limited::new(body, limit).collect());
    match read.await.map_err(|_| body_timeout(limits))? {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(closing(ApiError::payload_too_large(limit))),
        Err(error) => Err(body_cut_off(&*error)),
    }
}

fn body_cut_off(error: &dyn std::error::Error) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, Code::BodyCutOff, format!("the body did not arrive whole: {error}"))
}

fn body_timeout(limits: ConnectionLimits) -> ApiError {
    let detail = format!("the body did not arrive within {:?}: send it again, on a faster connection", limits.body);
    closing(ApiError::new(StatusCode::REQUEST_TIMEOUT, Code::BodyTimeout, detail))
}

#[cfg(test)]
mod tests;
