//! Secrets of AWS Secrets Manager.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use postdate_runtime::SecretSource;
use secrecy::SecretString;
use tokio::task::JoinSet;

use super::{cannot_be_read, full_name};
use crate::fault::{Class, Fault};

const SERVICE: &str = "Secrets Manager";

/// The current text of secrets `{prefix}{use case}/{name}`.
///
/// One `GetSecretValue` each, all at once: `BatchGetSecretValue` would have to be allowed on every secret of the account.
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
            let (client, name) = (self.client.clone(), (*name).to_owned());
            let (id, permission) = (full_name(&self.prefix, use_case, &name), permission(&full_name(&self.prefix, use_case, "*")));
            calls.spawn(async move { get(&client, &id, &permission).await.map(|value| (name, value)) });
        }
        let mut values = BTreeMap::new();
        while let Some(done) = calls.join_next().await {
            let (name, value) = done.map_err(|_| format!("cannot be read from {SERVICE}: the call was cut off"))??;
            values.extend(value.map(|value| (name, value)));
        }
        Ok(values)
    }

    fn remedy(&self, use_case: &str, name: &str) -> String {
        format!("put it into {SERVICE} as the text of {}", full_name(&self.prefix, use_case, name))
    }
}

async fn get(client: &Client, id: &str, permission: &str) -> Result<Option<SecretString>, String> {
    match client.get_secret_value().secret_id(id).send().await {
        Ok(answer) => match answer.secret_string {
            Some(text) => Ok(Some(text.into())),
            None => Err(format!("cannot be used: {id} in {SERVICE} holds bytes and no text")),
        },
        Err(error) => match Fault::of("GetSecretValue", &error) {
            fault if fault.class == Class::Missing => Ok(None),
            fault => Err(cannot_be_read(SERVICE, &fault, permission)),
        },
    }
}

fn permission(secrets: &str) -> String {
    format!("secretsmanager:GetSecretValue on secret:{secrets}, and kms:Decrypt on a key of your own")
}
