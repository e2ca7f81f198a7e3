//! The manifest of a use case, `use-case.toml`: parsed and checked as a whole before the use case is loaded.

mod check;
mod check_aws;
mod grants;
pub mod header_value;
mod target;
mod values;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

pub use check::{MAX_LABELS, NAME_RULE, is_credential_header, is_use_case_name};
pub use grants::{PluginGrants, Reach};
pub use target::{AwsTarget, Target, Targets};
pub use values::{parse_memory, toml_to_json};

use crate::plugin::Role;

/// Name and version of a use case.
pub type NameAndVersion = (String, String);

/// Name of the manifest inside a bundle.
pub const MANIFEST_FILE: &str = "use-case.toml";

/// A manifest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UseCase {
    /// `[a-z0-9-]{1,32}`; the last segment of the path `/requests/{name}`.
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// The validator. Without one, any JSON object with a valid time is accepted.
    pub validate: Option<PluginSpec>,
    /// The processor. Required if a target has the kind `plugin`.
    pub process: Option<PluginSpec>,
    #[serde(default)]
    pub schedule: Schedule,
    #[serde(default)]
    pub retry: Retry,
    #[serde(default)]
    pub targets: Targets,
    /// Targets that get a notice of a request's end.
    #[serde(default)]
    pub on: On,
    /// Names of labels, at most 5, and the JSON Pointer (RFC 6901) of each label's value in the accepted body.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// One plugin of a use case, with its limits and grants.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PluginSpec {
    /// File name of the component inside the bundle.
    pub plugin: String,
    /// Limit of the linear memory in bytes, from 64 KiB to 1 GiB; written as `32MiB`; by default 64 MiB.
    #[serde(default = "values::default_memory", deserialize_with = "values::memory")]
    pub memory: u64,
    /// Wall-clock limit of one call, from 10 ms to 30 s for a validator, by default 1 s; from 10 ms to 15 min for a processor,
    /// by default 10 s.
    #[serde(default, deserialize_with = "values::optional_duration")]
    timeout: Option<Duration>,
    /// Names, in lower case, of the request headers that the validator gets. Empty for a processor.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Origins, `scheme://host[:port]`, that the processor may call. Empty for a validator.
    #[serde(default)]
    pub allow_http: Vec<String>,
    /// Values that the plugin reads through `wasi:config/store`: a text unchanged, a date as it is written, any other TOML value as JSON
    /// text.
    #[serde(default, deserialize_with = "values::config")]
    pub config: BTreeMap<String, String>,
    /// Further config values: the key, and the name of the file in the bundle that holds the value.
    #[serde(default)]
    pub config_files: BTreeMap<String, String>,
    /// Names of secrets, at most 20. The plugin reads each as a config value of that name; the host has the values.
    #[serde(default)]
    pub secrets: Vec<String>,
}

impl PluginSpec {
    /// Returns the limit of one call. A stored version of a validator may say more than 30 s, and does not get it.
    pub fn timeout(&self, role: Role) -> Duration {
        match role {
            Role::Validate => self.timeout.unwrap_or(Duration::from_secs(1)).min(check::MAX_VALIDATE_TIMEOUT),
            Role::Process => self.timeout.unwrap_or(Duration::from_secs(10)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Schedule {
    /// Longest time from now to a request's `triggerAt`, at most 100 years; by default 365 days.
    #[serde(deserialize_with = "values::duration")]
    pub max_ahead: Duration,
    pub version: VersionPolicy,
    pub moves: Moves,
    /// Longest time from a request's `triggerAt` to its first attempt, from 1 s to 100 years. `None` for a wait without end.
    #[serde(deserialize_with = "values::optional_duration")]
    pub expire_after: Option<Duration>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { max_ahead: Duration::from_hours(365 * 24), version: VersionPolicy::Pinned, moves: Moves::Validated, expire_after: None }
    }
}

/// The version of the bundle that processes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionPolicy {
    /// The version that validated the request.
    Pinned,
    /// The version that is current when the request is due.
    Latest,
}

/// The check of a request's new time when a client moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moves {
    /// The validator is asked, as for a new request.
    Validated,
    /// Any time within `max-ahead`.
    Free,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Retry {
    /// Limit of attempts, the first included, from 1 to 100; by default 5.
    pub max_attempts: u32,
    pub backoff: Backoff,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 5, backoff: Backoff::default() }
    }
}

