use std::sync::{Arc, Mutex};

use http::{Method, Request as HttpRequest, StatusCode};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use postdate_core::testing::{at, new_request, sample_id};

use super::*;

const CLIENTS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Keeps the spans that have ended.
#[derive(Debug, Clone, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Ended {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

fn traces() -> (Traces, Ended) {
    let ended = Ended::default();
    (Traces::exporting(SdkTracerProvider::builder().with_simple_exporter(ended.clone())), ended)
}

/// Returns the head of a call that submits a request.
fn head(method: Method, path: &str, traceparent: Option<&str>) -> Parts {
    let request = HttpRequest::builder().method(method).uri(path);
    let request = traceparent.into_iter().fold(request, |request, value| request.header(TRACEPARENT, value));
    request.body(()).unwrap().into_parts().0
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|attribute| attribute.value.to_string())
}

async fn answered(call: Option<CallSpan>, status: StatusCode) {
    let response = Response::builder().status(status).header(CORRELATION_HEADER, "the-id").body(()).unwrap();
    call.unwrap().run(std::future::ready(response)).await;
}

#[tokio::test]
async fn without_an_exporter_nothing_is_begun_and_the_clients_header_is_kept() {
    let (traces, mut parts) = (Traces::default(), head(Method::POST, "/requests/orders", Some(CLIENTS)));
    let mut request = Request { trace: TraceParent::of(&parts.headers), ..new_request(sample_id(1), "orders", at(0)).request };
    assert!(traces.call(&mut parts).is_none() && traces.attempt(&mut request, SystemTime::now()).is_none());
    assert!(traces.layer::<tracing_subscriber::Registry>().is_none());
    assert_eq!((parts.headers[TRACEPARENT].to_str().unwrap(), request.trace.unwrap().to_string().as_str()), (CLIENTS, CLIENTS));
}

#[tokio::test]
async fn a_call_is_a_child_of_the_clients_span_and_the_span_of_its_request() {
    let (traces, ended) = traces();
    let mut parts = head(Method::POST, "/requests/orders", Some(CLIENTS));
    answered(traces.call(&mut parts), StatusCode::ACCEPTED).await;
    let [span] = &ended.0.lock().unwrap()[..] else { panic!("not one span") };
    let clients: TraceParent = CLIENTS.parse().unwrap();
    let own = TraceParent::of(&parts.headers).unwrap();
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!((own.trace_id, own.sampled), (clients.trace_id, true));
    assert_eq!(span.span_context.span_id().to_string(), format!("{:016x}", own.span_id));
    assert_eq!(span.name, "POST /requests/{use-case}");
    assert_eq!(attribute(span, "postdate.use_case").as_deref(), Some("orders"));
    assert_eq!(attribute(span, "postdate.correlation_id").as_deref(), Some("the-id"));
}

#[tokio::test]
async fn only_submissions_have_spans_and_a_refused_one_shows_no_name_of_its_path() {
    let (traces, ended) = traces();
    assert!(traces.call(&mut head(Method::GET, "/requests", None)).is_none());
    assert!(traces.call(&mut head(Method::POST, "/requests/orders/retry", None)).is_none());
    answered(traces.call(&mut head(Method::POST, "/requests/secret/batch", None)), StatusCode::NOT_FOUND).await;
    let [span] = &ended.0.lock().unwrap()[..] else { panic!("not one span") };
    assert_eq!((span.name.as_ref(), span.status.clone()), ("POST /requests/{use-case}/batch", Status::Unset));
    assert_eq!(attribute(span, "http.response.status_code").as_deref(), Some("404"));
    assert!(!format!("{span:?}").contains("secret"), "{span:?}");
}

#[tokio::test]
async fn an_attempt_begins_a_trace_that_is_linked_to_the_call() {
    let (traces, ended) = traces();
    let clients: TraceParent = CLIENTS.parse().unwrap();
    let mut request = Request { trace: Some(clients), attempts: 2, ..new_request(sample_id(1), "orders", at(0)).request };
    let since = SystemTime::now();
    let attempt = traces.attempt(&mut request, since).unwrap();
    let after = Request { failure: Some("secret".to_owned()), ..request.clone() };
    attempt.run(std::future::ready(Ok(Fired::Ran(Box::new(after))))).await.unwrap();
    let [claim, attempt] = &ended.0.lock().unwrap()[..] else { panic!("not two spans") };
    assert_eq!((claim.name.as_ref(), claim.parent_span_id), ("claim", attempt.span_context.span_id()));
    assert_eq!((attempt.parent_span_id, attempt.start_time), (SpanId::INVALID, since));
    assert_eq!(attempt.links.iter().map(|link| link.span_context.clone()).collect::<Vec<_>>(), [span_context(clients)]);
    let own = request.trace.unwrap();
    assert_eq!(span_context(own).span_id(), attempt.span_context.span_id());
    assert!(own.trace_id != clients.trace_id && own.sampled);
    assert_eq!(attribute(attempt, "postdate.outcome").as_deref(), Some("retried"));
    assert!(!format!("{attempt:?}").contains("secret"), "{attempt:?}");
}

#[tokio::test]
async fn nothing_is_recorded_of_a_request_whose_client_records_nothing() {
    let (traces, ended) = traces();
    let mut parts = head(Method::POST, "/requests/orders", Some(&CLIENTS.replace("-01", "-00")));
    answered(traces.call(&mut parts), StatusCode::ACCEPTED).await;
    let mut request = Request { trace: TraceParent::of(&parts.headers), ..new_request(sample_id(1), "orders", at(0)).request };
    assert!(!request.trace.unwrap().sampled);
    traces.attempt(&mut request, SystemTime::now()).unwrap().run(std::future::ready(Ok(Fired::ClaimLost))).await.unwrap();
    assert!(!request.trace.unwrap().sampled);
    assert_eq!(*ended.0.lock().unwrap(), []);
}
