//! The way from a host to the network, the same for plugins and for targets of the kind `http`: the addresses that the operator allows,
//! name look-ups with a bound, and TLS.
//!
//! A caller asks for [`Network::addresses`], and connects to nothing but the addresses in the answer: a second look-up could return other
//! ones.

mod names;
mod rules;
mod tls;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::ClientConfig;

pub use names::LookUp;
use names::Names;
pub use rules::{Egress, EgressError};
pub use tls::{AuthoritiesError, Authority, read_authorities};

/// The network as a host's operator allows it. Cheap to clone: all clones share the bound of look-ups.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    egress: Egress,
    names: Names,
    tls: LazyLock<Tls, Box<dyn FnOnce() -> Tls + Send>>,
}

type Tls = Result<Arc<ClientConfig>, rustls::Error>;

/// A host has no address to connect to. Each text names the host.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The operator allows none of the host's addresses. `address` is one of them.
    #[error("host {host}: address {address} is not allowed by this server (--allow-egress)")]
    NotAllowed { host: String, address: IpAddr },
    #[error("host {host}: the name look-up failed: {error}")]
    LookUp { host: String, error: io::Error },
    /// The name servers did not answer, or the use case has too many look-ups that wait.
    #[error("host {host}: the name look-up did not end within {patience:?}")]
    Late { host: String, patience: Duration },
    /// Other use cases hold all look-ups of this process, so the caller is not at fault.
    #[error("host {host}: all {} name look-ups of this server are busy", names::LOOK_UPS)]
    Busy { host: String },
}

impl Network {
    /// Makes a network. TLS trusts the certificate authorities of the platform and these.
    pub fn new(egress: Egress, authorities: Vec<Authority>) -> Self {
        Self::with_look_up(egress, authorities, Arc::new(names::system))
    }

    /// Makes a network with another source of addresses than the system's resolver, for tests.
    pub fn with_look_up(egress: Egress, authorities: Vec<Authority>, look_up: LookUp) -> Self {
        // Reading the platform's certificates takes milliseconds, and many hosts never need them.
        let tls = LazyLock::new(Box::new(move || tls::config(authorities)) as _);
        Self(Arc::new(Inner { egress, names: Names::new(look_up), tls }))
    }

    /// Returns the addresses of a host that the operator allows, at least one. `host` is an address without brackets, or a name, which is
    /// looked up once, as one of the look-ups of `use_case`.
    pub async fn addresses(&self, use_case: &str, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreachable> {
        let mut found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.0.names.look_up(use_case, host, port).await?,
        };
        let refused = found.iter().find(|found| !self.0.egress.allows(host, found.ip())).map(SocketAddr::ip);
        found.retain(|found| self.0.egress.allows(host, found.ip()));
        match refused {
            _ if !found.is_empty() => Ok(found),
            Some(address) => Err(Unreachable::NotAllowed { host: host.to_owned(), address }),
            None => Err(Unreachable::LookUp { host: host.to_owned(), error: io::Error::other("the name has no address") }),
        }
    }

    /// Fails if the operator does not allow this address, which a URL names itself.
    pub fn check(&self, address: IpAddr) -> Result<(), Unreachable> {
        let host = address.to_string();
        if self.0.egress.allows(&host, address) { Ok(()) } else { Err(Unreachable::NotAllowed { host, address }) }
    }

    /// Returns the settings of TLS. Fails if the platform has no certificate authorities, and none were given.
    pub fn tls(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        (*self.0.tls).clone()
    }
}

impl Default for Network {
    /// Public addresses, and the certificate authorities of the platform.
    fn default() -> Self {
        Self::new(Egress::default(), Vec::new())
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("egress", &self.0.egress).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
