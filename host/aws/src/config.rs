//! Configuration from environment variables. [`Config::from_env`] checks all of them and reports all errors together.

mod check;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use check::Reader;
use postdate_egress::Egress;
use postdate_logging::LogFilter;
use postdate_runtime::trust::Trust;
use postdate_runtime::{Lifetime, SecretName};
use postdate_store::StoreLocation;

/// Default of `POSTDATE_USE_CASES`: the layer's directory if it exists, else the package's.
const LAYER_DIR: &str = "/opt/use-cases";
const PACKAGE_DIR: &str = "/var/task/use-cases";

/// The services that the hosts call, as `AWS_ENDPOINT_URL_<SERVICE>` names them.
pub const SERVICES: [&str; 10] = ["DYNAMODB", "EVENTBRIDGE", "LAMBDA", "S3", "SCHEDULER", "SECRETS_MANAGER", "SFN", "SNS", "SQS", "SSM"];

/// The configuration of a host. An empty variable counts as not set.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ENDPOINT_URL_<SERVICE>`, else `AWS_ENDPOINT_URL`, by the names in [`SERVICES`]; AWS's own where neither is set.
    pub endpoints: BTreeMap<&'static str, String>,
    /// `POSTDATE_TABLE`: name of the ledger's DynamoDB table.
    pub table: String,
    /// `POSTDATE_USE_CASES`: the store of use cases.
    pub use_cases: StoreLocation,
    /// `POSTDATE_TRUSTED_KEYS`: public keys. Only bundles signed by one of them are loaded; without a key, all bundles are.
    pub trust: Trust,
    /// `POSTDATE_PREFETCH`: use cases of a bucket that are loaded before the first request. A directory's use cases are all loaded.
    pub prefetch: Vec<String>,
    /// `POSTDATE_SECRETS`: the source of the use cases' secrets.
    pub secrets: SecretLocation,
    /// `POSTDATE_ALLOW_SECRET`: environment variables that use cases may have as secrets, besides those that begin with `SECRET_`.
    pub allow_secret: Vec<SecretName>,
    /// `POSTDATE_SECRETS_LIFETIME`: time for which a secret is cached.
    pub secrets_lifetime: Duration,
    /// `POSTDATE_ALLOW_EGRESS`: addresses that plugins and `http` targets may connect to; by default all public ones.
    pub allow_egress: Egress,
    /// `POSTDATE_CA_FILE`: PEM files, separated by commas, with certificate authorities to trust besides those of the platform.
    pub ca_files: Vec<PathBuf>,
    /// `POSTDATE_TARGET_ARN`: the target host, to which rules and one-time schedules point.
    pub target_arn: String,
    /// `POSTDATE_QUEUE_URL`: the delay queue; without one, requests fire on whole minutes.
    pub queue_url: Option<String>,
    /// `POSTDATE_HOSTS`: other target hosts, by the name that a use case gives as `host`.
    pub hosts: BTreeMap<String, HostAddress>,
    /// `POSTDATE_DELIVERY_TARGETS`: ARNs, or patterns of ARNs, that use cases may name as targets; none by default.
    pub delivery_targets: Vec<String>,
    /// `POSTDATE_SCHEDULER`, `POSTDATE_SCHEDULE_GROUP` and `POSTDATE_SCHEDULER_ROLE_ARN`: the services that fire requests.
    pub scheduler: Backend,
    /// `POSTDATE_PREFIX`: prefix of the names of rules and one-time schedules.
    pub prefix: String,
    /// `POSTDATE_DEAD_LETTER_ARN`: the queue for events that could not be delivered.
    pub dead_letter_arn: String,
    /// `POSTDATE_TOPIC_ARN`: the topic for notifications.
    pub topic_arn: Option<String>,
    /// `POSTDATE_MAX_EVENT_AGE`: time for which EventBridge tries to deliver an event, 1 minute to 24 hours.
    pub max_event_age: Duration,
    /// `POSTDATE_RETENTION`: time for which finished requests stay in the ledger, 1 hour to 3650 days.
    pub retention: Duration,
    /// `POSTDATE_BASE_PATH`: `""`, or a path such as `/v1`. `None` means the stage of API Gateway.
    pub base_path: Option<String>,
    /// `POSTDATE_OWNER_CLAIM` and `POSTDATE_SCOPE_CLAIM`: the authorizer's claims that say who calls, and with which rights.
    pub claims: CallerClaims,
    /// `POSTDATE_LOG`: filter of the log.
    pub log: LogFilter,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, which Lambda sets: memory of the function, in bytes.
    pub function_memory: Option<u64>,
}

/// Names of claims. Without a name, the authorizer's consent gives every right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerClaims {
    /// The claim with the name of the caller, who owns the requests that it makes.
    pub owner: Option<String>,
    /// The claim with the scopes, such as `postdate:submit postdate:read`.
    pub scopes: Option<String>,
}

