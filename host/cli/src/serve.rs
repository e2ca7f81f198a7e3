//! `postdate serve`: runs the server of `postdate-local`, with flags, variables, signals and a banner.

mod banner;

use std::future::Future;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use clap::builder::BoolishValueParser;
use postdate_core::time::{TimeError, parse_time};
use postdate_core::use_case::parse_memory;
use postdate_egress::Egress;
use postdate_local::{HostName, Retention, ServeOptions, TestClockStart, Traces};
use postdate_runtime::trust::Trust;
use postdate_runtime::{Lifetime, SecretName};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::compiler::{self, CacheQuota, CompileArguments};
use crate::{init, logging, output, when};

/// Least budget for plugins, in bytes. A plugin without an interpreter needs 1 to 2 MiB.
const MIN_MEMORY: u64 = 16 << 20;
/// Exit code after a second SIGINT: 128 plus the signal's number, as in shells.
const INTERRUPTED: i32 = 130;

const EXAMPLES: &str = "\
Examples:
  postdate serve                                    creates its directories here, and says how to begin
  POSTDATE_API_KEY=... postdate serve --listen 0.0.0.0:8080 --data /var/lib/postdate
  postdate serve --data /tmp/try --test-clock 2027-01-01T00:00:00Z
  curl http://127.0.0.1:8080/test-clock --json '{\"advance\":\"P7D\"}'

Ctrl-C or SIGTERM stops the server: running requests may finish, all others wait for the next start.
Log lines go to stderr, as JSON unless stderr is a terminal. POSTDATE_LOG filters them, with values
such as \"warn\" or \"info,postdate_local=debug\".";

/// The directories of a server, and the keys that it trusts.
#[derive(Debug, Args)]
pub struct Files {
    /// Directory for the ledger, versions of use cases, and compiled plugins
    #[arg(long, env = "POSTDATE_DATA", value_name = "DIR", default_value = ".postdate")]
    pub data: PathBuf,

    /// Directory with one directory for each use case: a bundle, or versions of one; changes are loaded at once
    #[arg(long, env = "POSTDATE_USE_CASES", value_name = "DIR", default_value = init::USE_CASES)]
    pub use_cases: PathBuf,

