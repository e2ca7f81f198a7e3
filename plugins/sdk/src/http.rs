//! One outgoing HTTP request over `wasi:http`, for processors whose use case grants `allow-http`.

use std::fmt;

use wasip2::http::{
    outgoing_handler,
    types::{ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme},
};
use wasip2::io::streams::StreamError;

/// The most bytes that `blocking-write-and-flush` of wasi:io takes at once.
const WRITE_CHUNK_BYTES: usize = 4_096;

/// A request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` and so on, in capitals.
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// Name and value. `content-length` is added by [`send`].
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Lower-case name and value.
    pub headers: Vec<(String, String)>,
    /// At most as many bytes as [`send`] was told.
    pub body: Vec<u8>,
    /// Whether the body went on after that.
    pub truncated: bool,
}

impl Answer {
    /// The first header of that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The request cannot be sent as it is: what is wrong with it.
    Invalid(String),
    /// The host refuses this destination: it is not in `allow-http`, or a private address.
    Refused(String),
    /// The network or the server failed: the name of wasi:http's error code, such as `connection-refused`.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(what) => write!(f, "the request cannot be sent: {what}"),
            Self::Refused(code) => write!(f, "the host refused the request: {code}"),
            Self::Failed(code) => write!(f, "no answer: {code}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        let name = code_name(&code);
        match code {
            ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Self::Refused(name),
            ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestUriTooLong | ErrorCode::HttpRequestMethodInvalid => {
                Self::Invalid(name)
            }
            _ => Self::Failed(name),
        }
    }
}

/// The code's name in the WIT: `ErrorCode::ConnectionRefused` is `connection-refused`.
fn code_name(code: &ErrorCode) -> String {
    let debug = format!("{code:?}");
    let variant = debug.trim_start_matches("ErrorCode::").split('(').next().unwrap_or_default();
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Sends the request and reads the answer, at most `limit` bytes of its body. Redirects are not followed.
///
/// # Errors
/// See [`Error`]. An answer is no error, whatever its status.
pub fn send(request: &Request, limit: usize) -> Result<Answer, Error> {
    let url = Url::parse(&request.url)?;
    let outgoing = OutgoingRequest::new(fields(request)?);
    let invalid = |part: &str| Error::Invalid(format!("{part} of {}", url.origin()));
    outgoing.set_method(&method(&request.method)).map_err(|()| Error::Invalid(format!("method `{}`", request.method)))?;
    outgoing.set_scheme(Some(if url.https { &Scheme::Https } else { &Scheme::Http })).map_err(|()| invalid("scheme"))?;
    outgoing.set_authority(Some(url.authority)).map_err(|()| invalid("host"))?;
    outgoing.set_path_with_query(Some(&url.path)).map_err(|()| invalid("path"))?;
    let body = outgoing.body().map_err(|()| invalid("body"))?;
    let pending = outgoing_handler::handle(outgoing, None)?;
    // A server may answer and hang up before it has read everything; then its answer counts, not the broken write.
    // Where the write broke and there is no answer either, waiting tells why.
    let _ = write(body, &request.body);
    read(&wait(&pending)?, limit)
}

/// An absolute URL in the parts that wasi:http wants.
#[derive(Debug, PartialEq, Eq)]
struct Url<'a> {
    https: bool,
    authority: &'a str,
    path: String,
}

impl<'a> Url<'a> {
    fn parse(url: &'a str) -> Result<Self, Error> {
        let invalid = |why: &str| Error::Invalid(format!("the URL {why}"));
        if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(invalid("has a space or a control character in it: encode it"));
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid("is not absolute"))?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(invalid("is neither http nor https")),
        };
        // A fragment is the client's own business (RFC 9110, 7.1) and is not sent.
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err(invalid("has no host"));
        }
        if authority.contains('@') {
            return Err(invalid("carries a user name or password: send a header instead"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { https, authority, path })
    }

    fn origin(&self) -> String {
        format!("{}://{}", if self.https { "https" } else { "http" }, self.authority)
    }
}

/// Scheme, host and port of a URL: what an `allow-http` grant names.
///
/// # Errors
/// [`Error::Invalid`] for what is not an absolute `http` or `https` URL.
pub fn origin(url: &str) -> Result<String, Error> {
    Url::parse(url).map(|url| url.origin())
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn fields(request: &Request) -> Result<Fields, Error> {
    let fields = Fields::new();
    for (name, value) in &request.headers {
        fields
            .append(name, value.as_bytes())
            .map_err(|cause| Error::Invalid(format!("header `{name}`: {}", header_fault(&format!("{cause:?}")))))?;
    }
    // Without it the body would be sent in chunks, which some receivers of webhooks do not read.
    if !request.body.is_empty() || !matches!(request.method.as_str(), "GET" | "HEAD") {
        let length = request.body.len().to_string();
        fields.append("content-length", length.as_bytes()).map_err(|_| Error::Invalid("content-length".to_owned()))?;
    }
    Ok(fields)
}

fn header_fault(debug: &str) -> &'static str {
    if debug.ends_with("Forbidden") { "the host sets this one itself" } else { "not a valid name or value" }
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), Error> {
    let broken = || Error::Failed("connection-terminated".to_owned());
    {
        // The stream is a child of the body: it has to go before the body is finished.
        let stream = body.write().map_err(|()| broken())?;
        for chunk in bytes.chunks(WRITE_CHUNK_BYTES) {
            stream.blocking_write_and_flush(chunk).map_err(|_| broken())?;
        }
    }
    OutgoingBody::finish(body, None).map_err(Error::from)
}

fn wait(pending: &FutureIncomingResponse) -> Result<IncomingResponse, Error> {
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(result)) => result.map_err(Error::from),
        // Ready without a value, or taken twice: neither happens with a host that keeps to wasi:http.
        None | Some(Err(())) => Err(Error::Failed("internal-error".to_owned())),
    }
}

fn read(response: &IncomingResponse, limit: usize) -> Result<Answer, Error> {
    let headers = response.headers().entries().into_iter().map(|(name, value)| (name.to_lowercase(), lossy(&value))).collect::<Vec<_>>();
    let incomplete = || Error::Failed("http-response-incomplete".to_owned());
    let incoming = response.consume().map_err(|()| incomplete())?;
    let (body, truncated) = read_body(&incoming, limit).ok_or_else(incomplete)?;
    Ok(Answer { status: response.status(), headers, body, truncated })
}

/// At most `limit` bytes and whether there was more; none where the connection broke.
fn read_body(incoming: &IncomingBody, limit: usize) -> Option<(Vec<u8>, bool)> {
    let stream = incoming.stream().ok()?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(64 * 1_024) {
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Some((body, false)),
            Err(StreamError::LastOperationFailed(_)) => return None,
        }
        if body.len() > limit {
            body.truncate(limit);
            return Some((body, true));
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
