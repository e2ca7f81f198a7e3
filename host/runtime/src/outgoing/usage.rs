//! Counts one call's use of the network.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::{Error, WasiBody};

use crate::call::logs::CallLog;
use crate::limits::{CONNECTIONS, RECEIVED_BYTES, REQUESTS, Reached, SENT_BYTES};

/// One call's use of the network. At a limit, the guest gets an error of wasi:http, and the call's log names the limit.
pub struct NetworkUsage {
    connections: Arc<Semaphore>,
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    reached: OnceLock<Reached>,
    log: Arc<CallLog>,
}

impl NetworkUsage {
    pub fn new(log: Arc<CallLog>) -> Arc<Self> {
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        let zero = AtomicU64::default;
        Arc::new(Self { connections, requests: zero(), sent: zero(), received: zero(), reached: OnceLock::new(), log })
    }

    /// Returns the first limit that the call reached.
    pub fn reached(&self) -> Option<Reached> {
        self.reached.get().copied()
    }

    /// Counts one more request, whose connection is open while the permit is held.
    pub fn request(&self) -> Result<OwnedSemaphorePermit, Error> {
        self.take(&self.requests, 1, Reached { what: "HTTP requests", limit: REQUESTS }).map_err(|_| Error::ConnectionLimitReached)?;
        let permit = Arc::clone(&self.connections).try_acquire_owned();
        permit.map_err(|_| {
            self.note(Reached { what: "connections at once", limit: CONNECTIONS as u64 });
            Error::ConnectionLimitReached
        })
    }

    /// Returns the request with a body whose bytes are counted.
    pub fn count_request(self: &Arc<Self>, request: Request<WasiBody>) -> Request<WasiBody> {
        request.map(|body| Counted { body, usage: Arc::clone(self), sends: true }.boxed_unsync())
    }

    /// Counts the head of a response, and returns the response with a body whose bytes are counted.
    pub fn count_response(self: &Arc<Self>, response: Response<WasiBody>) -> Result<Response<WasiBody>, Error> {
        self.receive(size(response.headers()))?;
        Ok(response.map(|body| Counted { body, usage: Arc::clone(self), sends: false }.boxed_unsync()))
    }

    fn send(&self, bytes: usize) -> Result<(), Error> {
        let limit = Reached { what: "bytes of HTTP request bodies", limit: SENT_BYTES };
        self.take(&self.sent, bytes as u64, limit).map_err(|reached| Error::HttpRequestBodySize(Some(reached.limit)))
    }

    fn receive(&self, bytes: usize) -> Result<(), Error> {
        let limit = Reached { what: "bytes of HTTP responses", limit: RECEIVED_BYTES };
        self.take(&self.received, bytes as u64, limit).map_err(|reached| Error::HttpResponseBodySize(Some(reached.limit)))
    }

    fn take(&self, counter: &AtomicU64, amount: u64, limit: Reached) -> Result<(), Reached> {
        if counter.fetch_add(amount, Ordering::Relaxed).saturating_add(amount) <= limit.limit {
            return Ok(());
        }
        self.note(limit);
        Err(limit)
    }

    /// Logs only the first limit, because a guest that continues would fill its log.
    fn note(&self, limit: Reached) {
        if self.reached.set(limit).is_ok() {
            self.log.note(format!("refused {limit} that a call has"));
        }
    }
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

struct Counted {
    body: WasiBody,
    usage: Arc<NetworkUsage>,
    sends: bool,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
        let bytes = frame.data_ref().map_or(0, Bytes::len) + frame.trailers_ref().map_or(0, size);
        let counted = if self.sends { self.usage.send(bytes) } else { self.usage.receive(bytes) };
        Poll::Ready(Some(counted.map(|()| frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