/// The wait before attempt n + 1: `initial * factor^(n - 1)`, at most `max`, and then longer by up to `jitter` of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Backoff {
    #[serde(deserialize_with = "values::duration")]
    pub initial: Duration,
    pub factor: f64,
    #[serde(deserialize_with = "values::duration")]
    pub max: Duration,
    /// Part of the wait by which it may become longer, from 0 to 1, so that requests that failed together do not come back together.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Duration::from_secs(30), factor: 2.0, max: Duration::from_hours(1), jitter: 0.2 }
    }
}

/// Aliases of the targets that get a notice when a request succeeded or failed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct On {
    pub success: Option<String>,
    pub failure: Option<String>,
}

/// The reason why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Message of the TOML parser, with line and column.
    #[error("{MANIFEST_FILE} cannot be read: {0}")]
    Syntax(String),
    /// `key` is the dotted path of the value that is not valid.
    #[error("{MANIFEST_FILE}: {key}: {message}")]
    Value { key: String, message: String },
}

impl UseCase {
    /// Parses and checks a manifest. Fails with the first error.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let use_case = Self::parse_stored(text)?;
        use_case.check_new()?;
        Ok(use_case)
    }

    /// Parses and checks the manifest of a stored version, which requests may be pinned to. Such a version may break the rules of
    /// [`check_new`](Self::check_new).
    pub fn parse_stored(text: &str) -> Result<Self, ManifestError> {
        let use_case: Self = toml::from_str(text).map_err(|error| ManifestError::Syntax(shortened(error.to_string().trim_end())))?;
        check::check(&use_case)?;
        Ok(use_case)
    }

    /// Checks rules that were added after versions without them had been stored.
    pub fn check_new(&self) -> Result<(), ManifestError> {
        check::check_description(self)?;
        check::check_target_count(self)?;
        check::check_headers(self)?;
        check::check_user_info(self)?;
        check_aws::check_services(self)?;
        check::check_validate_timeout(self)
    }

    /// Returns the plugin of a role, if the use case has one.
    pub fn plugin(&self, role: Role) -> Option<&PluginSpec> {
        match role {
            Role::Validate => self.validate.as_ref(),
            Role::Process => self.process.as_ref(),
        }
    }

    /// Returns the target with this alias, or the default target for `None`, with its alias. Returns `None` for an unknown alias.
    pub fn target<'a>(&'a self, alias: Option<&'a str>) -> Option<(&'a str, &'a Target)> {
        self.targets.get(alias.unwrap_or(&self.targets.default))
    }

    /// Returns the wall-clock limit of one attempt at a target.
    pub fn attempt_timeout(&self, target: &Target) -> Duration {
        match (target, target.aws(), &self.process) {
            (Target::Http { timeout, .. }, ..) => *timeout,
            (_, Some(aws), _) => aws.timeout,
            (_, None, Some(process)) => process.timeout(Role::Process),
            (_, None, None) => Duration::from_secs(10),
        }
    }

    /// Returns the time after which a request for this target expires, if its first attempt has not begun. A direct target has no such
    /// time: no host sees the start of its attempt.
    pub fn expire_after(&self, alias: &str) -> Option<Duration> {
        let is_direct = self.targets.get(alias).is_some_and(|(_, target)| target.is_direct());
        self.schedule.expire_after.filter(|_| !is_direct)
    }

    /// Returns the lease of a claim of a request for this target: longer than one attempt.
    pub fn lease(&self, alias: &str) -> Duration {
        let attempt = self.targets.get(alias).map(|(_, target)| self.attempt_timeout(target)).unwrap_or_default();
        attempt + LEASE_MARGIN
    }
}

/// Range of timeouts: from one tick of the host's deadline clock to the longest run of a Lambda function.
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(15);

/// Time that a claim holds longer than its attempt may take, for recording the end of the attempt.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

fn fault<T>(key: impl Into<String>, message: impl Into<String>) -> Result<T, ManifestError> {
    Err(ManifestError::Value { key: key.into(), message: message.into() })
}

/// Cuts each line of the parser's message to 200 characters: it quotes a line of the manifest, which may be as long as the file.
fn shortened(message: &str) -> String {
    const MAX_LINE_CHARS: usize = 200;
    let line = |line: &str| match line.char_indices().nth(MAX_LINE_CHARS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    };
    message.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
