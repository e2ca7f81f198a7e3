//! The events that a host logs: those that the operator selects by `POSTDATE_LOG`, less those that may show payloads.

use std::str::FromStr;

use postdate_core::{audit, trace};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::Filter;

/// A value of `POSTDATE_LOG`, in the syntax of `tracing_subscriber::filter::Targets`: a level, or targets with levels, with
/// commas between them. The default is `info`.
///
/// `EnvFilter`'s syntax of spans and fields is not supported: it needs an engine for regular expressions, which every cold start
/// of a Lambda would load.
#[derive(Debug, Clone, PartialEq)]
pub struct LogFilter(Targets);

/// The text is not a [`LogFilter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a log filter; write it as \"info\" or \"warn,postdate_local=debug\"")]
pub struct LogFilterError;

impl LogFilter {
    /// Returns the filter of the layer that writes the log. With every selection of the operator, it keeps the audit log, and drops
    /// spans for the exporter of traces and traces of libraries: the SDK and hyper trace whole requests and answers, with payloads
    /// and secrets.
    pub fn filter<S>(self) -> impl Filter<S> {
        let targets = self.0.with_target(audit::TARGET, LevelFilter::INFO).with_target(trace::TARGET, LevelFilter::OFF);
        targets.and(filter_fn(is_discreet))
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self(Targets::new().with_default(LevelFilter::INFO))
    }
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(text: &str) -> Result<Self, LogFilterError> {
        // `Targets` takes spaces as a part of a target, and an empty target for one.
        let directives: Vec<&str> = text.split(',').map(str::trim).collect();
        let is_target = |target: &str| !target.is_empty() && target.chars().all(|c| c.is_ascii_alphanumeric() || "_:-".contains(c));
        if !directives.iter().all(|directive| is_target(directive.split('=').next().unwrap_or_default())) {
            return Err(LogFilterError);
        }
        directives.join(",").parse().map(Self).map_err(|_| LogFilterError)
    }
}

fn is_discreet(event: &Metadata<'_>) -> bool {
    *event.level() != Level::TRACE || event.target().starts_with("postdate")
}

#[cfg(test)]
mod tests;