    /// Public keys, separated by commas, that bundles must be signed with, as `postdate key show` prints them; without any,
    /// every bundle is loaded
    #[arg(long, env = "POSTDATE_TRUSTED_KEYS", value_name = "KEYS", value_parser = Trust::parse)]
    pub trusted_keys: Option<Trust>,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Serve {
    /// Address and port; 0 for any free port
    #[arg(long, env = "POSTDATE_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    #[command(flatten)]
    files: Files,

    /// Names, separated by commas, that signed uploads must be for: see `use-case push --audience` [default: http://ADDRESS:PORT]
    #[arg(long, env = "POSTDATE_STORE_NAME", value_name = "NAMES", value_delimiter = ',')]
    store_name: Vec<String>,

    /// Run on a clock that only POST /test-clock moves; it starts at this time, or continues where it stopped
    #[arg(
        long,
        env = "POSTDATE_TEST_CLOCK",
        value_name = "TIME",
        num_args = 0..=1,
        default_missing_value = "resume",
        value_parser = test_clock
    )]
    test_clock: Option<TestClockStart>,

    /// Key that may do everything, sent as a bearer token. Prefer the variable: `ps` shows arguments to other users
    #[arg(long, env = "POSTDATE_API_KEY", hide_env_values = true, value_name = "KEY")]
    api_key: Option<String>,

    /// TOML file with API keys and their rights, which only its owner may read: see `postdate api-key new`
    #[arg(long, env = "POSTDATE_KEYS_FILE", value_name = "FILE")]
    keys_file: Option<PathBuf>,

    /// Name in the URLs by which clients call this server, such as api.example.com; repeatable. Its addresses and localhost need none
    #[arg(long = "host", env = "POSTDATE_HOST", value_name = "NAME", value_delimiter = ',', value_parser = HostName::parse)]
    hosts: Vec<HostName>,

    /// Allow an address that other machines can reach without a key
    #[arg(long, env = "POSTDATE_ALLOW_PUBLIC", value_parser = BoolishValueParser::new())]
    allow_public: bool,

    /// Processors that run at the same time, at most; as many deliveries run beside them
    #[arg(long, env = "POSTDATE_CONCURRENCY", value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    concurrency: u16,

    /// Memory of the plugins that run at the same time, such as 2GiB: a call counts with its manifest's limit, and waits
    /// until that is free [default: half of the machine's, or of the limit of its control group]
    #[arg(long, env = "POSTDATE_MEMORY", value_name = "SIZE", value_parser = memory)]
    memory: Option<u64>,

    /// Longest time that a stop waits for running requests
    #[arg(long, env = "POSTDATE_GRACE", value_name = "DURATION", default_value = "10s", value_parser = when::duration)]
    grace: Duration,

    /// Free space of the data directory's disk below which no new request is accepted, so that accepted ones still run
    #[arg(long, env = "POSTDATE_DISK_RESERVE", value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    disk_reserve: u64,

    /// Time for which requests stay in the ledger after their end, with their history and idempotency keys, from 1h to 3650d; or "forever"
    /// [default: 30d, and forever with --test-clock]
    #[arg(long, env = "POSTDATE_RETENTION", value_name = "DURATION", value_parser = retention)]
    retention: Option<Retention>,

    /// File that gets the lines of the audit log, too; it is appended to
    #[arg(long, env = "POSTDATE_AUDIT_FILE", value_name = "FILE")]
    audit_file: Option<PathBuf>,

    /// Addresses that plugins and `http` targets may connect to: networks and addresses, separated by commas, and "public" for all public
    /// ones [default: public, and loopback while the server listens there without a key]
    #[arg(long, env = "POSTDATE_ALLOW_EGRESS", value_name = "CIDR,...")]
    allow_egress: Option<Egress>,

    /// PEM file with certificate authorities that plugins and `http` targets trust besides those of the platform; may be given more than
    /// once
    #[arg(long, env = "POSTDATE_CA_FILE", value_name = "FILE", value_delimiter = ',')]
    ca_file: Vec<PathBuf>,

    #[command(flatten)]
    limits: CompileArguments,

    #[command(flatten)]
    cache: CacheQuota,

    /// Use cases that the server has, at most, before an upload of another one is refused
    #[arg(long, env = "POSTDATE_MAX_USE_CASES", value_name = "N", default_value_t = 256)]
    max_use_cases: u32,

    /// Most bytes of all versions of use cases in DATA/store, such as 16GiB; an upload beyond it is refused
    #[arg(long, env = "POSTDATE_STORE_QUOTA", value_name = "SIZE", default_value = "16GiB", value_parser = compiler::memory)]
    store_quota: u64,

    /// TOML file with the secrets of use cases, which only its owner may read; without it, secrets come from the
    /// environment (see --allow-secret)
    #[arg(long, env = "POSTDATE_SECRETS_FILE", value_name = "FILE")]
    secrets_file: Option<PathBuf>,

    /// Environment variables that use cases may have as secrets, besides those that begin with SECRET_; separated by commas, or given
    /// more than once
    #[arg(long, env = "POSTDATE_ALLOW_SECRET", value_name = "NAME", value_delimiter = ',')]
    allow_secret: Vec<SecretName>,

    /// Longest time until plugins see a changed secret, from 1s to 24h
    #[arg(long, env = "POSTDATE_SECRETS_LIFETIME", value_name = "DURATION", default_value = "5m", value_parser = secrets_lifetime)]
    secrets_lifetime: Duration,
}

fn size(text: &str) -> Result<u64, &'static str> {
    parse_memory(text).ok_or("write it as 64MiB or 1GiB")
}

/// Parses the value of `--retention`. Its bounds are those of `POSTDATE_RETENTION` on AWS.
fn retention(text: &str) -> Result<Retention, String> {
    if text == "forever" {
        return Ok(Retention::Forever);
    }
    let bounds = Duration::from_hours(1)..=Duration::from_hours(3650 * 24);
    let age = Some(when::duration(text)?).filter(|age| bounds.contains(age));
    age.map(Retention::For).ok_or_else(|| "must be from 1h to 3650d, or \"forever\"".to_owned())
}

