//! Delivers to targets of the kind `http`, on every host: posts the accepted body unchanged to the URL in the manifest.

use std::io;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use postdate_core::fire::MAX_RESULT_BYTES;
use postdate_core::host_fault::{FILE_DESCRIPTOR, HostFault, NAME_LOOK_UP, SECRETS};
use postdate_core::plugin::{JobFailure, JobResult};
use postdate_core::ports::{Clock, Deliver, Delivery};
use postdate_core::trace::TRACEPARENT;
use postdate_core::use_case::Target;
use postdate_egress::{Network, Unreachable};
use postdate_runtime::{Credentials, SecretError, Secrets};
use postdate_webhooks::{excerpt, headers as signed_headers, retry_after};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Response, StatusCode, Url, header};
use rustix::io::Errno;

/// Longest idle time of a connection. Servers close idle connections after 2 s (gunicorn), 5 s (Node.js, Apache, uvicorn) or more. A
/// request that meets the close is lost, and would cost an attempt. The client itself sends a request again, on another connection, if the
/// close came before its first byte was written. Once it is written, the client cannot tell whether the receiver has read it or has begun
/// to answer, so the attempt fails, and the use case's retry policy decides.
const IDLE_CONNECTION: Duration = Duration::from_secs(1);
/// Ends the result of an answer whose body broke off.
const BROKE_OFF: &str = "… (the answer broke off)";

/// Delivers over HTTP/1.1 with a pool of connections. Follows no redirects.
#[derive(Debug, Clone)]
pub struct HttpDeliver<C> {
    client: reqwest::Client,
    network: Network,
    secrets: Secrets,
    /// Read for a `Retry-After` that is a date.
    clock: C,
}

