use std::sync::{Arc, Mutex};

use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::*;

/// Keeps target and level of each event and span that passes the filter.
#[derive(Clone, Default)]
struct Passed(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Passed {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.lock().unwrap().push(format!("{} {}", event.metadata().target(), event.metadata().level()));
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.0.lock().unwrap().push(format!("span {} {}", span.metadata().target(), span.metadata().level()));
    }
}

#[track_caller]
fn check(filter: &str, expected: &[&str]) {
    let parsed: LogFilter = filter.parse().unwrap();
    let seen = Passed::default();
    let events = || {
        tracing::trace!(target: "aws_smithy_runtime::client", "a body");
        tracing::debug!(target: "aws_smithy_runtime::client", "a call");
        tracing::trace!(target: "postdate_aws::ledger", "a trace");
        tracing::warn!(target: "postdate::plugin", "a line of a plugin");
        drop(tracing::error_span!(target: "postdate::trace", "a span"));
    };
    tracing::subscriber::with_default(tracing_subscriber::registry().with(seen.clone().with_filter(parsed.filter())), events);
    assert_eq!(*seen.0.lock().unwrap(), expected, "{filter}");
}

#[test]
fn traces_of_libraries_never_pass() {
    let all = ["aws_smithy_runtime::client DEBUG", "postdate_aws::ledger TRACE", "postdate::plugin WARN"];
    check("trace", &all);
    check("aws_smithy_runtime=trace", &all[..1]);
    check("info,aws_smithy_runtime::client=trace", &[all[0], all[2]]);
}

#[test]
fn targets_have_levels_of_their_own() {
    check("warn, postdate::plugin=off", &[]);
    check("off,postdate_aws::ledger", &["postdate_aws::ledger TRACE"]);
    check("ERROR,postdate=info", &["postdate::plugin WARN"]);
}

#[test]
fn text_that_is_no_filter_is_refused() {
    for wrong in ["", "info,", "info,=", "=info", "x=loud", "a=b=c", "postdate[span]=info", "postdate[{field}]=info", "one two=info"] {
        assert_eq!(wrong.parse::<LogFilter>(), Err(LogFilterError), "{wrong}");
    }
    assert_eq!("info".parse::<LogFilter>(), Ok(LogFilter::default()));
}

#[test]
fn no_filter_turns_the_audit_log_off() {
    for filter in ["off", "error,postdate=off", "postdate::audit=off", "info"] {
        let passed = Passed::default();
        let filtered = passed.clone().with_filter(filter.parse::<LogFilter>().unwrap().filter());
        let subscriber = tracing_subscriber::registry().with(filtered);
        tracing::subscriber::with_default(subscriber, || audit::version("pushed", Some("ci"), "orders", "v2", Some("v1")));
        assert_eq!(*passed.0.lock().unwrap(), ["postdate::audit INFO"], "{filter}");
    }
}
