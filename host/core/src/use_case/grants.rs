//! The grants of a use case as documents show them: the limits of each plugin, and each target's address and secrets.

use serde::Serialize;

use super::{PluginSpec, Target, UseCase};
use crate::plugin::Role;

/// The limits and grants of one plugin.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PluginGrants {
    pub role: Role,
    /// File name of the component.
    pub plugin: String,
    pub memory_bytes: u64,
    /// Limit of one call.
    pub timeout_seconds: f64,
    /// Names of the request headers that a validator gets.
    pub headers: Vec<String>,
    /// Origins that a processor may call.
    pub allow_http: Vec<String>,
    /// Names of the secrets that the plugin reads.
    pub secrets: Vec<String>,
}

/// One target: its address without path and query, its limits, and the names of the secrets that the host sends there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    /// The alias.
    pub target: String,
    pub kind: &'static str,
    pub is_default: bool,
    /// True if EventBridge delivers without a host.
    pub is_direct: bool,
    /// Origin of an `http` target, or ARN. `None` for a plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    pub secrets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Such as `50/s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
}

impl PluginGrants {
    pub fn of(role: Role, spec: &PluginSpec) -> Self {
        Self {
            role,
            plugin: spec.plugin.clone(),
            memory_bytes: spec.memory,
            timeout_seconds: spec.timeout(role).as_secs_f64(),
            headers: spec.headers.clone(),
            allow_http: spec.allow_http.clone(),
            secrets: spec.secrets.clone(),
        }
    }
}

impl UseCase {
    /// Returns the grants of its plugins, the validator first.
    pub fn grants(&self) -> Vec<PluginGrants> {
        [Role::Validate, Role::Process].into_iter().filter_map(|role| Some(PluginGrants::of(role, self.plugin(role)?))).collect()
    }

    /// Returns its targets, sorted by alias.
    pub fn reach(&self) -> Vec<Reach> {
        let reach = self.targets.iter().map(|(alias, target)| {
            let limits = self.targets.limits(alias);
            Reach {
                target: alias.to_owned(),
                kind: target.kind(),
                is_default: alias == self.targets.default,
                is_direct: target.is_direct(),
                address: address(target),
                secrets: target.secrets(),
                concurrency: limits.concurrency,
                rate: limits.rate.map(|rate| rate.to_string()),
            }
        });
        reach.collect()
    }
}

/// Returns the origin of a URL, whose path may have a token, or the ARN.
fn address(target: &Target) -> Option<String> {
    match target {
        Target::Http { url, .. } => {
            let uri: http::Uri = url.parse().ok()?;
            let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
            Some(format!("{}://{}{port}", uri.scheme_str()?, uri.host()?))
        }
        _ => target.aws().map(|aws| aws.arn.clone()),
    }
}

#[cfg(test)]
mod tests;
