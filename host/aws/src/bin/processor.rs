//! The processor Lambda: answers the HTTP API.

#![recursion_limit = "256"]

use std::convert::Infallible;
use std::sync::Arc;

use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, LambdaEvent, Service as _, service_fn};
use postdate_aws::host::Host;
use postdate_aws::metrics::Service;
use postdate_aws::processor::{Processor, tame};

// One thread: an environment serves one request at a time.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let processor = Arc::new(Processor::new(Box::pin(Host::from_env(Service::Processor)).await?));
    let mut adapter = Adapter::from(service_fn(move |request| {
        let processor = Arc::clone(&processor);
        async move {
            let response = Box::pin(processor.answer(request)).await;
            // The API answers with text. Lambda would send a binary body as base64.
            Ok::<_, Infallible>(response.map(|body| Body::from(String::from_utf8_lossy(&body).into_owned())))
        }
    }));
    // Like `lambda_http::run`, but cleans the event before the adapter converts it.
    let answer = service_fn(move |mut event: LambdaEvent<LambdaRequest>| {
        tame(&mut event.payload);
        adapter.call(event)
    });
    lambda_http::lambda_runtime::run(answer).await.map_err(|error| anyhow::anyhow!(error))
}
