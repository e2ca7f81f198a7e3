//! Traces: the context of a request in the header `traceparent`, and the spans of the core.

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;

/// Target of the spans. No log shows them; a host that exports traces enables them.
pub const TARGET: &str = "postdate::trace";
/// Name of the header (W3C Trace Context, 3.2).
pub const TRACEPARENT: &str = "traceparent";

/// Makes a span of the trace that the host has begun. If the host exports no trace, the span is disabled and costs a comparison. At
/// level `INFO`, an exporter does not make libraries evaluate their events of level `DEBUG`.
macro_rules! span {
    ($name:literal) => {
        tracing::info_span!(target: crate::trace::TARGET, $name)
    };
}
pub(crate) use span;

/// A span that others may have as parent or link: the value of a header `traceparent` of version 00. Neither id is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    pub trace_id: u128,
    pub span_id: u64,
    /// True if the caller records the trace. Other flags are not kept.
    pub sampled: bool,
}

/// The text is no `traceparent`. A host ignores it, as the specification demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent of W3C Trace Context")]
pub struct InvalidTraceParent;

impl TraceParent {
    /// Returns the context of a call; `None` unless it has exactly one valid header.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        value.to_str().ok()?.parse().ok()
    }

    /// Reads the four fields. A later version may have more after them.
    fn read(text: &str) -> Option<Self> {
        let mut fields = text.splitn(5, '-');
        let mut next = |digits| number(fields.next()?, digits);
        let (version, trace_id, span_id, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let is_known = (version == 0 && fields.next().is_none()) || (1..0xff).contains(&version);
        let span_id = u64::try_from(span_id).ok()?;
        (is_known && trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }
}

/// Returns the number that a field of this many hexadecimal digits in lower case is.
fn number(field: &str, digits: usize) -> Option<u128> {
    let is_hex = field.len() == digits && field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then(|| u128::from_str_radix(field, 16).ok()).flatten()
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        Self::read(text).ok_or(InvalidTraceParent)
    }
}

impl fmt::Display for TraceParent {
    /// Writes 55 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests;
