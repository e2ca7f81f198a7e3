//! A plugin's outgoing HTTP: over the network to the origins that its manifest grants, or to a responder that replaces the network.

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
/// The error of `wasi:http` that the plugin gets.
pub use wasmtime_wasi_http::Error as HttpError;

/// The receiver of a call's outgoing requests.
#[derive(Debug, Clone, Default)]
pub enum Outgoing {
    /// The network, for origins that the manifest's `allow-http` grants, at addresses that the operator allows.
    #[default]
    Granted,
    /// This responder, and never the network. `allow-http` is checked as well, so that a test finds a missing grant.
    Responder(Arc<dyn Responder>),
}

/// Answers a plugin's requests instead of the network.
pub trait Responder: fmt::Debug + Send + Sync {
    /// Returns the answer to a granted request, whose body has at most 8 MiB.
    fn respond(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError>;
}
