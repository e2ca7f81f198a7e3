//! Log lines, to stderr: for people on a terminal, one JSON object a line otherwise.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context as _, anyhow, bail};
use postdate_core::audit;
use postdate_local::private_file;
use postdate_logging::LogFilter;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

/// Variables that select the log; the first that is set counts. Both have the syntax of [`LogFilter`].
const VARIABLES: [&str; 2] = ["POSTDATE_LOG", "RUST_LOG"];

/// Starts logging. `default` is the filter where no variable is set.
pub fn init(default: &str) -> anyhow::Result<()> {
    init_with(default, None, None)
}

/// Starts logging, and `spans`, which gets what it selects and not what the log does. The file `audit_file` also gets the lines of the
/// audit log, one JSON object a line. Fails if the file cannot be written, or if others may read it.
pub fn init_with(default: &str, spans: Option<Box<dyn Layer<Registry> + Send + Sync>>, audit_file: Option<&Path>) -> anyhow::Result<()> {
    let audited = audit_file.map(|path| {
        let file = private_file::append(path).map_err(|reason| anyhow!("the audit file {} {reason}", path.display()))?;
        let lines = fmt::layer().json().flatten_event(true).with_span_list(false).with_target(false).log_internal_errors(false);
        anyhow::Ok(lines.with_writer(Mutex::new(file)).with_filter(Targets::new().with_target(audit::TARGET, LevelFilter::INFO)))
    });
    let filter = filter(default)?.filter();
    // A line that cannot be written is lost: the subscriber would report that to the same stderr, and panic there.
    let lines = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false).with_target(false);
    let subscriber = tracing_subscriber::registry().with(spans).with(audited.transpose()?);
    let started = if std::io::stderr().is_terminal() {
        subscriber.with(lines.with_ansi(std::env::var_os("NO_COLOR").is_none()).with_filter(filter)).try_init()
    } else {
        // Flattened, so that `correlation_id` is a member of the line itself. Without tracing's own target: a request's
        // target is a member of the same name, and one line cannot have both.
        subscriber.with(lines.json().flatten_event(true).with_span_list(false).with_filter(filter)).try_init()
    };
    match started {
        Ok(()) => Ok(()),
        Err(error) => bail!("cannot start logging: {error}"),
    }
}

fn filter(default: &str) -> anyhow::Result<LogFilter> {
    for name in VARIABLES {
        if let Ok(text) = std::env::var(name)
            && !text.is_empty()
        {
            return parse(name, &text);
        }
    }
    Ok(default.parse()?)
}

fn parse(name: &str, text: &str) -> anyhow::Result<LogFilter> {
    text.parse().with_context(|| format!("{name}={text:?}"))
}

#[cfg(test)]
mod tests;
