//! Sends one request over the network, to addresses that the operator allows, and speaks HTTP/1.1. Does not follow redirects: a plugin
//! that follows one sends another request, which is checked again.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use postdate_egress::{Network, Unreachable};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::grant::{Origin, OriginHost};

/// A response, and the future that drives its connection until the body has been read. Dropping the future closes the connection.
pub type OpenResponse = (Response<WasiBody>, ConnectionDriver);
pub type ConnectionDriver = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// Default connect timeout, short enough that the plugin can report the failure before its own deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A request that got no answer.
#[derive(Debug)]
pub struct NoAnswer {
    /// The guest gets this one, which says little.
    pub error: Error,
    /// For the log and for the failure. Names the origin, and no other part of the URL.
    pub cause: String,
}

impl NoAnswer {
    pub fn new(error: Error, cause: String) -> Self {
        Self { error, cause }
    }

    fn broken(origin: &Origin, error: impl Into<Error> + fmt::Display) -> Self {
        Self { cause: format!("the connection to {origin} broke: {error}"), error: error.into() }
    }
}

/// Sends a request whose origin is granted, as one of `use_case`.
pub async fn send(
    request: Request<WasiBody>,
    options: RequestOptions,
    origin: &Origin,
    network: &Network,
    use_case: &str,
) -> Result<OpenResponse, NoAnswer> {
    let connecting = async {
        let stream = connect(origin, network, use_case).await?;
        if origin.https { secure(stream, origin, network).await } else { Ok(Box::new(stream) as Box<dyn Stream>) }
    };
    let limit = options.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
    let late = |_| NoAnswer::new(Error::ConnectionTimeout, format!("no connection to {origin} within {limit:?}"));
    let stream = timeout(limit, connecting).await.map_err(late)??;
    exchange(stream, request, options.first_byte_timeout, origin).await
}

/// Connects to the first allowed address that answers.
async fn connect(origin: &Origin, network: &Network, use_case: &str) -> Result<TcpStream, NoAnswer> {
    let host = match &origin.host {
        OriginHost::Ip(ip) => ip.to_string(),
        OriginHost::Name(name) => name.clone(),
    };
    let addresses = network.addresses(use_case, &host, origin.port).await.map_err(|error| {
        let cause = format!("cannot connect to {origin}: {error}");
        NoAnswer::new(if matches!(error, Unreachable::NotAllowed { .. }) { Error::DestinationIpProhibited } else { dns_error() }, cause)
    })?;
    let mut failure = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Nagle's algorithm is off, because small requests must not wait for more data.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failure = Some(error),
        }
    }
    let failure = failure.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into());
    let error = match failure.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Error::DestinationIpUnroutable,
        _ => Error::DestinationUnavailable,
    };
    Err(NoAnswer::new(error, format!("cannot connect to {origin}: {failure}")))
}

fn dns_error() -> Error {
    Error::DnsError { rcode: None, info_code: None }
}

async fn secure(stream: TcpStream, origin: &Origin, network: &Network) -> Result<Box<dyn Stream>, NoAnswer> {
    let failed = |error, cause: &dyn fmt::Display| NoAnswer::new(error, format!("no TLS connection to {origin}: {cause}"));
    let name = match &origin.host {
        OriginHost::Ip(ip) => ServerName::from(*ip),
        OriginHost::Name(name) => ServerName::try_from(name.clone()).map_err(|error| failed(Error::HttpRequestUriInvalid, &error))?,
    };
    let config = network.tls().map_err(|error| failed(Error::InternalError(Some(error.to_string())), &error))?;
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
            let kind = match cause {
                Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
                _ => Error::TlsProtocolError,
            };
            Err(failed(kind, &error))
        }
    }
}

async fn exchange(
    stream: Box<dyn Stream>,
    mut request: Request<WasiBody>,
    first_byte: Option<Duration>,
    origin: &Origin,
) -> Result<OpenResponse, NoAnswer> {
    let broken = |error: hyper::Error| NoAnswer::broken(origin, error);
    // Only a request to a proxy has scheme and authority in its request line. The Host header has the authority.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::builder()
        .path_and_query(path)
        .build()
        .map_err(|error| NoAnswer::new(Error::HttpRequestUriInvalid, format!("the URL of a request to {origin} is not usable: {error}")))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // A task drives the connection, because connection and response must progress together. The task ends with its handle.
    let connection = wasmtime_wasi::runtime::spawn(connection);
    let response = match first_byte {
        Some(limit) => {
            let late = |_| NoAnswer::new(Error::ConnectionReadTimeout, format!("no answer from {origin} within {limit:?}"));
            timeout(limit, sender.send_request(request)).await.map_err(late)?
        }
        None => sender.send_request(request).await,
    }
    .map_err(broken)?;
    let io: ConnectionDriver = Box::new(async move { connection.await.map_err(Error::from) });
    Ok((response.map(|body| body.map_err(Error::from).boxed_unsync()), io))
}

/// A connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

#[cfg(test)]
mod tests;
