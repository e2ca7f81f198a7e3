//! Postdate on one machine: the core's API over HTTP, the ledger in SQLite, the timer in the same process.
//!
//! Acknowledged requests survive `kill -9` and a power cut.

mod backup;
mod catalog;
mod clock;
mod data_dir;
pub mod keys;
pub mod ledger;
mod maintenance;
mod memory;
mod metrics;
mod pinned;
pub mod private_file;
mod restore;
mod retention;
mod secrets;
mod server;
mod supervise;
mod test_clock;
mod timer;
mod traces;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use postdate_core::api::Api;
use postdate_core::time;
use postdate_deliver::HttpDeliver;
use postdate_egress::{Egress, Network, read_authorities};
use postdate_runtime::trust::Trust;
use postdate_runtime::{CallObserver, CompileWith, Options, Runtime, SecretName, Secrets, without_reserve};
use tokio_util::sync::CancellationToken;

pub use backup::{BackedUp, back_up};
pub use catalog::Prepared;
use catalog::{Catalog, CatalogOptions, Quotas};
use clock::Clock;
use data_dir::{LEDGER_FILE, STORE_DIR};
use ledger::SqliteLedger;
pub use maintenance::{compact, resume, stats};
pub use restore::{Restore, Restored, restore};
pub use retention::Retention;
use server::auth::Auth;
use server::fair_semaphore::FairSemaphore;
use server::{App, ConnectionLimits};
pub use server::{HostName, check_host};
use supervise::Fatal;
use test_clock::TestClock;
use timer::{Timer, TimerHandle};
pub use traces::Traces;

/// Least number of plugins of each role that run at the same time.
const MIN_SLOTS: usize = 64;
/// Budget for plugins on a machine that does not tell its memory, in bytes.
const UNKNOWN_MEMORY: u64 = 2 << 30;
/// How long the start waits for the use cases before it serves calls and runs due requests. Loading takes a small part of that if no
/// plugin has to be compiled.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// How long the start waits for new plugins before it reports that it is ready. The server answers calls meanwhile. Compiling a
/// plugin that contains an interpreter takes tens of seconds.
const START_WAIT: Duration = Duration::from_mins(1);
/// Directory of the data directory with machine code.
const CACHE_DIR: &str = "compiled";
/// Name of the ledger's setting that says which kind of clock a data directory belongs to.
const CLOCK_SETTING: &str = "clock";
/// Value of [`CLOCK_SETTING`] for a test clock.
const TEST_CLOCK: &str = "test";

/// Options of [`serve`].
#[derive(Debug, Clone)]
pub struct ServeOptions {
    pub listen: SocketAddr,
    /// Directory for the ledger, compiled plugins and former versions. Created if missing.
    pub data: PathBuf,
    /// A directory with one directory per use case. Each of these has a bundle, or versions of one.
    pub use_cases: PathBuf,
    /// Keys whose bundles are loaded.
    pub trust: Trust,
    /// Names that signed uploads are for. Empty stands for the URL of the listening address.
    pub store_names: Vec<String>,
    pub test_clock: Option<TestClockStart>,
    /// Key that may do everything.
    pub api_key: Option<String>,
    /// The file with further keys and their rights.
    pub keys_file: Option<PathBuf>,
    /// Names, beside its addresses and `localhost`, by which clients call the server.
    pub hosts: Vec<HostName>,
    /// Allows an address that other machines can reach without an API key.
    pub allow_public: bool,
    /// Maximum number of processors that run at the same time, and of deliveries.
    pub concurrency: usize,
    /// Budget for the memory of plugins that run at the same time, in bytes. `None` takes half of what this machine, or the control group
    /// of this process, has.
    pub memory: Option<u64>,
    /// How long a stop waits for running requests.
    pub grace: Duration,
    /// Addresses that plugins and `http` targets may connect to. `None` means public ones, and loopback if the server listens there
    /// without a key.
    pub allow_egress: Option<Egress>,
    /// PEM files with certificate authorities to trust besides those of the platform.
    pub ca_files: Vec<PathBuf>,
    /// How plugins are compiled. A server must not compile in its own process.
    pub compiler: CompileWith,
    /// Most use cases that uploads may make, together with those of `use_cases`.
    pub max_use_cases: usize,
    /// Most bytes of the store of use cases. An upload beyond it is refused.
    pub store_quota: u64,
    /// Most bytes of the cache of machine code. An upload with which the versions that serve have more is refused.
    pub cache_quota: u64,
    /// The file with secrets of use cases. `None` takes them from the environment.
    pub secrets_file: Option<PathBuf>,
    /// Environment variables that use cases may have as secrets, besides those that begin with `SECRET_`.
    pub allow_secret: Vec<SecretName>,
    /// How long a secret is cached. A changed secret reaches plugins after this time at the latest.
    pub secrets_lifetime: Duration,
    /// Free bytes of the data directory's disk below which no new request is accepted.
    pub disk_reserve: u64,
    /// How long ended requests are kept. `None` means 30 days, and for ever on a test clock, which can pass years in a moment.
    pub retention: Option<Retention>,
    /// Makes the spans of calls and attempts. The caller installs its layer, and shuts it down.
    pub traces: Traces,
}

