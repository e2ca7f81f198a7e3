//! Logs: a line of flat JSON for each event, on stdout, with what the surrounding span knows: correlation id, request id of Lambda.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Record};
use tracing::{Event, Id, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::format::{FormatEvent, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

/// Sends logs to stdout from here on; `filter` as in `POSTDATE_LOG`. A second call changes nothing.
pub fn start(filter: &str) {
    let _ = tracing::subscriber::set_global_default(subscriber(filter, std::io::stdout));
}

fn subscriber(filter: &str, writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) -> impl Subscriber + Send + Sync {
    // Not `EnvFilter`: that brings an engine for regular expressions, which a cold start would have to read.
    let filter = filter.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).event_format(Flat).with_writer(writer);
    tracing_subscriber::registry().with(filter).with(filter_fn(is_discreet)).with(Keep).with(lines)
}

/// At the level of traces, the SDK and hyper show whole requests and answers: payloads, and secrets.
fn is_discreet(event: &Metadata<'_>) -> bool {
    *event.level() != Level::TRACE || event.target().starts_with("postdate")
}

/// Fields by name, as JSON.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }
}

/// Keeps the fields of our own spans; those of libraries say the same again, or what nobody asked for.
struct Keep;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Keep {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !attributes.metadata().target().starts_with("postdate") {
            return;
        }
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }
}

/// `{"timestamp":…,"level":…,"target":…,"message":…,…}`: fields of the event win over those of its spans, inner spans over outer.
struct Flat;

impl<S, N> FormatEvent<S, N> for Flat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), json!(Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)));
        line.insert("level".to_owned(), json!(event.metadata().level().as_str()));
        line.insert("target".to_owned(), json!(event.metadata().target()));
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.shift_remove("message");
        line.extend(message.map(|message| ("message".to_owned(), message)));
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(kept) = span.extensions().get::<Fields>() {
                line.extend(kept.0.clone());
            }
        }
        line.extend(fields.0);
        writeln!(writer, "{}", Value::Object(line))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, log: impl FnOnce()) -> Vec<Value> {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        tracing::subscriber::with_default(subscriber(filter, move || writer.clone()), log);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_flat_and_has_what_its_spans_know() {
        let lines = logged("info", || {
            let call = tracing::info_span!("call", request_id = "r-1", correlation_id = tracing::field::Empty);
            let _call = call.enter();
            call.record("correlation_id", "c-1");
            tracing::info!(use_case = "orders", attempt = 2_u32, late = 1.5, "fired \"now\"\n");
            tracing::warn!(correlation_id = %"c-2", "another");
            tracing::debug!("not asked for");
        });
        assert_eq!(lines.len(), 2);
        let first = lines[0].as_object().unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(first["timestamp"].as_str().unwrap()).is_ok());
        assert_eq!(
            first.keys().collect::<Vec<_>>(),
            ["timestamp", "level", "target", "message", "request_id", "correlation_id", "use_case", "attempt", "late"]
        );
        assert_eq!((&first["message"], &first["attempt"]), (&json!("fired \"now\"\n"), &json!(2)));
        assert_eq!((&first["request_id"], &first["correlation_id"]), (&json!("r-1"), &json!("c-1")));
        assert_eq!((&lines[1]["correlation_id"], &lines[1]["level"]), (&json!("c-2"), &json!("WARN")));
    }

    #[test]
    fn traces_of_libraries_are_never_shown() {
        let lines = logged("trace", || {
            tracing::trace!(target: "aws_smithy_runtime::client", "a body");
            tracing::debug!(target: "aws_smithy_runtime::client", "a call");
            tracing::trace!(target: "postdate_aws::ledger", "ours");
        });
        assert_eq!(lines.iter().map(|line| line["message"].clone()).collect::<Vec<_>>(), ["a call", "ours"]);
    }

    #[test]
    fn spans_of_libraries_add_nothing() {
        let lines = logged("info", || {
            let _span = tracing::info_span!(target: "lambda_runtime", "invoke", requestId = "r-1").entered();
            tracing::info!("hello");
        });
        assert_eq!((lines.len(), lines[0].get("requestId")), (1, None));
    }
}
