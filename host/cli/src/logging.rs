//! Log lines, to stderr: for people on a terminal, one JSON object a line otherwise.

use std::io::IsTerminal as _;

use anyhow::{Context as _, bail};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// Variables that say what to log, the first that is set; each in the syntax of `tracing_subscriber::EnvFilter`.
const VARIABLES: [&str; 2] = ["POSTDATE_LOG", "RUST_LOG"];

/// Starts logging. `default` is what is logged where no variable says.
pub fn init(default: &str) -> anyhow::Result<()> {
    let filter = filter(default)?;
    // A log line that cannot be written is lost; the subscriber would print that to the same stderr, and panic there.
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let started = if std::io::stderr().is_terminal() {
        lines.with_ansi(std::env::var_os("NO_COLOR").is_none()).with_target(false).finish().with(filter_fn(is_discreet)).try_init()
    } else {
        // Flattened, so that `correlation_id` is a member of the line itself. Without tracing's own target: a request's
        // target is a member of the same name, and one line cannot have both.
        lines.json().flatten_event(true).with_span_list(false).with_target(false).finish().with(filter_fn(is_discreet)).try_init()
    };
    match started {
        Ok(()) => Ok(()),
        Err(error) => bail!("cannot start logging: {error}"),
    }
}

/// At the level of traces, libraries show whole requests and answers: payloads, and secrets.
fn is_discreet(event: &Metadata<'_>) -> bool {
    *event.level() != Level::TRACE || event.target().starts_with("postdate")
}

fn filter(default: &str) -> anyhow::Result<EnvFilter> {
    for name in VARIABLES {
        if let Ok(text) = std::env::var(name)
            && !text.is_empty()
        {
            return parse(name, &text);
        }
    }
    Ok(EnvFilter::new(default))
}

fn parse(name: &str, text: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(text)
        .with_context(|| format!("{name}={text:?} is not a log filter; write it as \"info\" or \"warn,postdate_local=debug\""))
}

#[cfg(test)]
mod tests;
