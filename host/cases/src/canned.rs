//! Canned answers of a test case, `[[http]]`: the requests that the plugin must make, in order, and the answer to each.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use postdate_runtime::outgoing::{HttpError, Origin, Responder};

/// One expected request, and its answer. A field that is `None` is not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub method: Option<String>,
    pub url: Option<String>,
    /// Headers that must be among the request's; names in any case.
    pub headers: BTreeMap<String, String>,
    /// Compared as JSON where both are JSON.
    pub body: Option<String>,
    pub answer: CannedAnswer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CannedAnswer {
    Response {
        status: u16,
        headers: BTreeMap<String, String>,
        body: String,
    },
    /// A name from [`Canned::ERRORS`].
    Error(String),
}

/// The exchanges of one call, and how far it has come.
#[derive(Debug)]
pub struct Canned {
    exchanges: Vec<Exchange>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    used: usize,
    mismatches: Vec<Mismatch>,
}

/// A request that differs from the expected one.
#[derive(Debug)]
struct Mismatch {
    /// A sentence.
    text: String,
    /// `None` unless the bodies differ.
    bodies: Option<Bodies>,
}

/// The body of a request that differs from the expected one.
#[derive(Debug, Clone)]
pub struct Bodies {
    pub expected: String,
    pub got: String,
}

impl From<String> for Mismatch {
    fn from(text: String) -> Self {
        Self { text, bodies: None }
    }
}

/// An exchange of a test case that cannot be used; `index` counts from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("http[{index}]: {message}")]
pub struct CannedError {
    pub index: usize,
    pub message: String,
}

impl Canned {
    /// The names that an answer's `error` may have: error codes of `wasi:http` that a plugin may have to handle.
    pub const ERRORS: [&'static str; 10] = [
        "connection-refused",
        "connection-terminated",
        "connection-timeout",
        "connection-read-timeout",
        "destination-unavailable",
        "dns-error",
        "http-protocol-error",
        "http-response-incomplete",
        "tls-certificate-error",
        "tls-protocol-error",
    ];

    /// Checks the answers first, so that a mistake in a test case does not look like a fault of the plugin.
    pub fn new(exchanges: Vec<Exchange>) -> Result<Arc<Self>, CannedError> {
        for (index, exchange) in exchanges.iter().enumerate() {
            let fault = |message| CannedError { index, message };
            exchange.check().map_err(fault)?;
        }
        Ok(Arc::new(Self { exchanges, progress: Mutex::default() }))
    }

    /// Returns a sentence for each request that differed, and for each exchange that was not requested.
    pub fn complaints(&self) -> Vec<String> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = self
            .exchanges
            .iter()
            .enumerate()
            .skip(progress.used)
            .map(|(index, exchange)| format!("http[{index}]: {exchange} was not requested"));
        progress.mismatches.iter().map(|mismatch| mismatch.text.clone()).chain(unused).collect()
    }

    /// Returns the bodies of the first request whose body differed.
    pub fn different_bodies(&self) -> Option<Bodies> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.mismatches.iter().find_map(|mismatch| mismatch.bodies.clone())
    }

    fn next(&self, request: &Request<Bytes>) -> Result<&CannedAnswer, String> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let index = progress.used;
        let outcome = match self.exchanges.get(index) {
            None => {
                let (method, url) = (request.method(), request.uri());
                Err(format!("request {} ({method} {url}) is one more than there are answers for", index + 1).into())
            }
            Some(exchange) => {
                progress.used += 1;
                let compared = exchange.compare(request).map(|()| &exchange.answer);
                compared.map_err(|mismatch| Mismatch { text: format!("http[{index}]: {}", mismatch.text), ..mismatch })
            }
        };
        outcome.map_err(|mismatch| {
            let text = mismatch.text.clone();
            progress.mismatches.push(mismatch);
            text
        })
    }
}

/// Answers from the next exchange. The plugin gets an internal error for a request that differs, and for one too many.
impl Responder for Canned {
    fn respond(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        match self.next(&request) {
            Ok(CannedAnswer::Response { status, headers, body }) => response(*status, headers, body),
            Ok(CannedAnswer::Error(name)) => Err(error(name).unwrap_or(HttpError::ConfigurationError)),
            Err(mismatch) => Err(HttpError::InternalError(Some(mismatch))),
        }
    }
}

