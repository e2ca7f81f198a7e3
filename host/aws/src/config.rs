//! Configuration from environment variables, all checked at start, all faults told at once.

mod check;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use check::Reader;
use postdate_runtime::Lifetime;
use postdate_runtime::trust::Trust;

/// Looked at in this order where `POSTDATE_USE_CASES` is not set: a layer, then the package itself.
const LAYER_DIR: &str = "/opt/use-cases";
const PACKAGE_DIR: &str = "/var/task/use-cases";

/// Services that have a client here, as `AWS_ENDPOINT_URL_<SERVICE>` calls them.
pub const SERVICES: [&str; 10] = ["DYNAMODB", "EVENTBRIDGE", "LAMBDA", "S3", "SCHEDULER", "SECRETS_MANAGER", "SFN", "SNS", "SQS", "SSM"];

/// What the environment says; empty variables count as not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ENDPOINT_URL_<SERVICE>`, else `AWS_ENDPOINT_URL`; by the names in [`SERVICES`]. Where there is none: AWS.
    pub endpoints: BTreeMap<&'static str, String>,
    /// `POSTDATE_TABLE`: name of the ledger's DynamoDB table.
    pub table: String,
    /// `POSTDATE_USE_CASES`.
    pub use_cases: Place,
    /// `POSTDATE_TRUSTED_KEYS`: the public keys whose bundles are loaded; without them, every bundle.
    pub trust: Trust,
    /// `POSTDATE_PREFETCH`: names of use cases of a bucket that are loaded before the first request. Those of a directory are all.
    pub prefetch: Vec<String>,
    /// `POSTDATE_SECRETS`: where the secrets of use cases are.
    pub secrets: SecretPlace,
    /// `POSTDATE_SECRETS_LIFETIME`: the next call of a plugin after this sees a secret that has changed.
    pub secrets_lifetime: Duration,
    /// `POSTDATE_TARGET_ARN`: where rules and schedules point.
    pub target_arn: String,
    /// `POSTDATE_QUEUE_URL`: the delay queue; without one, requests are fired on whole minutes.
    pub queue_url: Option<String>,
    /// `POSTDATE_HOSTS`: other target hosts, by the name that a use case's `host` has.
    pub hosts: BTreeMap<String, HostAddress>,
    /// `POSTDATE_SCHEDULER`, `POSTDATE_SCHEDULE_GROUP`, `POSTDATE_SCHEDULER_ROLE_ARN`.
    pub scheduler: Backend,
    /// `POSTDATE_PREFIX`: what the names of rules and schedules begin with.
    pub prefix: String,
    /// `POSTDATE_DEAD_LETTER_ARN`: the queue for events that could not be delivered.
    pub dead_letter_arn: String,
    /// `POSTDATE_TOPIC_ARN`: where notifications go, if anywhere.
    pub topic_arn: Option<String>,
    /// `POSTDATE_MAX_EVENT_AGE`: how long delivery of an event is tried.
    pub max_event_age: Duration,
    /// `POSTDATE_RETENTION`: how long finished requests stay in the ledger.
    pub retention: Duration,
    /// `POSTDATE_BASE_PATH`, `""` or such as `/v1`; none where it is to follow the stage of API Gateway.
    pub base_path: Option<String>,
    /// `POSTDATE_LOG`: in the syntax of `tracing_subscriber::filter::Targets`.
    pub log: String,
}

/// Where use cases come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Directory(PathBuf),
    /// Keys are `{prefix}/{use case}/…`; the prefix has no slash at either end, and may be empty.
    S3 {
        bucket: String,
        prefix: String,
    },
}

/// Where secrets are. In a service, that of a use case is `{prefix}{use case}/{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// `env`: variables of the function.
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
    /// Its delay queue, if it has one.
    #[serde(default)]
    pub queue_url: Option<String>,
}

/// What makes requests come back at their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Rules of EventBridge's default bus.
    Rules,
    /// EventBridge Scheduler, which assumes the role.
    Schedules { group: String, role_arn: String },
}

/// One fault: the variable, and what it should look like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct ConfigError {
    pub variable: String,
    pub problem: String,
}

/// Every fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is faulty: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl Config {
    /// Reads the variables that `get` tells of, such as `|name| std::env::var(name).ok()`.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut read = Reader::new(&get);
        let config = Self {
            region: read.required("AWS_REGION", check::region),
            endpoints: read.endpoints(),
            table: read.required("POSTDATE_TABLE", check::table),
            use_cases: read.optional("POSTDATE_USE_CASES", check::place).unwrap_or_else(default_place),
            trust: read.optional("POSTDATE_TRUSTED_KEYS", check::trusted_keys).unwrap_or_default(),
            prefetch: read.optional("POSTDATE_PREFETCH", check::use_case_names).unwrap_or_default(),
            secrets: read.optional("POSTDATE_SECRETS", check::secrets).unwrap_or(SecretPlace::Environment),
            secrets_lifetime: read
                .optional("POSTDATE_SECRETS_LIFETIME", check::secrets_lifetime)
                .unwrap_or_else(|| Lifetime::default().fresh),
            target_arn: read.required("POSTDATE_TARGET_ARN", check::function_arn),
            queue_url: read.optional("POSTDATE_QUEUE_URL", check::queue_url),
            hosts: read.optional("POSTDATE_HOSTS", check::hosts).unwrap_or_default(),
            scheduler: read.backend(),
            prefix: read.optional("POSTDATE_PREFIX", check::prefix).unwrap_or_else(|| "postdate-".to_owned()),
            dead_letter_arn: read.required("POSTDATE_DEAD_LETTER_ARN", check::queue_arn),
            topic_arn: read.optional("POSTDATE_TOPIC_ARN", check::topic_arn),
            max_event_age: read.optional("POSTDATE_MAX_EVENT_AGE", check::max_event_age).unwrap_or(Duration::from_hours(1)),
            retention: read.optional("POSTDATE_RETENTION", check::retention).unwrap_or(Duration::from_hours(30 * 24)),
            base_path: read.optional("POSTDATE_BASE_PATH", check::base_path),
            log: read.optional("POSTDATE_LOG", check::log_filter).unwrap_or_else(|| "info".to_owned()),
        };
        read.finish(config)
    }
}

fn default_place() -> Place {
    let layer = Path::new(LAYER_DIR);
    Place::Directory(if layer.is_dir() { layer } else { Path::new(PACKAGE_DIR) }.to_owned())
}
