//! Sends one HTTP request over `wasi:http`, for processors whose use case grants `allow-http`.

use std::fmt;

use wasip2::http::{
    outgoing_handler,
    types::{ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme},
};
use wasip2::io::streams::StreamError;

/// Limit of one call of `blocking-write-and-flush` in wasi:io, in bytes.
const WRITE_CHUNK_BYTES: usize = 4_096;

/// A request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` and so on, in capitals.
    pub method: String,
    /// Absolute URL with the scheme `http` or `https`.
    pub url: String,
    /// Names and values. [`send`] adds `content-length`.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// At most `limit` bytes, the argument of [`send`].
    pub body: Vec<u8>,
    /// True if `body` is not the whole body: it was longer than `limit`, or the connection broke before its end. The server has answered
    /// with its status in both cases.
    pub truncated: bool,
}

impl Answer {
    /// Returns the value of the first header with this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }
}

/// The reason why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The request is not valid and was not sent; the text says why.
    Invalid(String),
    /// The host refused the destination: it is not in `allow-http`, or it is a private address that `allow-http` does not name.
    /// The text is the name of wasi:http's error code.
    Refused(String),
    /// The network or the server failed. The text is the name of wasi:http's error code, such as `connection-refused`.
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

/// Returns the code's name in the WIT: `connection-refused` for `ErrorCode::ConnectionRefused`.
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

/// Sends the request and returns the answer with at most `limit` bytes of its body. Does not follow redirects.
///
/// # Errors
/// See [`Error`]. An answer with an error status is not an error.
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
    // A server may answer and close the connection before it has read the whole body. Ignore a broken write: if there is no
    // answer either, `wait` returns the reason.
    let _ = write(body, &request.body);
    read(&wait(&pending)?, limit)
}

/// An absolute URL, split into the parts that wasi:http takes.
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
        // A client does not send the fragment (RFC 9110, section 7.1).
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

/// Returns the scheme, host and port of a URL, in the form of an `allow-http` grant.
///
/// # Errors
/// [`Error::Invalid`] if the URL is not absolute or has another scheme than `http` or `https`.
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
    // Without a content-length the host sends the body in chunks. Some webhook receivers cannot read chunks.
    if !request.body.is_empty() || !matches!(request.method.as_str(), "GET" | "HEAD") {
        let length = request.body.len().to_string();
        fields.append("content-length", length.as_bytes()).map_err(|_| Error::Invalid("content-length".to_owned()))?;
    }
    Ok(fields)
}

fn header_fault(debug: &str) -> &'static str {
    if debug.ends_with("Forbidden") { "the host sets this header itself" } else { "the name or value is not valid" }
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), Error> {
    let broken = || Error::Failed("connection-terminated".to_owned());
    {
        // The stream is a child resource of the body. Drop it before the body is finished.
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
        // The future is ready without a value, or its value was taken before. A host that conforms to wasi:http does neither.
        None | Some(Err(())) => Err(Error::Failed("internal-error".to_owned())),
    }
}

fn read(response: &IncomingResponse, limit: usize) -> Result<Answer, Error> {
    let headers = response.headers().entries().into_iter().map(|(name, value)| (name.to_lowercase(), lossy(&value))).collect::<Vec<_>>();
    let incoming = response.consume().map_err(|()| Error::Failed("http-response-incomplete".to_owned()))?;
    let (body, truncated) = read_body(&incoming, limit);
    Ok(Answer { status: response.status(), headers, body, truncated })
}

/// Returns at most `limit` bytes, and true if that is not the whole body.
fn read_body(incoming: &IncomingBody, limit: usize) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    let Ok(stream) = incoming.stream() else { return (body, true) };
    loop {
        match stream.blocking_read(64 * 1_024) {
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return (body, false),
            // The connection broke. The status counts: a server that has answered must not be called again for the rest of its text.
            Err(StreamError::LastOperationFailed(_)) => return (body, true),
        }
        if body.len() > limit {
            body.truncate(limit);
            return (body, true);
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