/// The source of secrets. In an AWS service, the secret of a use case has the name `{prefix}{use case}/{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretLocation {
    /// `env`: environment variables of the function.
    Environment,
    /// `ssm:/postdate-secrets/`: parameters of SSM Parameter Store.
    Parameters { prefix: String },
    /// `secretsmanager:postdate-secrets/`: secrets of Secrets Manager.
    SecretsManager { prefix: String },
}

/// Another target host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostAddress {
    pub arn: String,
    /// URL of the host's delay queue, if it has one.
    #[serde(default)]
    pub queue_url: Option<String>,
}

/// The AWS services that deliver requests at their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Rules of EventBridge's default bus; and where EventBridge Scheduler is, for requests that have a schedule from before.
    Rules(Option<ScheduleService>),
    /// One-time schedules of EventBridge Scheduler.
    Schedules(ScheduleService),
    /// Rules, and one-time schedules where the bus takes no further rule.
    Auto(ScheduleService),
}

impl Backend {
    pub fn schedules(&self) -> Option<&ScheduleService> {
        match self {
            Self::Rules(service) => service.as_ref(),
            Self::Schedules(service) | Self::Auto(service) => Some(service),
        }
    }
}

/// The group of EventBridge Scheduler's schedules, and the role that it assumes for targets without a role of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleService {
    pub group: String,
    pub role_arn: String,
}

/// A variable that is missing, or whose value is not of the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {}; it should be {expected}", value.as_ref().map_or("is not set".to_owned(), |value| format!("is {value:?}")))]
pub struct ConfigError {
    pub variable: String,
    /// `None` where the variable is not set.
    pub value: Option<String>,
    pub expected: ExpectedForm,
}

/// The form that a value should have, and what is wrong with the value where that is not obvious.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{form}{}", detail.as_ref().map_or(String::new(), |detail| format!(" ({detail})")))]
pub struct ExpectedForm {
    pub form: &'static str,
    pub detail: Option<String>,
}

/// All errors of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has errors: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl Config {
    /// Reads the variables through `get`, such as `|name| std::env::var(name).ok()`. Fails with the errors of all variables.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut read = Reader::new(&get);
        let config = Self {
            region: read.required("AWS_REGION", check::region),
            endpoints: read.endpoints(),
            table: read.required("POSTDATE_TABLE", check::table),
            use_cases: read.optional("POSTDATE_USE_CASES", check::store_location).unwrap_or_else(default_location),
            trust: read.optional("POSTDATE_TRUSTED_KEYS", check::trusted_keys).unwrap_or_default(),
            prefetch: read.optional("POSTDATE_PREFETCH", check::use_case_names).unwrap_or_default(),
            secrets: read.optional("POSTDATE_SECRETS", check::secrets).unwrap_or(SecretLocation::Environment),
            allow_secret: read.optional("POSTDATE_ALLOW_SECRET", check::secret_names).unwrap_or_default(),
            secrets_lifetime: read
                .optional("POSTDATE_SECRETS_LIFETIME", check::secrets_lifetime)
                .unwrap_or_else(|| Lifetime::default().fresh),
            allow_egress: read.optional("POSTDATE_ALLOW_EGRESS", check::egress).unwrap_or_default(),
            ca_files: read.optional("POSTDATE_CA_FILE", check::files).unwrap_or_default(),
            target_arn: read.required("POSTDATE_TARGET_ARN", check::function_arn),
            queue_url: read.optional("POSTDATE_QUEUE_URL", check::queue_url),
            hosts: read.optional("POSTDATE_HOSTS", check::hosts).unwrap_or_default(),
            delivery_targets: read.optional("POSTDATE_DELIVERY_TARGETS", check::delivery_targets).unwrap_or_default(),
            scheduler: read.backend(),
            prefix: read.optional("POSTDATE_PREFIX", check::prefix).unwrap_or_else(|| "postdate-".to_owned()),
            dead_letter_arn: read.required("POSTDATE_DEAD_LETTER_ARN", check::queue_arn),
            topic_arn: read.optional("POSTDATE_TOPIC_ARN", check::topic_arn),
            max_event_age: read.optional("POSTDATE_MAX_EVENT_AGE", check::max_event_age).unwrap_or(Duration::from_hours(1)),
            retention: read.optional("POSTDATE_RETENTION", check::retention).unwrap_or(Duration::from_hours(30 * 24)),
            base_path: read.optional("POSTDATE_BASE_PATH", check::base_path),
            claims: CallerClaims {
                owner: read.optional("POSTDATE_OWNER_CLAIM", check::claim),
                scopes: read.optional("POSTDATE_SCOPE_CLAIM", check::claim),
            },
            log: read.optional("POSTDATE_LOG", check::log_filter).unwrap_or_default(),
            function_memory: read.optional("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", check::mebibytes),
        };
        read.finish(config)
    }
}

fn default_location() -> StoreLocation {
    let layer = Path::new(LAYER_DIR);
    StoreLocation::Directory(if layer.is_dir() { layer } else { Path::new(PACKAGE_DIR) }.to_owned())
}

#[cfg(test)]
mod tests;