/// The start time of a test clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestClockStart {
    /// The clock's time at the last stop, or the current time at the first start.
    Resume,
    At(DateTime<Utc>),
}

/// Serves until `shutdown`. Calls `on_ready` with the listening address once all use cases are loaded, or after a minute. While a
/// use case is being compiled, the others serve. Fails if a part of the server panics.
pub async fn serve(
    options: ServeOptions,
    on_ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let auth = open_auth(&options)?;
    let secrets = secrets::open(options.secrets_file, options.allow_secret, options.secrets_lifetime)?;
    let network = network(options.allow_egress, &options.ca_files, !auth.has_keys() && options.listen.ip().is_loopback())?;
    let _lock = data_dir::open(&options.data)?;
    // Bind first, so that a second server on the port fails before it does anything else.
    let listener = tokio::net::TcpListener::bind(options.listen).await.with_context(|| format!("cannot listen on {}", options.listen))?;

    let fatal = Fatal::default();
    let ledger = SqliteLedger::open_with(&options.data.join(LEDGER_FILE), options.disk_reserve, fatal.clone())?;
    let clock = choose_clock(&ledger, options.test_clock).await?;
    let concurrency = options.concurrency.max(1);
    let slots = u32::try_from(concurrency.max(MIN_SLOTS)).unwrap_or(u32::MAX);
    let memory = options.memory.unwrap_or_else(|| memory::available().map_or(UNKNOWN_MEMORY, |bytes| bytes / 2));
    tracing::info!(mebibytes = memory >> 20, "memory for plugins");
    let cache = Some(options.data.join(CACHE_DIR));
    let runtime = Runtime::new(Options {
        slots,
        // A use case that asks for the reserve too does not load, because it would keep all others waiting.
        max_memory: without_reserve(memory).min(Options::default().max_memory),
        memory,
        cache,
        cache_quota: options.cache_quota,
        compiler: options.compiler,
        network: network.clone(),
        observer: CallObserver::to({
            let metrics = ledger.metrics().clone();
            move |called| metrics.called(called)
        }),
        ..Options::default()
    })?;
    let address = listener.local_addr()?;
    let names = if options.store_names.is_empty() { vec![format!("http://{address}")] } else { options.store_names };
    let catalog = CatalogOptions {
        directory: options.use_cases,
        store: options.data.join(STORE_DIR),
        quotas: Quotas { use_cases: options.max_use_cases, store_bytes: options.store_quota, loaded_bytes: options.cache_quota },
        trust: options.trust,
        names,
    };
    let catalog = Catalog::open(runtime, secrets.clone(), catalog)?;

    let wake = TimerHandle::new(ledger.paused().clone());
    let deliver = HttpDeliver::new(clock.clone(), network, secrets).context("cannot make the HTTP client")?;
    let stop = CancellationToken::new();
    let retention = retention::run(ledger.clone(), clock.clone(), options.retention, stop.clone());
    let timer = Timer::new(ledger.clone(), catalog.clone(), deliver, clock.clone(), wake.clone(), options.traces.clone(), concurrency);
    let api = Api { use_cases: catalog.clone(), ledger: ledger.clone(), scheduler: wake.clone(), base_path: String::new() };
    let app = App {
        api,
        auth,
        test_clock: TestClock::new(ledger.clone(), wake, &clock),
        clock,
        scratch: options.data.clone(),
        limits: ConnectionLimits::of(concurrency),
        names: options.hosts,
        batches: FairSemaphore::new(server::BATCHES),
        waits: FairSemaphore::new(ConnectionLimits::of(concurrency).connections / 2),
        traces: options.traces,
    };

    let watcher = fatal.task("watcher of the use cases", &stop, catalog.clone().watch(stop.clone()));
    let mut shutdown = std::pin::pin!(async {
        tokio::select! {
            () = shutdown => {}
            _ = fatal.reported() => {}
        }
    });
    if unless(shutdown.as_mut(), has_use_cases(&catalog, ANSWER_WAIT)).await.is_none() {
        stop.cancel();
        check(&fatal)?;
        return watcher.await.context("the watcher of the use cases failed");
    }
    let timer = fatal.task("timer", &stop, timer.run(stop.clone(), options.grace));
    let retention = fatal.task("retention", &stop, retention);
    let serving = fatal.task("HTTP server", &stop, server::serve(listener, app, stop.clone()));
    if let Some(all) = unless(shutdown.as_mut(), has_use_cases(&catalog, START_WAIT)).await {
        if !all {
            tracing::warn!("some use cases are still being compiled: they answer 503 until they are loaded, and the others serve");
        }
        on_ready(address);
        shutdown.await;
    }
    // Running requests run again at the next start, and no call may wait for a part of the server that is gone.
    check(&fatal)?;
    tracing::info!("stopping: no new requests are started; running ones have {:?} to finish", options.grace);
    stop.cancel();
    ledger.stop_waiting();
    // A client that does not finish its request must not delay the stop for ever.
    if let Ok(served) = tokio::time::timeout(options.grace, serving).await {
        served.context("the HTTP server failed")?;
    } else {
        tracing::warn!("stopped with open connections: their requests did not end within {:?}", options.grace);
    }
    timer.await.context("the timer failed")?;
    retention.await.context("the retention failed")?;
    watcher.await.context("the watcher of the use cases failed")?;
    check(&fatal)
}

