//! A use case: what its manifest, `use-case.toml`, says. Parsed and checked whole, so that what is loaded is right.

mod check;
mod target;
mod values;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

pub use check::is_use_case_name;
pub use target::{AwsTarget, Target, Targets};
pub use values::{parse_memory, toml_to_json};

use crate::plugin::Role;

/// Name of the manifest inside a bundle.
pub const MANIFEST_FILE: &str = "use-case.toml";

/// A manifest as it stands in a bundle.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UseCase {
    /// `[a-z0-9-]{1,32}`: the path segment of `POST /requests/{name}`.
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// Without it, any JSON object with a good time is accepted.
    pub validate: Option<PluginSpec>,
    /// Needed where a target is of the kind `plugin`.
    pub process: Option<PluginSpec>,
    #[serde(default)]
    pub schedule: Schedule,
    #[serde(default)]
    pub retry: Retry,
    #[serde(default)]
    pub targets: Targets,
    /// Who is told of the end of a request.
    #[serde(default)]
    pub on: On,
}

/// One plugin of a use case, with its limits and grants.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PluginSpec {
    /// File name of the component inside the bundle.
    pub plugin: String,
    /// Bytes of linear memory; `32MiB` in the manifest, 64 MiB by default.
    #[serde(default = "values::default_memory", deserialize_with = "values::memory")]
    pub memory: u64,
    /// Wall-clock time for one call; by default 1 s to validate, 10 s to process.
    #[serde(default, deserialize_with = "values::optional_duration")]
    timeout: Option<Duration>,
    /// Request headers that the plugin sees, lower-case. Validators only.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Origins that the plugin may call, `scheme://host[:port]`. Processors only.
    #[serde(default)]
    pub allow_http: Vec<String>,
    /// What `wasi:config/store` answers: text as it is, a date as it is written, any other TOML value as JSON text.
    #[serde(default, deserialize_with = "values::config")]
    pub config: BTreeMap<String, String>,
    /// The same from files of the bundle: config key to file name.
    #[serde(default)]
    pub config_files: BTreeMap<String, String>,
    /// Names of secrets that the host resolves; each is a config key of that name to the plugin.
    #[serde(default)]
    pub secrets: Vec<String>,
}

impl PluginSpec {
    pub fn timeout(&self, role: Role) -> Duration {
        self.timeout.unwrap_or(match role {
            Role::Validate => Duration::from_secs(1),
            Role::Process => Duration::from_secs(10),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Schedule {
    /// How far ahead a `triggerAt` may be.
    #[serde(deserialize_with = "values::duration")]
    pub max_ahead: Duration,
    pub version: VersionPolicy,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { max_ahead: Duration::from_hours(365 * 24), version: VersionPolicy::Pinned }
    }
}

/// Which version of the bundle processes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionPolicy {
    /// The one that validated it.
    Pinned,
    /// The one that is current at its time.
    Latest,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    pub backoff: Backoff,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 5, backoff: Backoff::default() }
    }
}

/// Wait before attempt n + 1: `initial * factor^(n - 1)`, at most `max`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Backoff {
    #[serde(deserialize_with = "values::duration")]
    pub initial: Duration,
    pub factor: f64,
    #[serde(deserialize_with = "values::duration")]
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Duration::from_secs(30), factor: 2.0, max: Duration::from_hours(1) }
    }
}

/// Aliases of targets that are told how a request ended.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct On {
    pub success: Option<String>,
    pub failure: Option<String>,
}

/// What is wrong with a manifest, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// TOML's own message, with line and column.
    #[error("{MANIFEST_FILE} cannot be read: {0}")]
    Syntax(String),
    /// `key` is the dotted path of the faulty value.
    #[error("{MANIFEST_FILE}: {key}: {message}")]
    Value { key: String, message: String },
}

impl UseCase {
    /// Parses and checks a manifest.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let use_case: Self = toml::from_str(text).map_err(|error| ManifestError::Syntax(shortened(error.to_string().trim_end())))?;
        check::check(&use_case)?;
        Ok(use_case)
    }

    /// The plugin of that role, if the use case has one.
    pub fn plugin(&self, role: Role) -> Option<&PluginSpec> {
        match role {
            Role::Validate => self.validate.as_ref(),
            Role::Process => self.process.as_ref(),
        }
    }

    /// The target of an alias, or of the default where none is given.
    pub fn target<'a>(&'a self, alias: Option<&'a str>) -> Option<(&'a str, &'a Target)> {
        self.targets.get(alias.unwrap_or(&self.targets.default))
    }

    /// How long one attempt at a target may take, wall clock.
    pub fn attempt_timeout(&self, target: &Target) -> Duration {
        match (target, target.aws(), &self.process) {
            (Target::Http { timeout, .. }, ..) => *timeout,
            (_, Some(aws), _) => aws.timeout,
            (_, None, Some(process)) => process.timeout(Role::Process),
            (_, None, None) => Duration::from_secs(10),
        }
    }

    /// How long a claim of a request for this target holds: longer than one attempt can take.
    pub fn lease(&self, alias: &str) -> Duration {
        let attempt = self.targets.get(alias).map(|(_, target)| self.attempt_timeout(target)).unwrap_or_default();
        attempt + LEASE_MARGIN
    }
}

/// How much longer a claim holds than the attempt may take: time to record its end.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// TOML's message shows the faulty line, which may be as long as the file.
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
