//! The processor Lambda: answers the HTTP API.

#![recursion_limit = "256"]

use std::convert::Infallible;
use std::sync::Arc;

use lambda_http::lambda_runtime::Diagnostic;
use lambda_http::{Adapter, Body, LambdaEvent, Service as _, service_fn};
use postdate_aws::host::Host;
use postdate_aws::metrics::Service;
use postdate_aws::processor::{Processor, read_event};
use serde_json::value::RawValue;

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
    // Like `lambda_http::run`, but cleans the event before the adapter converts it, and names the error of a foreign event by a stable
    // word instead of a type of Rust.
    let answer = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let read = read_event(event.payload.get()).map(|payload| adapter.call(LambdaEvent::new(payload, event.context)));
        async {
            match read {
                Ok(answered) => Ok(answered.await.unwrap_or_else(|never| match never {})),
                Err(error) => Err(Diagnostic { error_type: "foreign-event".to_owned(), error_message: error.to_string() }),
            }
        }
    });
    lambda_http::lambda_runtime::run(answer).await.map_err(|error| anyhow::anyhow!(error))
}
