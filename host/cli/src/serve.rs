//! `postdate serve`: flags and variables, signals, and the banner around the server of `postdate-local`.

mod banner;

use std::future::Future;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use clap::builder::BoolishValueParser;
use postdate_core::time::{parse_time, rfc3339};
use postdate_local::{ServeOptions, TestClockStart};
use postdate_runtime::Lifetime;
use postdate_runtime::trust::Trust;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::compiler::Limits;
use crate::{logging, output, when};

/// Exit code of a process that an interrupt ended at once: 128 and the signal's number, as shells have it.
const INTERRUPTED: i32 = 130;

const EXAMPLES: &str = "\
Examples:
  postdate serve
  POSTDATE_API_KEY=... postdate serve --listen 0.0.0.0:8080 --data /var/lib/postdate
  postdate serve --data /tmp/try --test-clock 2027-01-01T00:00:00Z
  curl http://127.0.0.1:8080/test-clock --json '{\"advance\":\"P7D\"}'

Stop it with Ctrl-C or SIGTERM: what runs may finish, everything else stays for the next start.
Log lines go to stderr, as JSON unless it is a terminal. POSTDATE_LOG says which, such as \"warn\"
or \"info,postdate_local=debug\".";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Serve {
    /// Address and port; port 0 is any that is free
    #[arg(long, env = "POSTDATE_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Directory for everything that is kept: the ledger, compiled plugins
    #[arg(long, env = "POSTDATE_DATA", value_name = "DIR", default_value = ".postdate")]
    data: PathBuf,

    /// Directory with a bundle, or versions of one, in each of its directories; changes are picked up
    #[arg(long, env = "POSTDATE_USE_CASES", value_name = "DIR", default_value = "use-cases")]
    use_cases: PathBuf,

    /// Public keys whose bundles are loaded, as `postdate key show` prints them, with commas between; without any, every bundle
    #[arg(long, env = "POSTDATE_TRUSTED_KEYS", value_name = "KEYS", value_parser = Trust::parse)]
    trusted_keys: Option<Trust>,

    /// Run on a clock that stands still until POST /test-clock moves it, from this time, or else from where it stood
    #[arg(
        long,
        env = "POSTDATE_TEST_CLOCK",
        value_name = "TIME",
        num_args = 0..=1,
        default_missing_value = "resume",
        value_parser = test_clock
    )]
    test_clock: Option<TestClockStart>,

    /// Key that every call must bring as a bearer token; better set as the variable, where `ps` does not show it
    #[arg(long, env = "POSTDATE_API_KEY", hide_env_values = true, value_name = "KEY")]
    api_key: Option<String>,

    /// Listen beyond this machine without a key
    #[arg(long, env = "POSTDATE_ALLOW_PUBLIC", value_parser = BoolishValueParser::new())]
    allow_public: bool,

    /// Requests that are processed at the same time
    #[arg(long, env = "POSTDATE_CONCURRENCY", value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    concurrency: u16,

    /// How long a stop waits for what is running
    #[arg(long, env = "POSTDATE_GRACE", value_name = "DURATION", default_value = "10s", value_parser = when::duration)]
    grace: Duration,

    #[command(flatten)]
    limits: Limits,

    /// Secrets of use cases, as NAME = "value" lines that nobody else may read; without it they come from the environment
    #[arg(long, env = "POSTDATE_SECRETS_FILE", value_name = "FILE")]
    secrets_file: Option<PathBuf>,

    /// How soon plugins see a secret that has changed, from 1s to 24h
    #[arg(long, env = "POSTDATE_SECRETS_LIFETIME", value_name = "DURATION", default_value = "5m", value_parser = secrets_lifetime)]
    secrets_lifetime: Duration,
}

fn secrets_lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = when::duration(text)?;
    if Lifetime::FRESH.contains(&lifetime) { Ok(lifetime) } else { Err("it should be from 1s to 24h".to_owned()) }
}

/// An empty variable is one that is set for no other purpose than to say "yes".
fn test_clock(text: &str) -> Result<TestClockStart, String> {
    match text {
        "" | "resume" => Ok(TestClockStart::Resume),
        text => parse_time(text).map(TestClockStart::At).map_err(|error| error.to_string()),
    }
}

pub async fn run(arguments: Serve) -> anyhow::Result<ExitCode> {
    logging::init("info")?;
    let options = arguments.into_options();
    let shutdown = shutdown_signal()?;
    let banner = banner::Banner::new(&options);
    let on_ready = move |address: SocketAddr| {
        if std::io::stderr().is_terminal() {
            output::err(&banner.text(address));
        } else {
            banner.log(address);
        }
    };
    match postdate_local::serve(options, on_ready, shutdown).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if is_port_taken(&error) => {
            Err(anyhow!("{error:#}\n  next: stop what listens there, or take another port with --listen"))
        }
        Err(error) => Err(error),
    }
}

impl Serve {
    fn into_options(self) -> ServeOptions {
        ServeOptions {
            listen: self.listen,
            data: self.data,
            use_cases: self.use_cases,
            trust: self.trusted_keys.unwrap_or_default(),
            test_clock: self.test_clock,
            api_key: self.api_key.filter(|key| !key.trim().is_empty()),
            allow_public: self.allow_public,
            concurrency: usize::from(self.concurrency),
            grace: self.grace,
            compiler: self.limits.compiler(),
            secrets_file: self.secrets_file,
            secrets_lifetime: self.secrets_lifetime,
        }
    }
}

fn is_port_taken(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|cause| cause.kind() == io::ErrorKind::AddrInUse)
}

/// Ends with the first SIGINT or SIGTERM. From then on a SIGINT ends the process at once.
fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()> + Send + use<>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if std::io::stderr().is_terminal() {
            output::err("(Ctrl-C once more stops at once; what runs then is run again after the next start)\n");
        }
        // The server may have failed and gone already.
        let _ = stop.send(());
        interrupt.recv().await;
        tracing::warn!("interrupted again: stopped at once");
        std::process::exit(INTERRUPTED);
    });
    Ok(async move {
        // A sender that is gone means that the task above was torn down with the runtime: stop as well.
        let _ = stopped.await;
    })
}

/// The clock as the banner says it.
fn clock_text(start: TestClockStart) -> String {
    match start {
        TestClockStart::Resume => "a test clock, from where it stood".to_owned(),
        TestClockStart::At(at) => format!("a test clock, from {}", rfc3339(at)),
    }
}

#[cfg(test)]
mod tests;
