//! Traces by OTLP over HTTP, where `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set. Without them there is no
//! subscriber of spans, and no span is made.
//!
//! This module makes the span of a call and the span of an attempt; the core's spans are their children. An attempt may run days after its
//! call, so its span begins a trace of its own, with a link to the span that made the request.

mod client;

use std::time::SystemTime;

use anyhow::ensure;
use http::request::Parts;
use http::{HeaderValue, Response};
use opentelemetry::trace::{
    FutureExt as _, Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_otlp::WithHttpConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Config, SamplingDecision, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample};
use postdate_core::api::{CORRELATION_HEADER, is_batch, submitted_to};
use postdate_core::fire::Fired;
use postdate_core::ports::LedgerError;
use postdate_core::request::{Request, Status as State};
use postdate_core::trace::{TARGET, TRACEPARENT, TraceParent};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use client::ExportClient;

/// The variables that turn traces on. The SDK reads them, and the other variables of its specification.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// The variable that turns them off again. The SDK does not read it.
const DISABLED: &str = "OTEL_SDK_DISABLED";
const SERVICE_NAME: &str = "service.name";

/// Makes spans, or none where traces are off.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Provider>);

#[derive(Debug, Clone)]
struct Provider {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Reads the variables. Fails if an endpoint is no URL of `http` or `https`. Needs the runtime in which the exporter sends.
    pub fn from_environment() -> anyhow::Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = ENDPOINTS.iter().find_map(|name| Some((name, variable(name)?)));
        let is_off = variable(DISABLED).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let Some((name, endpoint)) = endpoint.filter(|_| !is_off) else { return Ok(Self::default()) };
        let url = endpoint.parse::<http::Uri>().ok().filter(|url| matches!(url.scheme_str(), Some("http" | "https")));
        ensure!(url.is_some(), "{name} is not the URL of an OTLP receiver: write it as http://127.0.0.1:4318");
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_http().with_http_client(ExportClient::new()?).build();
        let unusable = |error| anyhow::Error::new(error).context(format!("cannot export traces to the receiver that {name} names"));
        Ok(Self::exporting(SdkTracerProvider::builder().with_batch_exporter(exporter.map_err(unusable)?)))
    }

    fn exporting(builder: opentelemetry_sdk::trace::TracerProviderBuilder) -> Self {
        let resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let detected = Resource::builder().build();
        let name = detected.get(&Key::from_static_str(SERVICE_NAME));
        let is_named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
        let resource = if is_named { resource } else { resource.with_service_name("postdate") };
        let sampler = AsLinked(Config::default().sampler);
        let provider = builder.with_sampler(sampler).with_resource(resource.build()).build();
        Self(Some(Provider { tracer: provider.tracer("postdate"), provider }))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the subscriber of the core's spans, which the program installs.
    pub fn layer<S>(&self) -> Option<Box<dyn Layer<S> + Send + Sync>>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let Provider { tracer, .. } = self.0.as_ref()?;
        let spans = tracing_opentelemetry::layer().with_tracer(tracer.clone());
        let spans = spans.with_location(false).with_target(false).with_threads(false).with_tracked_inactivity(false);
        Some(spans.with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO)).boxed())
    }

    /// Begins the span of a call that submits requests, and makes it the call's `traceparent`.
    pub fn call(&self, parts: &mut Parts) -> Option<CallSpan> {
        let Provider { tracer, .. } = self.0.as_ref()?;
        let use_case = submitted_to(&parts.method, parts.uri.path())?.to_owned();
        let route = if is_batch(parts.uri.path()) { "/requests/{use-case}/batch" } else { "/requests/{use-case}" };
        let parent = TraceParent::of(&parts.headers)
            .map_or_else(Context::new, |parent| Context::new().with_remote_span_context(span_context(parent)));
        let span = SpanBuilder::from_name(format!("POST {route}"))
            .with_kind(SpanKind::Server)
            .with_attributes([KeyValue::new("http.request.method", "POST"), KeyValue::new("http.route", route)]);
        let context = Context::new().with_span(tracer.build_with_context(span, &parent));
        if let Some(Ok(value)) = trace_parent(&context).map(|trace| HeaderValue::try_from(trace.to_string())) {
            parts.headers.insert(TRACEPARENT, value);
        }
        Some(CallSpan { context, use_case })
    }

    /// Begins the span of an attempt, and makes it the trace of the claimed request. The claim began at `since`.
    pub fn attempt(&self, request: &mut Request, since: SystemTime) -> Option<AttemptSpan> {
        let Provider { tracer, .. } = self.0.as_ref()?;
        let span = SpanBuilder::from_name("attempt")
            .with_kind(SpanKind::Consumer)
            .with_start_time(since)
            .with_links(request.trace.map(|trace| Link::with_context(span_context(trace))).into_iter().collect())
            .with_attributes([
                KeyValue::new("postdate.correlation_id", request.id.to_string()),
                KeyValue::new("postdate.use_case", request.use_case.clone()),
                KeyValue::new("postdate.target", request.target.clone()),
                KeyValue::new("postdate.attempt", i64::from(request.attempts)),
            ]);
        let context = Context::new().with_span(tracer.build_with_context(span, &Context::new()));
        tracer.build_with_context(SpanBuilder::from_name("claim").with_start_time(since), &context).end();
        request.trace = trace_parent(&context);
        Some(AttemptSpan(context))
    }

    /// Sends the spans that are not sent yet. Blocks for some seconds at most.
    pub fn shut_down(&self) {
        if let Some(Provider { provider, .. }) = &self.0
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last spans could not be exported");
        }
    }
}