/// Opens the keys. Fails if other machines can reach the server without a key, or with one that can be guessed.
fn open_auth(options: &ServeOptions) -> anyhow::Result<Auth> {
    let is_loopback = options.listen.ip().is_loopback();
    let auth = Auth::open(options.api_key.as_deref(), options.keys_file.clone(), is_loopback)?;
    anyhow::ensure!(
        auth.has_keys() || is_loopback || options.allow_public,
        "{} can be reached from other machines, and there is no API key: name a --keys-file, set POSTDATE_API_KEY, or say --allow-public",
        options.listen
    );
    let is_weak = |key: &String| !key.trim().is_empty() && keys::strength(key) < keys::MIN_BITS;
    anyhow::ensure!(
        is_loopback || !options.api_key.as_ref().is_some_and(is_weak),
        "{} can be reached from other machines, and POSTDATE_API_KEY has fewer than {} bits: make a key with `postdate api-key new`, or set \
         POSTDATE_API_KEY to 32 random hexadecimal digits",
        options.listen,
        keys::MIN_BITS
    );
    Ok(auth)
}

/// Fails if a part of the server has failed.
fn check(fatal: &Fatal) -> anyhow::Result<()> {
    match fatal.get() {
        Some(what) => anyhow::bail!("{what}, which is a defect of the server: start it again, and report the panic in its log"),
        None => Ok(()),
    }
}

