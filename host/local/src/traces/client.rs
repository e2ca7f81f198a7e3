//! The HTTP client of the exporter, which sends from a thread without a runtime.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

/// Limit of a call to the receiver.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends in the runtime that made it. Logs the first failure after a success.
#[derive(Debug)]
pub struct ExportClient {
    http: reqwest::Client,
    runtime: Handle,
    failed: AtomicBool,
}

impl ExportClient {
    /// The client trusts the platform's certificate authorities. The receiver may have any address, since the operator names it.
    pub fn new() -> reqwest::Result<Self> {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT).build()?;
        Ok(Self { http, runtime: Handle::current(), failed: AtomicBool::new(false) })
    }
}

#[async_trait]
impl HttpClient for ExportClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let answer = http.execute(request.try_into()?).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut response = Response::new(answer.bytes().await?);
            (*response.status_mut(), *response.headers_mut()) = (status, headers);
            Ok::<_, reqwest::Error>(response)
        });
        // The URL may have a secret.
        let result = sent.await.map_err(HttpError::from).and_then(|answer| answer.map_err(|error| error.without_url().into()));
        let failure = match &result {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the receiver answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        let had_failed = self.failed.swap(failure.is_some(), Ordering::Relaxed);
        if let Some(error) = failure.filter(|_| !had_failed) {
            tracing::warn!(error, "traces cannot be exported; spans are lost until they can");
        }
        result
    }
}
