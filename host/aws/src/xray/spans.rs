//! Spans as subsegments of X-Ray. Lambda makes the segment of an invocation, and runs X-Ray's daemon beside a function that is traced. A
//! span below [`invocation`] becomes a document, which goes to the daemon by UDP when the span closes. Without the daemon's address there
//! is no subscriber of spans; of an invocation that X-Ray does not record, no span is made.
//!
//! Source of the format: "Sending trace data to X-Ray" and "X-Ray segment documents", X-Ray's developer guide.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Response;
use postdate_core::api::CORRELATION_HEADER;
use postdate_core::request::Request;
use postdate_core::trace::{TARGET, TraceParent};
use serde_json::json;
use tracing::field::Empty;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Instrument as _, Metadata, Span, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::{parse, root};
use crate::logs::Fields;

/// The variable with the daemon's address, which Lambda sets.
pub const DAEMON: &str = "AWS_XRAY_DAEMON_ADDRESS";
/// The line before each document.
const HEADER: &str = "{\"format\":\"json\",\"version\":1}\n";
/// Name of the span that stands for the segment of Lambda.
const INVOCATION: &str = "invocation";

/// Returns the subscriber of spans that sends them to the daemon at this address: `127.0.0.1:2000`, or `tcp:127.0.0.1:2000
/// udp:127.0.0.1:2000`. `None` if the address has another form, or no socket can be opened.
pub fn layer<S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync>(daemon: &str) -> Option<Box<dyn Layer<S> + Send + Sync>> {
    let address = daemon.split_whitespace().find_map(|part| part.strip_prefix("udp:")).unwrap_or(daemon);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(address.parse::<SocketAddr>().ok()?).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(Subsegments(socket).with_filter(Recorded).boxed())
}

/// Returns the span that stands for the segment of an invocation, given X-Ray's header of it. The span is disabled if X-Ray does not record
/// the invocation.
pub fn invocation(header: Option<&str>) -> Span {
    match header.and_then(parse) {
        Some(TraceParent { trace_id, span_id, .. }) => {
            tracing::info_span!(target: TARGET, "invocation", trace_id = root(trace_id), id = id_of(span_id))
        }
        None => Span::none(),
    }
}

/// Runs a call that submits requests in its span.
pub async fn accept(use_case: &str, call: impl Future<Output = Response<Bytes>>) -> Response<Bytes> {
    let span = tracing::info_span!(
        target: TARGET, "accept",
        http_status = Empty, postdate_use_case = Empty, postdate_correlation_id = Empty, error = Empty, fault = Empty
    );
    let response = call.instrument(span.clone()).await;
    let status = response.status();
    span.record("http_status", status.as_u16());
    // The path of a call that was refused may have any text.
    if status.is_success() {
        span.record("postdate_use_case", use_case);
    }
    if let Some(id) = response.headers().get(CORRELATION_HEADER).and_then(|id| id.to_str().ok()) {
        span.record("postdate_correlation_id", id);
    }
    if status.is_client_error() {
        span.record("error", true);
    } else if status.is_server_error() {
        span.record("fault", true);
    }
    response
}

/// Begins the span of an attempt whose claim began at `since`. X-Ray's documents have no links, so an annotation names the trace of the
/// call that made the request.
pub fn attempt(request: &Request, since: SystemTime) -> Span {
    let attempt = tracing::info_span!(
        target: TARGET, "attempt",
        start_time = seconds(since),
        postdate_correlation_id = %request.id,
        postdate_use_case = request.use_case,
        postdate_target = request.target,
        postdate_attempt = request.attempts,
        postdate_accepted_trace_id = request.trace.map(|trace| root(trace.trace_id)),
        postdate_outcome = Empty,
        fault = Empty,
    );
    attempt.in_scope(|| drop(tracing::info_span!(target: TARGET, "claim", start_time = seconds(since))));
    attempt
}

/// Enables the spans of an invocation that X-Ray records.
struct Recorded;

impl<S: Subscriber + for<'span> LookupSpan<'span>> Filter<S> for Recorded {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        // The current span is one of those that this filter has enabled.
        metadata.target() == TARGET && (metadata.name() == INVOCATION || context.lookup_current().is_some())
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == TARGET { Interest::sometimes() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

/// Sends a document for each span that closes. A document that cannot be sent at once is lost.
struct Subsegments(UdpSocket);

/// A span that has not closed.
struct Subsegment {
    trace_id: String,
    id: String,
    /// `None` for the segment of Lambda, which sends it itself.
    parent_id: Option<String>,
    start_time: f64,
    fields: Fields,
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Subsegments {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        // Not `span.parent()`: a span of the log that is older than the invocation may lie between the two.
        let parent = context.lookup_current().and_then(|parent| {
            let extensions = parent.extensions();
            extensions.get::<Subsegment>().map(|parent| (parent.trace_id.clone(), parent.id.clone()))
        });
        let mut text = |name: &str| fields.0.shift_remove(name).and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default();
        let (trace_id, id, parent_id) = match parent {
            Some((trace_id, parent_id)) => (trace_id, id_of(rand::random()), Some(parent_id)),
            None => (text("trace_id"), text("id"), None),
        };
        let start_time = fields.0.shift_remove("start_time").and_then(|time| time.as_f64()).unwrap_or_else(|| seconds(SystemTime::now()));
        span.extensions_mut().insert(Subsegment { trace_id, id, parent_id, start_time, fields });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(subsegment) = span.extensions_mut().get_mut::<Subsegment>()
        {
            values.record(&mut subsegment.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let subsegment = span.extensions_mut().remove::<Subsegment>();
        if let Some(document) = subsegment.and_then(|subsegment| subsegment.document(span.name(), seconds(SystemTime::now()))) {
            let _ = self.0.send(format!("{HEADER}{document}").as_bytes());
        }
    }
}

impl Subsegment {
    fn document(self, name: &str, end_time: f64) -> Option<serde_json::Value> {
        let Self { trace_id, id, parent_id, start_time, mut fields } = self;
        let mut document = json!({
            "name": name, "id": id, "trace_id": trace_id, "parent_id": parent_id?, "type": "subsegment",
            "start_time": start_time, "end_time": end_time,
        });
        for flag in ["error", "fault"] {
            if let Some(value) = fields.0.shift_remove(flag) {
                document[flag] = value;
            }
        }
        if !fields.0.is_empty() {
            document["annotations"] = fields.0.into();
        }
        Some(document)
    }
}

fn id_of(id: u64) -> String {
    format!("{id:016x}")
}

/// Returns a time in seconds since 1970.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests;
