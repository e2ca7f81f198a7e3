//! Traces: the spans of calls and attempts, as a receiver of OTLP gets them, and the header `traceparent` that targets and plugins send on.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use postdate_core::bundle::hex;
use prost::Message as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::harness::{Answer, PAYLOAD, PUPPET, Receiver, SECRET, Server, eventually, text};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A receiver of OTLP over HTTP, with messages in protobuf. Runs until it is dropped.
struct Collector {
    port: u16,
    received: Received,
    task: AbortHandle,
}

type Received = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

impl Collector {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (port, received) = (listener.local_addr().expect("the port").port(), Received::default());
        let router = Router::new().route("/v1/traces", post(receive)).with_state(Arc::clone(&received));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, received, task: serving.abort_handle() }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn resources(&self) -> Vec<Resource> {
        self.requests().into_iter().flat_map(|request| request.resource_spans).filter_map(|spans| spans.resource).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.requests().into_iter().flat_map(|request| request.resource_spans);
        resources.flat_map(|spans| spans.scope_spans).flat_map(|spans| spans.spans).collect()
    }

    fn named(&self, name: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }

    /// Returns the names of a span's children, in the order of their beginnings.
    fn children(&self, of: &Span) -> Vec<String> {
        let mut children: Vec<Span> = self.spans().into_iter().filter(|span| span.parent_span_id == of.span_id).collect();
        children.sort_by_key(|span| span.start_time_unix_nano);
        assert!(children.iter().all(|span| span.trace_id == of.trace_id), "{children:?}");
        children.into_iter().map(|span| span.name).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(State(received): State<Received>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).expect("a message of OTLP");
    received.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    StatusCode::OK
}

/// Returns an attribute as text, or an empty text if it is missing.
fn attribute(attributes: &[KeyValue], key: &str) -> String {
    match attributes.iter().find(|attribute| attribute.key == key).and_then(|attribute| attribute.value.as_ref()?.value.clone()) {
        Some(Attribute::StringValue(text)) => text,
        Some(Attribute::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// Returns the `traceparent` of a sampled span.
fn parent(span: &Span) -> String {
    format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id))
}

/// A use case whose targets are the plugin and `hook`, which posts to the receiver.
fn manifest(receiver: &Receiver) -> String {
    format!(
        "{PUPPET}allow-http = ['{}']\n[retry]\nmax-attempts = 2\nbackoff = {{ initial = '10s', factor = 1, max = '10s', jitter = 0 }}\n\
         [targets]\ndefault = 'here'\nhere = {{ kind = 'plugin' }}\nhook = {{ kind = 'http', url = '{}' }}\n",
        receiver.url(""),
        receiver.url("/hook?token=not-in-a-span"),
    )
}

/// Posts a request with the `traceparent` of a client that records (`01`) or does not (`00`).
async fn submit(server: &Server, flags: &str, body: Value) -> Answer {
    let mut body = body;
    body["note"] = json!(PAYLOAD);
    body["delay"] = json!("PT1S");
    let call = server.api.call(Method::POST, "/requests/puppet").header("traceparent", format!("00-{TRACE}-{SPAN}-{flags}"));
    server.api.send(call.json(&body)).await
}

#[tokio::test]
async fn an_attempt_is_a_trace_that_is_linked_to_the_call_and_goes_on_at_its_target() {
    let (receiver, collector) = (Receiver::accepting().await, Collector::start().await);
    let mut server = Server::builder()
        .use_case("puppet", &manifest(&receiver))
        .test_clock()
        .key(SECRET)
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
        .variable("OTEL_BSP_SCHEDULE_DELAY", "100")
        .start()
        .await;
    let id = text(&submit(&server, "01", json!({ "target": "hook" })).await.expect(202), "correlationId").to_owned();
    server.api.advance("PT1S").await;
    // The spans are sent while the server runs.
    eventually("the span of the attempt", async || collector.named("attempt").pop()).await;

    let fetch = json!({ "process": { "do": "http", "url": receiver.url("/called") } });
    submit(&server, "01", fetch).await.expect(202);
    server.api.advance("PT1S").await;
    submit(&server, "01", json!({ "process": { "do": "retry", "untilAttempt": 2 } })).await.expect(202);
    server.api.advance("PT11S").await;
    server.stop().await;

    let calls = collector.named("POST /requests/{use-case}");
    let attempts = collector.named("attempt");
    assert_eq!((calls.len(), attempts.len()), (3, 4), "the stop sends the last spans");
    for call in &calls {
        assert_eq!((hex(&call.trace_id), hex(&call.parent_span_id)), (TRACE.to_owned(), SPAN.to_owned()));
        assert_eq!(collector.children(call), ["validate", "commit"]);
        assert_eq!(attribute(&call.attributes, "http.response.status_code"), "202");
    }
    assert_eq!(attribute(&calls[0].attributes, "postdate.correlation_id"), id);
    let of = [0, 1, 2, 2];
    for (attempt, call) in attempts.iter().zip(of.map(|index| &calls[index])) {
        assert_eq!((attempt.parent_span_id.len(), attempt.links.len()), (0, 1), "{attempt:?}");
        assert_ne!(attempt.trace_id, call.trace_id);
        assert_eq!((&attempt.links[0].trace_id, &attempt.links[0].span_id), (&call.trace_id, &call.span_id));
    }
    let steps: Vec<_> = attempts.iter().map(|attempt| collector.children(attempt)[1].clone()).collect();
    assert_eq!(steps, ["delivery", "plugin", "plugin", "plugin"]);
    assert_eq!(collector.children(&attempts[0]), ["claim", "delivery", "record"]);
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attribute(&attempt.attributes, "postdate.outcome")).collect();
    assert_eq!(outcomes, ["succeeded", "succeeded", "retried", "succeeded"]);

    let deliveries = receiver.deliveries();
    let headers: Vec<_> = deliveries.iter().map(|delivery| (delivery.path.as_str(), delivery.header("traceparent").to_owned())).collect();
    assert_eq!(headers, [("/hook?token=not-in-a-span", parent(&attempts[0])), ("/called", parent(&attempts[1]))]);
    for resource in collector.resources() {
        assert_eq!(attribute(&resource.attributes, "service.name"), "postdate");
    }
    let all = format!("{:?}", collector.requests());
    for private in [PAYLOAD, SECRET, "not-in-a-span"] {
        assert!(!all.contains(private), "{private} is in a span");
    }
}

