//! X-Ray's header, in which AWS passes the context of a trace:
//! `Root=1-66f2a1b0-4dea0086f9763ac0667b115a;Parent=53995c3f42cd8ad8;Sampled=1`.

pub mod spans;

use http::{HeaderMap, HeaderValue};
use postdate_core::trace::{TRACEPARENT, TraceParent};

/// Name of the header. The Lambda runtime sets it to the context of the invocation.
const HEADER: &str = "x-amzn-trace-id";

/// Makes X-Ray's context the call's `traceparent`, unless the client sent one.
pub fn adopt(headers: &mut HeaderMap) {
    if TraceParent::of(headers).is_some() {
        return;
    }
    let trace = headers.get(HEADER).and_then(|value| parse(value.to_str().ok()?));
    if let Some(Ok(value)) = trace.map(|trace| HeaderValue::try_from(trace.to_string())) {
        headers.insert(TRACEPARENT, value);
    }
}

/// Returns the context; `None` if X-Ray does not record it. Such a context would be stored with each request, and be of no use.
fn parse(text: &str) -> Option<TraceParent> {
    let field = |name: &str| text.split(';').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
    let (seconds, random) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
    let parent = field("Parent").filter(|_| field("Sampled") == Some("1"))?;
    format!("00-{seconds}{random}-{parent}-01").parse().ok()
}

/// Returns the header's value for a context.
pub fn header(TraceParent { trace_id, span_id, sampled }: TraceParent) -> String {
    format!("Root={};Parent={span_id:016x};Sampled={}", root(trace_id), u8::from(sampled))
}

/// Returns a trace's id as X-Ray writes it.
fn root(trace_id: u128) -> String {
    let (seconds, random) = (trace_id >> 96, trace_id & ((1 << 96) - 1));
    format!("1-{seconds:08x}-{random:024x}")
}

#[cfg(test)]
mod tests;
