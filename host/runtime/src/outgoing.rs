//! A plugin's outgoing HTTP: to the origins that its manifest grants, or to answers that stand in for the network.

mod address;
mod connect;
mod grant;
mod hooks;
mod usage;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

pub use grant::{Origin, OriginError};
pub use hooks::Hooks;
/// An error of `wasi:http`, as the plugin gets it.
pub use wasmtime_wasi_http::Error as HttpError;

/// Where a call's outgoing requests go.
#[derive(Debug, Clone, Default)]
pub enum Outgoing {
    /// To the network, as far as the manifest's `allow-http` grants.
    #[default]
    Granted,
    /// To this responder, and never to the network. `allow-http` is checked as well, so that a test finds a missing grant.
    Responder(Arc<dyn Responder>),
}

/// Answers a plugin's requests in place of the network.
pub trait Responder: fmt::Debug + Send + Sync {
    /// Returns the answer to a request that is granted, and whose body has at most 8 MiB.
    fn respond(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError>;
}
