//! The HTTP server: the core's API, uploads, and the test clock, on axum.

mod upload;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{any, put};
use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use postdate_core::api::{Api, ApiError, ApiRequest, MAX_BODY_BYTES, json_response};
use postdate_core::id::CorrelationId;
use postdate_core::ports::Clock as _;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::ledger::SqliteLedger;
use crate::test_clock::TestClock;
use crate::timer::Wake;

/// Maximum number of bytes that are read of a refused body. A client that is still sending would otherwise see a connection error
/// instead of the answer.
const MAX_DRAINED_BYTES: usize = 16 << 20;

pub struct App {
    pub api: Api<Catalog, SqliteLedger, Wake>,
    pub clock: Clock,
    pub test_clock: Option<TestClock>,
    /// Directory for uploads that are being received.
    pub scratch: PathBuf,
}

pub fn router(app: App) -> Router {
    Router::new()
        .route("/test-clock", any(test_clock))
        .route("/use-cases/{name}", put(use_case).fallback(api))
        .fallback(api)
        .with_state(Arc::new(app))
}

async fn api(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let now = app.clock.now();
    let call = ApiRequest { id: app.clock.new_id(now), now, caller: Vec::new() };
    let (parts, body) = request.into_parts();
    let response = match read_body(body).await {
        Ok(bytes) => app.api.answer(call, Request::from_parts(parts, bytes)).await,
        Err(error) => error.into_response(call.id),
    };
    response.map(Body::from)
}

async fn use_case(State(app): State<Arc<App>>, Path(name): Path<String>, request: Request<Body>) -> Response {
    let id = app.clock.new_id(app.clock.now());
    let (parts, body) = request.into_parts();
    let answer = match app.api.authorize(&parts.headers).and_then(|()| upload::check(&app, &name)) {
        Ok(()) => upload::put(&app, &name, body).await,
        Err(error) => {
            drain(body).await;
            Err(error)
        }
    };
    respond(id, answer)
}

async fn test_clock(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let id = app.clock.new_id(app.clock.now());
    respond(id, move_clock(&app, request).await)
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
    app.api.authorize(request.headers())?;
    let Some(clock) = &app.test_clock else {
        let detail = "this server runs on the machine's clock: start it with --test-clock to move time";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "no-test-clock", detail));
    };
    match *request.method() {
        Method::GET => Ok(clock.show()),
        Method::POST => clock.advance(&read_body(request.into_body()).await?).await,
        _ => {
            let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "/test-clock answers to GET, POST");
            Err(error.with_header(header::ALLOW, "GET, POST"))
        }
    }
}

/// Reads and drops up to [`MAX_DRAINED_BYTES`] of a refused body, so that its sender sees the answer.
async fn drain(mut body: Body) {
    let mut seen = 0;
    while let Some(Ok(frame)) = body.frame().await {
        seen += frame.data_ref().map_or(0, Bytes::len);
        if seen > MAX_DRAINED_BYTES {
            return;
        }
    }
}

/// Fails with 413 for more than [`MAX_BODY_BYTES`], and with 400 if the client stops before the end.
async fn read_body(mut body: Body) -> Result<Bytes, ApiError> {
    let mut kept = BytesMut::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, "body-cut-off", format!("the body did not arrive whole: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen <= MAX_BODY_BYTES {
            kept.extend_from_slice(&data);
        } else if seen > MAX_DRAINED_BYTES {
            break;
        }
    }
    if seen > MAX_BODY_BYTES { Err(ApiError::payload_too_large()) } else { Ok(kept.freeze()) }
}
