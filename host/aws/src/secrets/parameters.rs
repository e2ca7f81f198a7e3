//! Secrets as parameters of SSM Parameter Store, preferably of the type `SecureString`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ssm::Client;
use postdate_runtime::SecretSource;
use secrecy::SecretString;

use super::{ReadError, full_name};
use crate::aws_error::AwsError;

/// Most names in one call.
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>.
const NAMES_PER_CALL: usize = 10;

/// Parameters `{prefix}{use case}/{name}`.
#[derive(Debug)]
pub struct Parameters {
    pub client: Client,
    /// Begins and ends with a slash.
    pub prefix: String,
}

#[async_trait]
impl SecretSource for Parameters {
    async fn fetch(&self, use_case: &str, names: &[&str]) -> Result<BTreeMap<String, SecretString>, String> {
        let start = full_name(&self.prefix, use_case, "");
        let mut values = BTreeMap::new();
        for some in names.chunks(NAMES_PER_CALL) {
            let asked = some.iter().map(|name| format!("{start}{name}")).collect();
            let answer = self.client.get_parameters().set_names(Some(asked)).with_decryption(true).send().await;
            let answer = answer.map_err(|error| ReadError::Call {
                service: "SSM Parameter Store",
                error: AwsError::of("GetParameters", &error),
                permission: format!("ssm:GetParameters on parameter{start}*, and kms:Decrypt on a key of your own"),
            })?;
            // Names that do not exist are in `invalid_parameters`.
            for parameter in answer.parameters.unwrap_or_default() {
                if let (Some(name), Some(value)) = (parameter.name.as_deref().and_then(|name| name.strip_prefix(&start)), parameter.value) {
                    values.insert(name.to_owned(), value.into());
                }
            }
        }
        Ok(values)
    }

    fn missing(&self, use_case: &str, name: &str) -> String {
        format!("is not set: put it into SSM Parameter Store as the SecureString {}", full_name(&self.prefix, use_case, name))
    }
}
