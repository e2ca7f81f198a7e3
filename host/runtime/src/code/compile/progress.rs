//! Reports for how long a plugin has been compiling, to the log and to an observer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
#[cfg(feature = "compile")]
use std::time::Instant;

use postdate_core::plugin::Role;

/// Period of the reports to an observer, and the number of periods between two lines in the log.
#[cfg(feature = "compile")]
const TELL: Duration = Duration::from_secs(1);
#[cfg(feature = "compile")]
const LOG_EACH: u64 = 5;

/// The plugin that is compiled, for messages.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub use_case: &'a str,
    pub role: Role,
}

/// A plugin that is being compiled.
#[derive(Debug, Clone, Copy)]
pub struct Compiling<'a> {
    pub use_case: &'a str,
    pub role: Role,
    /// Size of the component in bytes.
    pub bytes: u64,
    pub elapsed: Duration,
    /// Number of this report, from 1. There is one a second, and a last one at the end.
    pub report: u64,
    /// True in the last report.
    pub ended: bool,
}

/// The observer, notified once a second and at the end.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Observer>>);

type Observer = dyn Fn(Compiling<'_>) + Send + Sync;

impl Progress {
    pub fn to(observer: impl Fn(Compiling<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observer)))
    }

    #[cfg(feature = "compile")]
    fn tell(&self, compiling: Compiling<'_>) {
        if let Some(observer) = &self.0 {
            observer(compiling);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Progress(observed)" } else { "Progress" })
    }
}

/// Waits for the compile `work`, and reports its progress.
#[cfg(feature = "compile")]
pub(super) async fn watched<T, E: fmt::Display>(
    progress: &Progress,
    subject: Subject<'_>,
    bytes: usize,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Subject { use_case, role } = subject;
    let started = Instant::now();
    let tell = |report, ended| {
        progress.tell(Compiling { use_case, role, bytes: bytes as u64, elapsed: started.elapsed(), report, ended });
    };
    tracing::info!(use_case, %role, bytes, "compiling a plugin");
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval_at((started + TELL).into(), TELL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = 0;
    let result = loop {
        tokio::select! {
            biased;
            result = &mut work => break result,
            _ = ticks.tick() => {
                told += 1;
                tell(told, false);
                if told % LOG_EACH == 0 {
                    tracing::info!(use_case, %role, bytes, elapsed_ms = millis(started), "still compiling a plugin");
                }
            }
        }
    };
    tell(told + 1, true);
    match &result {
        Ok(_) => tracing::info!(use_case, %role, bytes, elapsed_ms = millis(started), "compiled a plugin"),
        Err(error) => tracing::info!(use_case, %role, bytes, elapsed_ms = millis(started), %error, "a plugin was not compiled"),
    }
    result
}

#[cfg(feature = "compile")]
fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(all(test, feature = "compile"))]
mod tests;