#[tokio::test]
async fn nothing_is_exported_of_a_client_that_records_nothing() {
    let (receiver, collector) = (Receiver::accepting().await, Collector::start().await);
    let mut server = Server::builder()
        .use_case("puppet", &manifest(&receiver))
        .test_clock()
        .variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{}/v1/traces", collector.url()))
        .start()
        .await;
    submit(&server, "00", json!({ "target": "hook" })).await.expect(202);
    server.api.advance("PT1S").await;
    server.stop().await;
    assert_eq!(collector.spans(), []);
    assert!(receiver.deliveries()[0].header("traceparent").ends_with("-00"), "{:?}", receiver.deliveries());
}

#[tokio::test]
async fn without_an_exporter_the_clients_traceparent_goes_on_unchanged_and_nothing_is_sent() {
    let (receiver, collector) = (Receiver::accepting().await, Collector::start().await);
    let builder = Server::builder().use_case("puppet", &manifest(&receiver)).test_clock();
    // A server that is told not to export, although it knows the collector.
    let mut server = builder.variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()).variable("OTEL_SDK_DISABLED", "true").start().await;
    submit(&server, "01", json!({ "target": "hook" })).await.expect(202);
    server.api.advance("PT1S").await;
    server.api.run("puppet", json!({ "target": "hook" })).await;
    server.stop().await;
    let deliveries = receiver.deliveries();
    assert_eq!(deliveries[0].header("traceparent"), format!("00-{TRACE}-{SPAN}-01"));
    assert!(!deliveries[1].headers.contains_key("traceparent"), "{deliveries:?}");
    assert_eq!(collector.requests(), []);
    assert!(!server.log.text().contains("traces are exported"));
}

#[tokio::test]
async fn a_wrong_endpoint_is_refused_and_a_dead_one_delays_nothing() {
    let refused = Server::builder().use_case("puppet", PUPPET).variable("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318").refused().await;
    assert!(refused.contains("OTEL_EXPORTER_OTLP_ENDPOINT is not the URL of an OTLP receiver"), "{refused}");
    let mut server = Server::builder()
        .use_case("puppet", PUPPET)
        .test_clock()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .variable("OTEL_BSP_SCHEDULE_DELAY", "10")
        .start()
        .await;
    let done = server.api.run("puppet", json!({})).await;
    assert_eq!(text(&done, "status"), "succeeded");
    server.logged("about the exporter", |line| line["message"].as_str().is_some_and(|text| text.starts_with("traces cannot"))).await;
    server.stop().await;
}
