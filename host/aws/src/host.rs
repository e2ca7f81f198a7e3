//! The configuration and the adapters that all three Lambdas share.

use postdate_egress::{AuthoritiesError, Network, read_authorities};
use postdate_runtime::{Options, Runtime, RuntimeError, Secrets};
use postdate_store::{AnyObjects, Directory, S3, StoreLocation};

use crate::clients::Clients;
use crate::clock::now;
use crate::config::{Config, ConfigErrors};
use crate::ledger::DynamoLedger;
use crate::logs;
use crate::metrics::Service;
use crate::pauses::KnownPauses;
use crate::schedule::{AwsScheduler, ScheduleSettings};
use crate::secrets;
use crate::use_cases::{AwsUseCases, VersionLoader};
use crate::xray::spans;

/// Cache of bundles from a bucket, below the directory for temporary files. Lambda gives each environment its own `/tmp`.
const CACHE_DIR: &str = "postdate";
/// Plugin calls that run at the same time. Lambda sends one event at a time. The target's event may be a batch of ten from the delay
/// queue, which may all be of one use case, and one use case may take half of the slots. The function's memory is a further bound.
const TARGET_SLOTS: u32 = 20;
const SLOTS: u32 = 3;
/// Memory of a function that plugins do not get, in bytes: for the program, its connections, and the plugins' machine code.
const HOST_MEMORY_BYTES: u64 = 128 << 20;
/// Largest linear memory that a manifest may request, in bytes.
const MAX_MEMORY_BYTES: u64 = 1 << 30;

/// The adapters, built from one configuration. Clones of an adapter share its clients and caches.
pub struct Host {
    pub config: Config,
    pub clients: Clients,
    pub use_cases: AwsUseCases,
    pub secrets: Secrets,
    pub ledger: DynamoLedger,
    pub pauses: KnownPauses,
    pub scheduler: AwsScheduler,
    pub network: Network,
}

/// A Lambda could not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Authorities(#[from] AuthoritiesError),
    #[error("loading the use cases was cut off")]
    Load(#[from] tokio::task::JoinError),
}

impl Host {
    /// Reads the configuration, starts logs and traces, and does all work that is possible before the first request. Logs an error before
    /// it returns it.
    pub async fn from_env(service: Service) -> Result<Self, HostError> {
        let config = Config::from_env(|name| std::env::var(name).ok());
        let spans = std::env::var(spans::DAEMON).ok().and_then(|daemon| spans::layer(&daemon));
        logs::start(config.as_ref().map(|config| config.log.clone()).unwrap_or_default(), spans);
        let host = match config {
            Ok(config) => Self::start(config, service).await,
            Err(errors) => Err(errors.into()),
        };
        if let Err(error) = &host {
            tracing::error!(%error, "the function cannot start");
        }
        host
    }

    /// Loads the use cases and opens the connection to the ledger. If either fails, logs the failure; a request that needs it fails
    /// later.
    async fn start(config: Config, service: Service) -> Result<Self, HostError> {
        let clients = Clients::new(&config);
        let network = Network::new(config.allow_egress.clone(), read_authorities(&config.ca_files)?);
        let ledger = DynamoLedger::new(clients.dynamodb(), &config.table, config.retention, now);
        let (rules, queues) = (clients.lazy(Clients::eventbridge), clients.lazy(Clients::sqs));
        let scheduler = AwsScheduler::new(settings(&config), rules, clients.lazy(Clients::scheduler), queues, now);
        // Loading the plugins and parsing the certificates each take milliseconds of processor time, so they run beside the
        // ledger's first read.
        let secrets = secrets::open(&config, &clients);
        let loading = {
            let (config, clients, scheduler) = (config.clone(), clients.clone(), scheduler.clone());
            let (network, secrets) = (network.clone(), secrets.clone());
            let tasks = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || {
                let use_cases = tasks.block_on(load(&config, &clients, network, secrets, service));
                scheduler.prepare();
                use_cases
            })
        };
        let pauses = KnownPauses::default();
        // A read opens the connection. The target host reads what it needs first.
        let warming = async {
            match service {
                Service::Target => pauses.get(&ledger, now()).await.map(drop),
                Service::Processor | Service::Janitor => ledger.warm().await,
            }
        };
        let (warmed, use_cases) = tokio::join!(warming, loading);
        if let Err(error) = warmed {
            tracing::warn!(%error, "the ledger cannot be reached yet");
        }
        Ok(Self { use_cases: use_cases??, secrets, config, clients, ledger, pauses, scheduler, network })
    }
}

async fn load(
    config: &Config,
    clients: &Clients,
    network: Network,
    secrets: Secrets,
    service: Service,
) -> Result<AwsUseCases, RuntimeError> {
    let slots = if service == Service::Target { TARGET_SLOTS } else { SLOTS };
    // Lambda ends a function that needs more memory than it has, with all requests of its batch.
    let memory = config.function_memory.map_or(u64::MAX, |all| all.saturating_sub(HOST_MEMORY_BYTES));
    let runtime = Runtime::new(Options { slots, max_memory: MAX_MEMORY_BYTES, memory, network, ..Options::default() })?;
    let objects = match &config.use_cases {
        StoreLocation::Directory(root) => AnyObjects::Directory(Directory::new(root)),
        StoreLocation::S3 { bucket, prefix } => AnyObjects::S3(S3::new(clients.s3(), bucket, prefix)),
    };
    let cache = std::env::temp_dir().join(CACHE_DIR);
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
        delivery_targets: config.delivery_targets.clone(),
        backend: config.scheduler.clone(),
        dead_letter_arn: config.dead_letter_arn.clone(),
        max_event_age: config.max_event_age,
    }
}
