//! What every Lambda is made of.

use postdate_runtime::{Options, Runtime, RuntimeError};
use postdate_store::{AnyObjects, Directory, S3};

use crate::clients::Clients;
use crate::clock::now;
use crate::config::{Config, ConfigErrors, StoreLocation};
use crate::ledger::DynamoLedger;
use crate::logs;
use crate::metrics::Service;
use crate::schedule::{AwsScheduler, ScheduleSettings};
use crate::secrets;
use crate::use_cases::{AwsUseCases, VersionLoader};

/// Where bundles from a bucket are kept, below the directory for temporary files; Lambda gives each environment a `/tmp` of its own.
const CACHE_DIR: &str = "postdate";
/// Calls of plugins at the same time. Lambda sends one request at a time; a batch from the delay queue may run two.
const SLOTS: u32 = 2;
/// Most bytes of linear memory that a manifest may ask for.
const MAX_MEMORY_BYTES: u64 = 1 << 30;

/// The adapters, by one configuration. Clones of each share what it holds.
pub struct Host {
    pub config: Config,
    pub clients: Clients,
    pub use_cases: AwsUseCases,
    pub ledger: DynamoLedger,
    pub scheduler: AwsScheduler,
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("loading the use cases was cut off: {0}")]
    Load(#[from] tokio::task::JoinError),
}

impl Host {
    /// What each of the three programs begins with: configuration and logs, then all that can be done before the first request.
    /// An error has been logged.
    pub async fn from_env(service: Service) -> Result<Self, HostError> {
        let config = Config::from_env(|name| std::env::var(name).ok());
        logs::start(config.as_ref().map(|config| config.log.clone()).unwrap_or_default());
        let host = match config {
            Ok(config) => Self::start(config, service).await,
            Err(errors) => Err(errors.into()),
        };
        if let Err(error) = &host {
            tracing::error!(%error, "cannot start");
        }
        host
    }

    /// Use cases are loaded, and the connection to the ledger is open. What fails of that is logged, and told to the request that
    /// needs it.
    async fn start(config: Config, service: Service) -> Result<Self, HostError> {
        let clients = Clients::new(&config);
        let ledger = DynamoLedger::new(clients.dynamodb(), &config.table, config.retention);
        let (rules, queues) = (clients.lazy(Clients::eventbridge), clients.lazy(Clients::sqs));
        let scheduler = AwsScheduler::new(settings(&config), rules, clients.lazy(Clients::scheduler), queues, now);
        // Each takes a processor for milliseconds: the engine with the plugins, and the certificates for the first connection.
        let loading = {
            let (config, clients, scheduler) = (config.clone(), clients.clone(), scheduler.clone());
            let tasks = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || {
                let use_cases = tasks.block_on(load(&config, &clients, service));
                scheduler.prepare();
                use_cases
            })
        };
        let (warmed, use_cases) = tokio::join!(ledger.warm(), loading);
        if let Err(error) = warmed {
            tracing::warn!(%error, "the ledger cannot be reached yet");
        }
        Ok(Self { use_cases: use_cases??, config, clients, ledger, scheduler })
    }
}

async fn load(config: &Config, clients: &Clients, service: Service) -> Result<AwsUseCases, RuntimeError> {
    let runtime = Runtime::new(Options { slots: SLOTS, max_memory: MAX_MEMORY_BYTES, ..Options::default() })?;
    let objects = match &config.use_cases {
        StoreLocation::Directory(root) => AnyObjects::Directory(Directory::new(root)),
        StoreLocation::S3 { bucket, prefix } => AnyObjects::S3(S3::new(clients.s3(), bucket, prefix)),
    };
    let (cache, secrets) = (std::env::temp_dir().join(CACHE_DIR), secrets::open(config, clients));
    let loader = VersionLoader::new(objects, config.trust.clone(), cache, runtime, secrets, service);
    let use_cases = AwsUseCases::new(loader, service);
    use_cases.prefetch(&config.prefetch).await;
    Ok(use_cases)
}

fn settings(config: &Config) -> ScheduleSettings {
    ScheduleSettings {
        prefix: config.prefix.clone(),
        target_arn: config.target_arn.clone(),
        queue_url: config.queue_url.clone(),
        hosts: config.hosts.clone(),
        backend: config.scheduler.clone(),
        dead_letter_arn: config.dead_letter_arn.clone(),
        max_event_age: config.max_event_age,
    }
}
