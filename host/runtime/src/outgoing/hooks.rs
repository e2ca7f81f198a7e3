//! Decides about each request of a call, counts it, and sends it.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full, Limited};
use postdate_core::plugin::Role;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::connect::{self, Connection, Exchange};
use super::grant::Origin;
use super::usage::Usage;
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
    grants: Arc<[Origin]>,
    log: Arc<CallLog>,
    /// The call's use of the network; `None` before the first request.
    usage: Option<Arc<Usage>>,
}

impl Hooks {
    pub fn new(outgoing: Outgoing, grants: Arc<[Origin]>, log: Arc<CallLog>) -> Self {
        Self { outgoing, grants, log, usage: None }
    }

    /// Returns the first limit of the network that the call reached.
    pub fn reached(&self) -> Option<Reached> {
        self.usage.as_ref()?.reached()
    }

    /// Returns the origin of a granted request. For a refused one, logs the reason and the grant that would allow it.
    fn granted(&self, request: &Request<WasiBody>) -> Option<Origin> {
        match Origin::of(request.uri()) {
            Ok(origin) if self.grants.contains(&origin) => Some(origin),
            Ok(origin) => {
                self.log.note(match self.log.role() {
                    Role::Validate => format!("refused a request to {origin}: a validator has no network; do it in the process plugin"),
                    Role::Process => {
                        format!("refused a request to {origin}: it is not granted; to allow it, add \"{origin}\" to process.allow-http")
                    }
                });
                None
            }
            Err(error) => {
                self.log.note(format!("refused a request: its URL {error}"));
                None
            }
        }
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
    ) -> Box<dyn Future<Output = Result<Exchange, Error>> + Send> {
        let Some(origin) = self.granted(&request) else {
            return Box::new(std::future::ready(Err(Error::HttpRequestDenied)));
        };
        let usage = Arc::clone(self.usage.get_or_insert_with(|| Usage::new(Arc::clone(&self.log))));
        let permit = match usage.request() {
            Ok(permit) => permit,
            Err(error) => return Box::new(std::future::ready(Err(error))),
        };
        let request = usage.count_request(request);
        let (outgoing, log) = (self.outgoing.clone(), Arc::clone(&self.log));
        Box::new(async move {
            let (response, connection) = match outgoing {
                Outgoing::Granted => connect::send(request, options.unwrap_or_default(), &origin, &log).await?,
                Outgoing::Responder(responder) => respond(&*responder, request).await?,
            };
            let connection: Connection = Box::new(async move {
                let result = Box::into_pin(connection).await;
                drop(permit);
                result
            });
            Ok((usage.count_response(response)?, connection))
        })
    }
}

async fn respond(responder: &dyn Responder, request: Request<WasiBody>) -> Result<Exchange, Error> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|_| Error::HttpRequestBodySize(None))?.to_bytes();
    let response = responder.respond(Request::from_parts(parts, body))?;
    let response = response.map(|body: Bytes| Full::new(body).map_err(|never| match never {}).boxed_unsync());
    Ok((response, Box::new(std::future::ready(Ok(())))))
}
