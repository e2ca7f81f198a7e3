//! `GET /events`: the changes of requests as they are stored, as server-sent events (WHATWG HTML, section 9.2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use http::{HeaderValue, Request};
use postdate_core::access::{Caller, Scope};
use postdate_core::api::{ApiError, CORRELATION_HEADER};
use postdate_core::ports::Clock as _;
use tokio::sync::broadcast::error::RecvError;

use super::connections::Link;
use super::{App, authenticated, closing};

/// Interval of comments that keep a quiet connection open. Common proxies end one without data after 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Answers with an event for each change of a request that the caller sees, from now on. An event `request` has the request as lists show
/// it. An event `missed` says that the client was too slow and has to list again.
pub async fn get(State(app): State<Arc<App>>, Extension(link): Extension<Arc<Link>>, request: Request<Body>) -> Response {
    let id = app.clock.new_id(app.clock.now());
    let (parts, body) = request.into_parts();
    let caller = async {
        let (caller, _body) = authenticated(&app, &parts, body).await?;
        caller.require(Scope::Read).map_err(|denied| closing(denied.into()))?;
        Ok::<_, ApiError>(caller)
    };
    match caller.await {
        Ok(caller) => {
            let mut response = Sse::new(events(app, link, caller)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
            if let Ok(id) = HeaderValue::try_from(id.to_string()) {
                response.headers_mut().insert(CORRELATION_HEADER, id);
            }
            // nginx would else collect events until its buffer is full.
            response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        }
        Err(error) => error.into_response(id).map(Body::from),
    }
}

/// Returns the events until the server stops or the connection is needed for another client.
fn events(app: Arc<App>, link: Arc<Link>, caller: Caller) -> impl Stream<Item = Result<Event, Infallible>> {
    let changes = app.api.ledger.changes();
    stream::unfold((app, link, caller, changes), |(app, link, caller, mut changes)| async move {
        let event = loop {
            let change = tokio::select! {
                () = app.api.ledger.closing() => return None,
                () = link.evicted.cancelled() => return None,
                change = changes.recv() => change,
            };
            match change {
                Ok(request) if caller.sees(&request) && request.notice_of.is_none() => {
                    let shown = app.api.show(&Arc::unwrap_or_clone(request).listed(), app.clock.now());
                    break Event::default().event("request").data(serde_json::to_string(&shown).unwrap_or_default());
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => break Event::default().event("missed").data(missed.to_string()),
                Err(RecvError::Closed) => return None,
            }
        };
        Some((Ok(event), (app, link, caller, changes)))
    })
}
