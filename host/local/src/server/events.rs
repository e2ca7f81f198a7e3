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
use http::{HeaderMap, HeaderValue, Request};
use postdate_core::access::{Caller, Scope};
use postdate_core::api::{ApiError, CORRELATION_HEADER};
use postdate_core::ports::Clock as _;
use postdate_core::request;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::connections::Link;
use super::{App, authenticated, closing};

/// Interval of comments that keep a quiet connection open. Common proxies end one without data after 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Interval at which the key of a quiet stream is checked again. The check costs a look at the keys file's metadata, and a hash of the key.
const RECHECK: Duration = Duration::from_secs(1);

/// Answers with an event for each change of a request that the caller sees, from now on, as long as the caller's key has the same rights.
/// An event `request` has the request as lists show it. An event `missed` says that the client was too slow and has to list again.
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
            let events = events(app, link, parts.headers, caller);
            let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
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

/// Returns the events of a caller whose key is in `headers`, as [`Subscription::event`] does.
fn events(app: Arc<App>, link: Arc<Link>, headers: HeaderMap, caller: Caller) -> impl Stream<Item = Result<Event, Infallible>> {
    let changes = app.api.ledger.changes();
    let mut recheck = interval(RECHECK);
    recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let subscription = Subscription { app, link, headers, caller, changes, recheck };
    stream::unfold(subscription, |mut subscription| async move {
        let event = subscription.event().await?;
        Some((Ok(event), subscription))
    })
}

/// One open stream.
struct Subscription {
    app: Arc<App>,
    link: Arc<Link>,
    /// Headers of the request, with its key.
    headers: HeaderMap,
    /// The caller at the begin of the stream.
    caller: Caller,
    changes: Receiver<Arc<request::Request>>,
    recheck: Interval,
}

impl Subscription {
    /// Returns the next event. Returns `None` once the server stops, the connection is needed for another client, or the key has expired,
    /// is gone or has other rights than at the begin. A client whose key has more rights than before calls again, too.
    async fn event(&mut self) -> Option<Event> {
        loop {
            let change = tokio::select! {
                () = self.app.api.ledger.closing() => return None,
                () = self.link.evicted.cancelled() => return None,
                _ = self.recheck.tick() => None,
                change = self.changes.recv() => Some(change),
            };
            let event = match change {
                None => None,
                Some(Ok(request)) if self.caller.sees(&request) && request.notice_of.is_none() => {
                    let shown = self.app.api.show(&Arc::unwrap_or_clone(request).listed(), self.app.clock.now());
                    Some(Event::default().event("request").data(serde_json::to_string(&shown).unwrap_or_default()))
                }
                Some(Ok(_)) => continue,
                Some(Err(RecvError::Lagged(missed))) => Some(Event::default().event("missed").data(missed.to_string())),
                Some(Err(RecvError::Closed)) => return None,
            };
            // Also before each event, so that a changed keys file is in effect at once, as for calls.
            if self.app.auth.caller_now(&self.headers).as_ref() != Some(&self.caller) {
                return None;
            }
            if event.is_some() {
                return event;
            }
        }
    }
}
