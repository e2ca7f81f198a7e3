//! Sends one request over the network: resolves the name once, keeps the allowed addresses, connects to one of them, and speaks
//! HTTP/1.1. Does not follow redirects: a plugin that follows one sends another request, which is checked again.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::address;
use super::grant::{Host, Origin};
use crate::call::logs::CallLog;

/// A response, and the future that drives its connection until the body has been read. Dropping the future closes the connection.
pub type Exchange = (Response<WasiBody>, Connection);
pub type Connection = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// Default connect timeout, short enough that the plugin can report the failure before its own deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

static TLS: LazyLock<Result<Arc<ClientConfig>, rustls::Error>> = LazyLock::new(|| {
    // A library must not choose the process's default provider, so the provider is set here.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
});

/// Sends a request whose origin is granted.
pub async fn send(request: Request<WasiBody>, options: RequestOptions, origin: &Origin, log: &CallLog) -> Result<Exchange, Error> {
    let connecting = async {
        let stream = connect(origin, log, look_up).await?;
        if origin.https { secure(stream, origin, log).await } else { Ok(Box::new(stream) as Box<dyn Stream>) }
    };
    let stream = timeout(options.connect_timeout.unwrap_or(CONNECT_TIMEOUT), connecting).await.map_err(|_| Error::ConnectionTimeout)??;
    exchange(stream, request, options.first_byte_timeout).await
}

/// Connects to the first address that answers. Resolves the name once, and connects only to checked addresses of that
/// answer, because a second look-up could return other ones.
async fn connect<F>(origin: &Origin, log: &CallLog, look_up: impl Fn(String, u16) -> F) -> Result<TcpStream, Error>
where
    F: Future<Output = io::Result<Vec<SocketAddr>>>,
{
    let found: Vec<SocketAddr> = match &origin.host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, origin.port)],
        Host::Name(name) => look_up(name.clone(), origin.port).await.map_err(|error| {
            log.note(format!("cannot look up the host of {origin}: {error}"));
            Error::DnsError { rcode: None, info_code: None }
        })?,
    };
    let allowed: Vec<SocketAddr> = found.iter().copied().filter(|found| address::allowed(&origin.host, found.ip())).collect();
    if allowed.is_empty() {
        log.note(format!(
            "refused a request to {origin}: its name leads to addresses of this host's own network only; to allow one, name the address itself in process.allow-http"
        ));
        return Err(Error::DestinationIpProhibited);
    }
    let mut failure = None;
    for address in allowed {
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
    log.note(format!("cannot connect to {origin}: {failure}"));
    Err(match failure.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Error::DestinationIpUnroutable,
        _ => Error::DestinationUnavailable,
    })
}

async fn look_up(name: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name.as_str(), port)).await?.collect())
}

async fn secure(stream: TcpStream, origin: &Origin, log: &CallLog) -> Result<Box<dyn Stream>, Error> {
    let name = match &origin.host {
        Host::Ip(ip) => ServerName::from(*ip),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?,
    };
    let config = TLS.as_ref().map_err(|error| Error::InternalError(Some(error.to_string())))?;
    match TlsConnector::from(Arc::clone(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            log.note(format!("no TLS connection to {origin}: {error}"));
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
            Err(match cause {
                Some(rustls::Error::InvalidCertificate(_)) => Error::TlsCertificateError,
                _ => Error::TlsProtocolError,
            })
        }
    }
}

async fn exchange(stream: Box<dyn Stream>, mut request: Request<WasiBody>, first_byte: Option<Duration>) -> Result<Exchange, Error> {
    // Only a request to a proxy has scheme and authority in its request line. The Host header has the authority.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = Uri::builder().path_and_query(path).build().map_err(|_| Error::HttpRequestUriInvalid)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // A task drives the connection, because connection and response must progress together. The task ends with its handle.
    let connection = wasmtime_wasi::runtime::spawn(connection);
    let response = match first_byte {
        Some(limit) => timeout(limit, sender.send_request(request)).await.map_err(|_| Error::ConnectionReadTimeout)??,
        None => sender.send_request(request).await?,
    };
    let io: Connection = Box::new(async move { connection.await.map_err(Error::from) });
    Ok((response.map(|body| body.map_err(Error::from).boxed_unsync()), io))
}

/// A connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

#[cfg(test)]
mod tests;
