//! Decides about each request of a call, counts it, and sends it.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http::header::Entry;
use http_body_util::{BodyExt as _, Full, Limited};
use postdate_core::plugin::Role;
use postdate_core::trace::{TRACEPARENT, TraceParent};
use postdate_egress::Network;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::connect::{self, ConnectionDriver, NoAnswer, OpenResponse};
use super::grant::Origin;
use super::usage::NetworkUsage;
use super::{Outgoing, Responder};
use crate::call::logs::CallLog;
use crate::limits::Reached;

/// Most bytes of a request's body that are buffered here. The number is small because a guest may hold many bodies at once.
const BODY_CHUNK_BYTES: usize = 64 << 10;
/// Largest request body that a [`Responder`] gets.
const MAX_BODY_BYTES: usize = 8 << 20;

/// Decides about the requests of one call.
pub struct Hooks {
    outgoing: Outgoing,
    network: Network,
    grants: Arc<[Origin]>,
    trace: Option<TraceParent>,
    log: Arc<CallLog>,
    /// The call's use of the network; `None` before the first request.
    usage: Option<Arc<NetworkUsage>>,
}

impl Hooks {
    /// Decides for a call that belongs to `trace`.
    pub fn new(outgoing: Outgoing, network: Network, grants: Arc<[Origin]>, trace: Option<TraceParent>, log: Arc<CallLog>) -> Self {
        Self { outgoing, network, grants, trace, log, usage: None }
    }

    /// Returns the first limit of the network that the call reached.
    pub fn reached(&self) -> Option<Reached> {
        self.usage.as_ref()?.reached()
    }

    /// Returns the origin of a granted request, or the reason why the request is refused and the grant that would allow it.
    fn granted(&self, request: &Request<WasiBody>) -> Result<Origin, String> {
        let origin = Origin::of(request.uri()).map_err(|error| format!("refused a request: its URL {error}"))?;
        if self.grants.contains(&origin) {
            return Ok(origin);
        }
        Err(match self.log.role() {
            Role::Validate => format!("refused a request to {origin}: a validator has no network; do it in the process plugin"),
            Role::Process => {
                format!("refused a request to {origin}: it is not granted; to allow it, add \"{origin}\" to process.allow-http")
            }
        })
    }
}

impl WasiHttpHooks for Hooks {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<OpenResponse, Error>> + Send> {
        let origin = match self.granted(&request) {
            Ok(origin) => origin,
            Err(cause) => {
                self.log.request_failed(cause);
                return Box::new(std::future::ready(Err(Error::HttpRequestDenied)));
            }
        };
        let usage = Arc::clone(self.usage.get_or_insert_with(|| NetworkUsage::new(Arc::clone(&self.log))));
        let permit = match usage.request() {
            Ok(permit) => permit,
            Err(error) => return Box::new(std::future::ready(Err(error))),
        };
        let mut request = usage.count_request(request);
        // A guest that makes spans of its own sets its own header.
        if let Some(trace) = self.trace
            && let Ok(Entry::Vacant(header)) = request.headers_mut().try_entry(TRACEPARENT)
            && let Ok(value) = trace.to_string().parse()
        {
            // Fails for a guest with as many headers as a map can have.
            let _ = header.try_insert(value);
        }
        let (outgoing, network, log) = (self.outgoing.clone(), self.network.clone(), Arc::clone(&self.log));
        Box::new(async move {
            let answered = match outgoing {
                Outgoing::Granted => connect::send(request, options.unwrap_or_default(), &origin, &network, log.use_case()).await,
                Outgoing::Responder(responder) => respond(&*responder, request).await.map_err(|error| {
                    let cause = format!("no answer from {origin}: {error}");
                    NoAnswer::new(error, cause)
                }),
            };
            let (response, connection) = answered.map_err(|NoAnswer { error, cause }| {
                log.request_failed(cause);
                error
            })?;
            log.request_answered();
            let connection: ConnectionDriver = Box::new(async move {
                let result = Box::into_pin(connection).await;
                drop(permit);
                result
            });
            Ok((usage.count_response(response)?, connection))
        })
    }
}

async fn respond(responder: &dyn Responder, request: Request<WasiBody>) -> Result<OpenResponse, Error> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|_| Error::HttpRequestBodySize(None))?.to_bytes();
    let response = responder.respond(Request::from_parts(parts, body))?;
    let response = response.map(|body: Bytes| Full::new(body).map_err(|never| match never {}).boxed_unsync());
    Ok((response, Box::new(std::future::ready(Ok(())))))
}
