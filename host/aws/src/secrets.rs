//! Sources of secrets: the functions' environment, SSM Parameter Store, or Secrets Manager.
//!
//! In the two services, the secret `NAME` of a use case is at `{prefix}{use case}/{NAME}`. Therefore a bundle reads only secrets
//! of its own use case, whatever its manifest names.

mod parameters;
mod secrets_manager;

use postdate_runtime::{EnvSecrets, Lifetime, Secrets};

use crate::aws_error::{AwsError, Class};
use crate::clients::Clients;
use crate::config::{Config, SecretLocation};

pub use parameters::Parameters;
pub use secrets_manager::SecretsManager;

/// Returns the configured source, with its cache. Makes no call.
pub fn open(config: &Config, clients: &Clients) -> Secrets {
    let lifetime = Lifetime { fresh: config.secrets_lifetime, ..Lifetime::default() };
    match &config.secrets {
        SecretLocation::Environment => Secrets::new(EnvSecrets::allowing(config.allow_secret.clone()), lifetime),
        SecretLocation::Parameters { prefix } => Secrets::new(Parameters { client: clients.ssm(), prefix: prefix.clone() }, lifetime),
        SecretLocation::SecretsManager { prefix } => {
            Secrets::new(SecretsManager { client: clients.secrets_manager(), prefix: prefix.clone() }, lifetime)
        }
    }
}

/// Returns the name of a secret in a service.
fn full_name(prefix: &str, use_case: &str, name: &str) -> String {
    format!("{prefix}{use_case}/{name}")
}

/// A failed read. The text continues a sentence that begins with the secrets' names, and contains no value.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("cannot be read from {service} ({error}){}", advice(error, permission))]
    Call {
        service: &'static str,
        error: AwsError,
        /// The permission that the function's role needs, with its resource.
        permission: String,
    },
    #[error("cannot be used: {id} in {service} is binary, not text; store it as text")]
    NotText { service: &'static str, id: String },
    #[error("cannot be read from {service}: the call was cut off")]
    CutOff { service: &'static str },
}

/// The port's error is a text.
impl From<ReadError> for String {
    fn from(error: ReadError) -> Self {
        error.to_string()
    }
}

fn advice(error: &AwsError, permission: &str) -> String {
    if error.class == Class::Refused { format!("; the role of the function needs {permission}") } else { String::new() }
}
