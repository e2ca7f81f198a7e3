//! Writes logs to stdout: one line of flat JSON for each event, with the fields of the surrounding spans (correlation id, Lambda's
//! request id).

use std::fmt;

use chrono::{SecondsFormat, Utc};
use postdate_logging::LogFilter;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Record};
use tracing::{Event, Id, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// A layer for spans with a filter of its own, apart from the log's.
pub type Spans = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging to stdout, and `spans`. A second call has no effect.
pub fn start(filter: LogFilter, spans: Option<Spans>) {
    let _ = tracing::subscriber::set_global_default(subscriber(filter, spans, std::io::stdout));
}

fn subscriber(
    filter: LogFilter,
    spans: Option<Spans>,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> impl Subscriber + Send + Sync {
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).event_format(Flat).with_writer(writer);
    tracing_subscriber::registry().with(spans).with(Keep.and_then(lines).with_filter(filter.filter()))
}

/// Fields by name, as JSON.
#[derive(Default)]
pub struct Fields(pub Map<String, Value>);

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

/// Keeps the fields of Postdate's own spans.
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

/// Writes `{"timestamp":…,"level":…,"target":…,"message":…,…}`. Fields of the event override those of its spans, and fields of
/// inner spans those of outer ones.
struct Flat;

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for Flat {
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
mod tests;