/// Options of [`fill_cache`]; the same as those of the server.
#[derive(Debug, Clone)]
pub struct CacheOptions {
    pub data: PathBuf,
    pub use_cases: PathBuf,
    pub trust: Trust,
    pub compiler: CompileWith,
    pub cache_quota: u64,
}

/// Compiles every version of a server's use cases into its cache of machine code. Needs no secret. A server, also one of another
/// release, may use the data directory meanwhile.
pub async fn fill_cache(options: CacheOptions, on_end: impl FnMut(Prepared)) -> anyhow::Result<()> {
    anyhow::ensure!(options.data.is_dir(), "there is no data directory {}: name it with --data", options.data.display());
    let cache = Some(options.data.join(CACHE_DIR));
    // The number of slots is no part of the machine code.
    let runtime = Options { slots: 1, cache, cache_quota: options.cache_quota, compiler: options.compiler, ..Options::default() };
    let catalog = CatalogOptions {
        directory: options.use_cases,
        store: options.data.join(STORE_DIR),
        // Takes no uploads.
        quotas: Quotas { use_cases: 0, store_bytes: 0, loaded_bytes: 0 },
        trust: options.trust,
        names: Vec::new(),
    };
    let secrets = Secrets::of(|_| Some(String::new()));
    Catalog::open(Runtime::new(runtime)?, secrets, catalog)?.prepare(on_end).await
}

/// Returns the network of plugins and targets. `is_laptop` is true if nobody but this machine's users can reach the server.
fn network(allowed: Option<Egress>, ca_files: &[PathBuf], is_laptop: bool) -> anyhow::Result<Network> {
    let egress = allowed.unwrap_or_else(|| if is_laptop { Egress::laptop() } else { Egress::default() });
    let authorities = read_authorities(ca_files)?;
    tracing::info!(egress = %egress, "outgoing connections of plugins and targets may go to these addresses");
    Ok(Network::new(egress, authorities))
}

/// Waits up to `within` for all use cases to be loaded or refused. Returns whether they were.
async fn has_use_cases(catalog: &Catalog, within: Duration) -> bool {
    tokio::time::timeout(within, catalog.settled()).await.is_ok()
}

/// Returns the output of `work`, or `None` if `stop` ends first.
async fn unless<T>(stop: Pin<&mut (impl Future<Output = ()> + Send)>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = stop => None,
        output = work => Some(output),
    }
}

/// Returns the server's clock. Fails if the ledger has requests and belongs to the other kind of clock: a test clock would run next
/// week's real requests today.
async fn choose_clock(ledger: &SqliteLedger, test: Option<TestClockStart>) -> anyhow::Result<Clock> {
    let wanted = if test.is_some() { TEST_CLOCK } else { "system" };
    match ledger.setting(CLOCK_SETTING).await?.as_deref() {
        Some(clock) if clock == wanted => {}
        Some(clock) if !ledger.is_empty().await? => {
            anyhow::bail!(
                "the data directory holds requests of a server on the {clock} clock, and this one is on the {wanted} clock: name another with --data"
            )
        }
        _ => ledger.set_setting(CLOCK_SETTING, wanted.to_owned()).await?,
    }
    let start = match test {
        None => return Ok(Clock::System),
        Some(TestClockStart::At(start)) => start,
        Some(TestClockStart::Resume) => TestClock::stood(ledger).await?.unwrap_or_else(|| Clock::System.now()),
    };
    let start = time::ceil_to_millis(start);
    ledger.set_setting(test_clock::SETTING, time::rfc3339(start)).await?;
    Ok(Clock::test(start))
}