impl<C> HttpDeliver<C> {
    /// Makes a client that connects only to addresses that `network` allows.
    pub fn new(clock: C, network: Network, secrets: Secrets) -> Result<Self, ClientError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_idle_timeout(IDLE_CONNECTION)
            .dns_resolver(Names(network.clone()))
            .tls_backend_preconfigured((*network.tls()?).clone())
            .user_agent(concat!("postdate/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, network, secrets, clock })
    }

    /// Fails if the URL names an address that is not allowed. The client looks only names up, and its resolver checks those.
    fn check(&self, url: &str) -> Result<(), Unreachable> {
        let url = Url::parse(url).ok();
        match url.as_ref().and_then(Url::host_str).map(|host| host.trim_matches(['[', ']'])).and_then(|host| host.parse().ok()) {
            Some(address) => self.network.check(address),
            None => Ok(()),
        }
    }
}

/// The HTTP client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

tokio::task_local! {
    /// The use case of the delivery that this task makes. The client begins each look-up in the task that needs the connection.
    static USE_CASE: String;
}

/// The client's resolver: looks names up within the bound of the delivery's use case, and returns only addresses that are allowed.
struct Names(Network);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let (network, use_case) = (self.0.clone(), USE_CASE.try_with(Clone::clone).unwrap_or_default());
        Box::pin(async move {
            // The client fills in the port.
            let addresses = network.addresses(&use_case, name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl<C: Clock> Deliver for HttpDeliver<C> {
    /// Returns a permanent failure for every other kind of target.
    async fn deliver(&self, Delivery { target, timeout, claimed }: Delivery<'_>) -> Result<JobResult, HostFault> {
        let Target::Http { url, .. } = target else {
            return Ok(Err(JobFailure::permanent(format!("only a host on AWS delivers to a target of the kind {}", target.kind()))));
        };
        if let Err(refused) = self.check(url) {
            return Ok(Err(JobFailure::permanent(refused.to_string())));
        }
        let request = &claimed.request;
        let credentials = self.secrets.credentials(&request.use_case, target).await.map_err(|error| no_secret(&error))?;
        // The receiver of a notice knows the id of the request that has ended.
        let subject = request.notice_of.unwrap_or(request.id);
        // The same for every attempt, so that the receiver can deduplicate.
        let delivery_id = request.id.to_string();
        let mut post = self
            .client
            .post(url)
            .timeout(timeout)
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-correlation-id", subject.to_string())
            .header("x-postdate-use-case", &request.use_case)
            .header("x-postdate-attempt", request.attempts)
            .header("idempotency-key", &delivery_id);
        if let Some(trace) = request.trace {
            post = post.header(TRACEPARENT, trace.to_string());
        }
        post = post.headers(credentials.headers.clone());
        if !credentials.keys.is_empty() {
            // By the machine's clock: a receiver refuses old signatures, and knows no test clock.
            let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            for (name, value) in signed_headers(&credentials.keys, &delivery_id, seconds, claimed.body.as_bytes()) {
                post = post.header(name, value);
            }
        }
        match USE_CASE.scope(request.use_case.clone(), post.body(claimed.body.clone()).send()).await {
            Ok(response) => Ok(judge(response, &credentials, self.clock.now()).await),
            Err(error) => match host_fault(&error) {
                Some(fault) => Err(fault),
                None => Ok(Err(not_delivered(url, error))),
            },
        }
    }
}

/// Returns the fault of a host that lacks a secret of the target, as for a plugin.
fn no_secret(error: &SecretError) -> HostFault {
    HostFault::new(SECRETS, format!("the target needs the secret {error}"))
}

/// Returns a host fault if this process or this machine has no file descriptor or no name look-up left. Then no byte of the request was
/// sent.
fn host_fault(error: &(dyn std::error::Error + 'static)) -> Option<HostFault> {
    if let Some(busy @ Unreachable::Busy { .. }) = unreachable(error) {
        return Some(HostFault::new(NAME_LOOK_UP, busy.to_string()));
    }
    let exhausted = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    let io = chain(error).find_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error());
    io.filter(|code| exhausted.contains(code))
        .map(|_| HostFault::new(FILE_DESCRIPTOR, "no file descriptor is left: raise its limit (ulimit -n)"))
}

/// Returns the reason why the target's host has no address to connect to.
fn unreachable<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Unreachable> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// Returns the error and its causes; the last is the root cause.
fn chain<'a>(error: &'a (dyn std::error::Error + 'static)) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Converts an answer to a result: 2xx is success; 408, 425, 429 and 5xx are retried; any other status is a permanent failure. The
/// status counts even if the body breaks off: the receiver has done its work, and must not be asked to do it again for its text.
async fn judge(mut response: Response, credentials: &Credentials, now: DateTime<Utc>) -> JobResult {
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now.into()));
    let (mut text, whole) = read_bounded(&mut response).await;
    if status.is_success() {
        if !whole {
            text.push_str(BROKE_OFF);
        }
        return Ok((!text.is_empty()).then_some(text));
    }
    let again = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    let retry = status.is_server_error() || again.contains(&status);
    let excerpt = excerpt(&text, response.url().as_str(), credentials.texts());
    Err(JobFailure { message: format!("the target answered {status}: {excerpt}"), retry, retry_after: retry_after.filter(|_| retry) })
}

/// Reads the body, but stops after the chunk that passes [`MAX_RESULT_BYTES`], since an answer may be endless. Returns false if the body
/// broke off, or did not end in time.
async fn read_bounded(response: &mut Response) -> (String, bool) {
    let mut bytes = Vec::new();
    let whole = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break true,
            Err(_) => break false,
        }
        if bytes.len() > MAX_RESULT_BYTES {
            break true;
        }
    };
    (String::from_utf8_lossy(&bytes).into_owned(), whole)
}

/// Returns the failure of an attempt without an answer. Shows the URL's origin only: its path and query may be secret.
fn not_delivered(url: &str, error: reqwest::Error) -> JobFailure {
    if let Some(refused @ Unreachable::NotAllowed { .. }) = unreachable(&error) {
        return JobFailure::permanent(refused.to_string());
    }
    let origin = Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let what = if error.is_timeout() { "did not answer in time" } else { "could not be reached" };
    let error = error.without_url();
    let cause = chain(&error).last().map(ToString::to_string).unwrap_or_default();
    JobFailure::retry(format!("the target {origin} {what}: {cause}"))
}

#[cfg(test)]
mod tests;
