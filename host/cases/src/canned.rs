//! Canned answers for `postdate plugin test`: what the plugin's requests must look like, in order, and what they get.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use wasmtime_wasi_http::{Error, WasiBody};

use super::grant::Origin;
use super::{Io, Sent};

/// Largest request body that is compared.
const MAX_BODY_BYTES: usize = 8 << 20;

/// One expected request, and what comes back. What is `None` is not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub method: Option<String>,
    pub url: Option<String>,
    /// Headers that must be among the request's; names in any case.
    pub headers: BTreeMap<String, String>,
    /// Compared as JSON where both are JSON.
    pub body: Option<String>,
    pub answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
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
    mismatches: Vec<String>,
}

/// What is wrong with an exchange of a test case; `index` is from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("http[{index}]: {message}")]
pub struct CannedError {
    pub index: usize,
    pub message: String,
}

impl Canned {
    /// What an answer's `error` may be: the error codes of `wasi:http` that a plugin may want to see.
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

    /// Checks the answers, so that a slip in a test case is not taken for a fault of the plugin.
    pub fn new(exchanges: Vec<Exchange>) -> Result<Arc<Self>, CannedError> {
        for (index, exchange) in exchanges.iter().enumerate() {
            let fault = |message| CannedError { index, message };
            exchange.check().map_err(fault)?;
        }
        Ok(Arc::new(Self { exchanges, progress: Mutex::default() }))
    }

    /// What the plugin's requests had wrong so far, one sentence each, and each exchange that was not asked for.
    pub fn complaints(&self) -> Vec<String> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = self
            .exchanges
            .iter()
            .enumerate()
            .skip(progress.used)
            .map(|(index, exchange)| format!("http[{index}]: {exchange} was not requested"));
        progress.mismatches.iter().cloned().chain(unused).collect()
    }

    fn next(&self, request: &Request<Bytes>) -> Result<&Answer, String> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let index = progress.used;
        let outcome = match self.exchanges.get(index) {
            None => Err(format!("request {} ({} {}) is one more than there are answers for", index + 1, request.method(), request.uri())),
            Some(exchange) => {
                progress.used += 1;
                exchange.compare(request).map(|()| &exchange.answer).map_err(|difference| format!("http[{index}]: {difference}"))
            }
        };
        if let Err(mismatch) = &outcome {
            progress.mismatches.push(mismatch.clone());
        }
        outcome
    }
}

/// Answers a request from the next exchange; a mismatch, or one request too many, is an internal error to the plugin.
pub async fn answer(canned: Arc<Canned>, request: Request<WasiBody>) -> Sent {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|_| Error::HttpRequestBodySize(None))?.to_bytes();
    let request = Request::from_parts(parts, body);
    match canned.next(&request) {
        Ok(Answer::Response { status, headers, body }) => respond(*status, headers, body),
        Ok(Answer::Error(name)) => Err(error(name).unwrap_or(Error::ConfigurationError)),
        Err(mismatch) => Err(Error::InternalError(Some(mismatch))),
    }
}

fn respond(status: u16, headers: &BTreeMap<String, String>, body: &str) -> Sent {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes())).map_err(|never| match never {}).boxed_unsync();
    // `Exchange::check` has seen status and headers already.
    let response = response.body(body).map_err(|error| Error::InternalError(Some(error.to_string())))?;
    let io: Io = Box::new(std::future::ready(Ok(())));
    Ok((response, io))
}

fn error(name: &str) -> Option<Error> {
    Some(match name {
        "connection-refused" => Error::ConnectionRefused,
        "connection-terminated" => Error::ConnectionTerminated,
        "connection-timeout" => Error::ConnectionTimeout,
        "connection-read-timeout" => Error::ConnectionReadTimeout,
        "destination-unavailable" => Error::DestinationUnavailable,
        "dns-error" => Error::DnsError { rcode: None, info_code: None },
        "http-protocol-error" => Error::HttpProtocolError,
        "http-response-incomplete" => Error::HttpResponseIncomplete,
        "tls-certificate-error" => Error::TlsCertificateError,
        "tls-protocol-error" => Error::TlsProtocolError,
        _ => return None,
    })
}

impl Exchange {
    fn check(&self) -> Result<(), String> {
        if let Some(url) = &self.url {
            Origin::parse(url).map_err(|error| format!("the url {url:?} {error}"))?;
        }
        match &self.answer {
            Answer::Error(name) if error(name).is_none() => {
                Err(format!("{name:?} is not an error that can be answered; these are: {}", Canned::ERRORS.join(", ")))
            }
            Answer::Error(_) => Ok(()),
            Answer::Response { status, headers, .. } => {
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

    /// The first difference, if any. Never shows a header's value: it may be a secret.
    fn compare(&self, request: &Request<Bytes>) -> Result<(), String> {
        if let Some(method) = &self.method
            && !method.eq_ignore_ascii_case(request.method().as_str())
        {
            return Err(format!("expected the method {method}, got {}", request.method()));
        }
        if let Some(url) = &self.url
            && !same_url(url, request.uri())
        {
            return Err(format!("expected the URL {url}, got {}", request.uri()));
        }
        for (name, value) in &self.headers {
            let got: Vec<_> = request.headers().get_all(name).iter().collect();
            if got.is_empty() {
                return Err(format!("expected the header {name}, which is not there"));
            }
            if !got.iter().any(|got| got.as_bytes() == value.as_bytes()) {
                return Err(format!("the header {name} has another value than expected"));
            }
        }
        if let Some(body) = &self.body
            && !same_body(body.as_bytes(), request.body())
        {
            return Err(format!("expected the body {body}, got {}", String::from_utf8_lossy(request.body())));
        }
        Ok(())
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_deref().unwrap_or("(any method)"), self.url.as_deref().unwrap_or("(any URL)"))
    }
}

/// Whether both lead to the same place, however host and port are written.
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