fn response(status: u16, headers: &BTreeMap<String, String>, body: &str) -> Result<Response<Bytes>, HttpError> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    // `Exchange::check` has checked status and headers.
    response.body(Bytes::copy_from_slice(body.as_bytes())).map_err(|error| HttpError::InternalError(Some(error.to_string())))
}

fn error(name: &str) -> Option<HttpError> {
    Some(match name {
        "connection-refused" => HttpError::ConnectionRefused,
        "connection-terminated" => HttpError::ConnectionTerminated,
        "connection-timeout" => HttpError::ConnectionTimeout,
        "connection-read-timeout" => HttpError::ConnectionReadTimeout,
        "destination-unavailable" => HttpError::DestinationUnavailable,
        "dns-error" => HttpError::DnsError { rcode: None, info_code: None },
        "http-protocol-error" => HttpError::HttpProtocolError,
        "http-response-incomplete" => HttpError::HttpResponseIncomplete,
        "tls-certificate-error" => HttpError::TlsCertificateError,
        "tls-protocol-error" => HttpError::TlsProtocolError,
        _ => return None,
    })
}

impl Exchange {
    fn check(&self) -> Result<(), String> {
        if let Some(url) = &self.url {
            Origin::parse(url).map_err(|error| format!("the url {url:?} {error}"))?;
        }
        match &self.answer {
            CannedAnswer::Error(name) if error(name).is_none() => {
                Err(format!("{name:?} is not an error that can be answered; these are: {}", Canned::ERRORS.join(", ")))
            }
            CannedAnswer::Error(_) => Ok(()),
            CannedAnswer::Response { status, headers, .. } => {
                if !(200..=599).contains(status) {
                    return Err(format!("the status {status} is not from 200 to 599"));
                }
                for (name, value) in headers {
                    if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err() {
                        return Err(format!("the answer's header {name:?} cannot be sent"));
                    }
                }
                Ok(())
            }
        }
    }

    /// Fails with the first difference. Never shows a header's value, which may be a secret.
    fn compare(&self, request: &Request<Bytes>) -> Result<(), Mismatch> {
        if let Some(method) = &self.method
            && !method.eq_ignore_ascii_case(request.method().as_str())
        {
            return Err(format!("expected the method {method}, got {}", request.method()).into());
        }
        if let Some(url) = &self.url
            && !same_url(url, request.uri())
        {
            return Err(format!("expected the URL {url}, got {}", request.uri()).into());
        }
        for (name, value) in &self.headers {
            let got: Vec<_> = request.headers().get_all(name).iter().collect();
            if got.is_empty() {
                return Err(format!("expected the header {name}, which is not there").into());
            }
            if !got.iter().any(|got| got.as_bytes() == value.as_bytes()) {
                return Err(format!("the header {name} has another value than expected").into());
            }
        }
        if let Some(body) = &self.body
            && !same_body(body.as_bytes(), request.body())
        {
            let bodies = Bodies { expected: body.clone(), got: String::from_utf8_lossy(request.body()).into_owned() };
            return Err(Mismatch { text: format!("expected the body {body}, got {}", bodies.got), bodies: Some(bodies) });
        }
        Ok(())
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_deref().unwrap_or("(any method)"), self.url.as_deref().unwrap_or("(any URL)"))
    }
}

/// Returns whether both are the same URL, however host and port are written.
fn same_url(expected: &str, got: &http::Uri) -> bool {
    let path = |uri: &http::Uri| uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    expected.parse::<http::Uri>().is_ok_and(|expected| Origin::of(&expected) == Origin::of(got) && path(&expected) == path(got))
}

fn same_body(expected: &[u8], got: &[u8]) -> bool {
    let json = serde_json::from_slice::<serde_json::Value>;
    match (json(expected), json(got)) {
        (Ok(expected), Ok(got)) => expected == got,
        _ => expected == got,
    }
}

#[cfg(test)]
mod tests;
