//! The processor Lambda: answers the HTTP API.

use std::convert::Infallible;

use lambda_http::{Body, service_fn};
use postdate_aws::host::Host;
use postdate_aws::metrics::Service;
use postdate_aws::processor::Processor;

// One thread: an environment serves one request at a time.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let processor = Processor::new(Box::pin(Host::from_env(Service::Processor)).await?);
    let answer = service_fn(|request| async {
        let response = processor.answer(request).await;
        // Text, which is what the API speaks; anything else would be sent as base64.
        Ok::<_, Infallible>(response.map(|body| Body::from(String::from_utf8_lossy(&body).into_owned())))
    });
    lambda_http::run(answer).await.map_err(|error| anyhow::anyhow!(error))
}
