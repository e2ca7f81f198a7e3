//! A plugin's outgoing HTTP: to the origins that its manifest grants, or to the canned answers of a test.

mod address;
mod canned;
mod connect;
mod grant;
mod usage;

use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};
use postdate_core::plugin::Role;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

pub use canned::{Answer, Canned, Exchange};
pub use grant::{Origin, OriginError};

use self::usage::Usage;
use crate::limits::Reached;
use crate::logs::CallLog;

/// Bytes of a request's body that wait here to be sent. A guest may hold many bodies at once.
const BODY_CHUNK_BYTES: usize = 64 << 10;

/// Where a call's outgoing requests go.
#[derive(Debug, Clone, Default)]
pub enum Outgoing {
    /// To the network, as far as the manifest's `allow-http` reaches.
    #[default]
    Granted,
    /// To these answers, and never to the network. `allow-http` counts all the same, so that a test finds out when a
    /// grant is missing.
    Canned(Arc<Canned>),
}

/// Decides about the requests of one call.
pub struct Hooks {
    outgoing: Outgoing,
    grants: Arc<[Origin]>,
    log: Arc<CallLog>,
    /// Made at the first request.
    usage: Option<Arc<Usage>>,
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, Io), Error>;

impl Hooks {
    pub fn new(outgoing: Outgoing, grants: Arc<[Origin]>, log: Arc<CallLog>) -> Self {
        Self { outgoing, grants, log, usage: None }
    }

    /// The first limit of the network that the call has reached.
    pub fn reached(&self) -> Option<Reached> {
        self.usage.as_ref()?.reached()
    }

    /// The origin of a request that is granted; otherwise says on the call's log what was refused, and what to add.
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
    ) -> Box<dyn Future<Output = Sent> + Send> {
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
                Outgoing::Canned(canned) => canned::answer(canned, request).await?,
            };
            let connection: Io = Box::new(async move {
                let result = Box::into_pin(connection).await;
                drop(permit);
                result
            });
            Ok((usage.count_response(response)?, connection))
        })
    }
}