fn secrets_lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = when::duration(text)?;
    if Lifetime::FRESH.contains(&lifetime) { Ok(lifetime) } else { Err("must be from 1s to 24h".to_owned()) }
}

fn memory(text: &str) -> Result<u64, &'static str> {
    parse_memory(text).filter(|bytes| *bytes >= MIN_MEMORY).ok_or("write it as 512MiB or 2GiB, and at least 16MiB")
}

/// Creates the directory of use cases if it is the default one. A directory that was named must exist, since a name may have a slip.
fn make_default(use_cases: &Path) -> anyhow::Result<()> {
    if use_cases == Path::new(init::USE_CASES) {
        std::fs::create_dir_all(use_cases).with_context(|| format!("cannot create the directory of use cases, {}", use_cases.display()))?;
    }
    Ok(())
}

/// Parses the value of `--test-clock`. The empty value of a variable resumes the clock.
fn test_clock(text: &str) -> Result<TestClockStart, TimeError> {
    match text {
        "" | "resume" => Ok(TestClockStart::Resume),
        text => parse_time(text).map(TestClockStart::At),
    }
}

pub async fn run(arguments: Serve) -> anyhow::Result<ExitCode> {
    let traces = Traces::from_environment()?;
    logging::init_with("info", traces.layer(), arguments.audit_file.as_deref())?;
    if traces.is_on() {
        tracing::info!("traces are exported");
    }
    let options = ServeOptions { traces: traces.clone(), ..arguments.into_options() };
    make_default(&options.use_cases)?;
    let shutdown = shutdown_signal()?;
    let banner = banner::Banner::new(&options);
    let on_ready = move |address: SocketAddr| {
        if std::io::stderr().is_terminal() {
            output::err(&banner.text(address));
        } else {
            banner.log(address);
        }
    };
    let served = postdate_local::serve(options, on_ready, shutdown).await;
    tokio::task::spawn_blocking(move || traces.shut_down()).await.context("the exporter of traces failed")?;
    match served {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if is_port_taken(&error) => {
            Err(anyhow!("{error:#}\n  next: stop the program that listens there, or choose another port with --listen"))
        }
        Err(error) => Err(error),
    }
}

impl Serve {
    fn into_options(self) -> ServeOptions {
        ServeOptions {
            listen: self.listen,
            data: self.files.data,
            use_cases: self.files.use_cases,
            trust: self.files.trusted_keys.unwrap_or_default(),
            store_names: self.store_name,
            test_clock: self.test_clock,
            api_key: self.api_key.filter(|key| !key.trim().is_empty()),
            keys_file: self.keys_file,
            hosts: self.hosts,
            allow_public: self.allow_public,
            concurrency: usize::from(self.concurrency),
            memory: self.memory,
            grace: self.grace,
            allow_egress: self.allow_egress,
            ca_files: self.ca_file,
            compiler: self.limits.compiler(),
            max_use_cases: usize::try_from(self.max_use_cases).unwrap_or(usize::MAX),
            store_quota: self.store_quota,
            cache_quota: self.cache.cache_quota,
            secrets_file: self.secrets_file,
            allow_secret: self.allow_secret,
            secrets_lifetime: self.secrets_lifetime,
            disk_reserve: self.disk_reserve,
            retention: self.retention,
            traces: Traces::default(),
        }
    }
}

fn is_port_taken(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|cause| cause.kind() == io::ErrorKind::AddrInUse)
}

/// Returns a future that ends with the first SIGINT or SIGTERM. A SIGINT after that ends the process at once.
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
            output::err("(Ctrl-C again stops at once; the next start then repeats the requests that are running now)\n");
        }
        // The receiver is gone if the server has failed already.
        let _ = stop.send(());
        interrupt.recv().await;
        tracing::warn!("second interrupt: stopping at once");
        std::process::exit(INTERRUPTED);
    });
    Ok(async move {
        // The sender is dropped if the runtime shuts down: stop then as well.
        let _ = stopped.await;
    })
}

#[cfg(test)]
mod tests;
