//! Where the secrets of use cases are: the functions' environment, SSM Parameter Store, or Secrets Manager.
//!
//! In the two services, the secret `NAME` of a use case is at `{prefix}{use case}/{NAME}`, and nowhere else: a bundle can ask for
//! what was put under its own name only, whatever its manifest says.

mod parameters;
mod secrets_manager;

use postdate_runtime::{EnvSecrets, Lifetime, Secrets};

use crate::clients::Clients;
use crate::config::{Config, SecretPlace};
use crate::fault::{Class, Fault};

pub use parameters::Parameters;
pub use secrets_manager::SecretsManager;

/// As the configuration says. Calls nothing.
pub fn open(config: &Config, clients: &Clients) -> Secrets {
    let lifetime = Lifetime { fresh: config.secrets_lifetime, ..Lifetime::default() };
    match &config.secrets {
        SecretPlace::Environment => Secrets::new(EnvSecrets, lifetime),
        SecretPlace::Parameters { prefix } => Secrets::new(Parameters { client: clients.ssm(), prefix: prefix.clone() }, lifetime),
        SecretPlace::SecretsManager { prefix } => {
            Secrets::new(SecretsManager { client: clients.secrets_manager(), prefix: prefix.clone() }, lifetime)
        }
    }
}

/// The name of a secret in a service.
fn full_name(prefix: &str, use_case: &str, name: &str) -> String {
    format!("{prefix}{use_case}/{name}")
}

/// `permission`: what the function's role has to allow, and on what.
fn cannot_be_read(service: &str, fault: &Fault, permission: &str) -> String {
    let advice = if fault.class == Class::Refused { format!("; the role of the function needs {permission}") } else { String::new() };
    format!("cannot be read from {service} ({fault}){advice}")
}
