//! Secrets of AWS Secrets Manager.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use postdate_runtime::SecretSource;
use secrecy::SecretString;
use tokio::task::JoinSet;

use super::{ReadError, full_name};
use crate::aws_error::{AwsError, Class};

const SERVICE: &str = "Secrets Manager";

/// Reads the current text of the secrets `{prefix}{use case}/{name}`.
///
/// Makes one `GetSecretValue` call for each secret, all at the same time. `BatchGetSecretValue` would need a permission for every
/// secret of the account.
#[derive(Debug)]
pub struct SecretsManager {
    pub client: Client,
    /// Ends with a slash.
    pub prefix: String,
}

#[async_trait]
impl SecretSource for SecretsManager {
    async fn fetch(&self, use_case: &str, names: &[&str]) -> Result<BTreeMap<String, SecretString>, String> {
        let mut calls = JoinSet::new();
        for name in names {
            let (client, name, id) = (self.client.clone(), (*name).to_owned(), full_name(&self.prefix, use_case, name));
            let permission = format!(
                "secretsmanager:GetSecretValue on secret:{}, and kms:Decrypt on a key of your own",
                full_name(&self.prefix, use_case, "*")
            );
            calls.spawn(async move { get(&client, id, permission).await.map(|value| (name, value)) });
        }
        let mut values = BTreeMap::new();
        while let Some(done) = calls.join_next().await {
            let (name, value) = done.map_err(|_| ReadError::CutOff { service: SERVICE })??;
            values.extend(value.map(|value| (name, value)));
        }
        Ok(values)
    }

    fn missing(&self, use_case: &str, name: &str) -> String {
        format!("is not set: put it into {SERVICE} as the text of {}", full_name(&self.prefix, use_case, name))
    }
}

/// Returns `None` for a secret that does not exist.
async fn get(client: &Client, id: String, permission: String) -> Result<Option<SecretString>, ReadError> {
    match client.get_secret_value().secret_id(&id).send().await {
        Ok(answer) => match answer.secret_string {
            Some(text) => Ok(Some(text.into())),
            None => Err(ReadError::NotText { service: SERVICE, id }),
        },
        Err(error) => match AwsError::of("GetSecretValue", &error) {
            error if error.class == Class::Missing => Ok(None),
            error => Err(ReadError::Call { service: SERVICE, error, permission }),
        },
    }
}