/// The span of a call. It ends when it is dropped, if not before.
pub struct CallSpan {
    context: Context,
    use_case: String,
}

impl CallSpan {
    /// Runs the call in its span.
    pub async fn run<B>(self, call: impl Future<Output = Response<B>>) -> Response<B> {
        let response = call.with_context(self.context.clone()).await;
        let (span, status) = (self.context.span(), response.status());
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        // The path of a call that was refused may have any text.
        if status.is_success() {
            span.set_attribute(KeyValue::new("postdate.use_case", self.use_case));
        }
        if let Some(id) = response.headers().get(CORRELATION_HEADER).and_then(|id| id.to_str().ok()) {
            span.set_attribute(KeyValue::new("postdate.correlation_id", id.to_owned()));
        }
        if status.is_server_error() {
            span.set_status(Status::error(""));
        }
        span.end();
        response
    }
}

/// The span of an attempt. It ends when it is dropped, if not before.
pub struct AttemptSpan(Context);

impl AttemptSpan {
    /// Runs the attempt in its span. The span gets the outcome, and no reason of a failure, which may quote the payload.
    pub async fn run(self, attempt: impl Future<Output = Result<Fired, LedgerError>>) -> Result<Fired, LedgerError> {
        let fired = attempt.with_context(self.0.clone()).await;
        let outcome = match &fired {
            Ok(Fired::Ran(after)) if after.status == State::Scheduled => "retried",
            Ok(Fired::Ran(after)) => after.status.as_str(),
            Ok(Fired::Deferred(_)) => "deferred",
            Ok(Fired::ClaimLost) => "claim-lost",
            Err(_) => "not-recorded",
        };
        let span = self.0.span();
        span.set_attribute(KeyValue::new("postdate.outcome", outcome));
        if outcome != State::Succeeded.as_str() {
            span.set_status(Status::error(outcome));
        }
        span.end();
        fired
    }
}

/// Samples an attempt if the call that made its request was sampled, and any other span as the environment says.
#[derive(Debug, Clone)]
struct AsLinked(Box<dyn ShouldSample>);

impl ShouldSample for AsLinked {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let Some(link) = links.first() else { return self.0.should_sample(parent, trace, name, kind, attributes, links) };
        let decision = if link.span_context.is_sampled() { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}

fn span_context(trace: TraceParent) -> SpanContext {
    let flags = if trace.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let (trace_id, span_id) = (TraceId::from_bytes(trace.trace_id.to_be_bytes()), SpanId::from_bytes(trace.span_id.to_be_bytes()));
    SpanContext::new(trace_id, span_id, flags, true, TraceState::default())
}

/// Returns the context's span for others to refer to.
fn trace_parent(context: &Context) -> Option<TraceParent> {
    let span = context.span();
    let span = Some(span.span_context()).filter(|span| span.is_valid())?;
    let (trace_id, span_id) = (u128::from_be_bytes(span.trace_id().to_bytes()), u64::from_be_bytes(span.span_id().to_bytes()));
    Some(TraceParent { trace_id, span_id, sampled: span.is_sampled() })
}

#[cfg(test)]
mod tests;
