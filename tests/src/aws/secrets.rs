//! SSM Parameter Store and Secrets Manager.

use serde_json::json;

use super::Aws;

impl Aws {
    /// Creates a `SecureString`, or replaces its value.
    pub async fn put_parameter(&self, name: &str, value: &str) {
        self.json("ssm", "PutParameter", &json!({ "Name": name, "Value": value, "Type": "SecureString", "Overwrite": true })).await;
    }

    pub async fn delete_parameter(&self, name: &str) {
        self.json("ssm", "DeleteParameter", &json!({ "Name": name })).await;
    }

    /// Creates a secret, or replaces its value.
    pub async fn put_secret(&self, name: &str, value: &str) {
        let create = json!({ "Name": name, "SecretString": value, "ClientRequestToken": token() });
        if self.try_json("secretsmanager", "CreateSecret", &create).await.is_err() {
            let put = json!({ "SecretId": name, "SecretString": value, "ClientRequestToken": token() });
            self.json("secretsmanager", "PutSecretValue", &put).await;
        }
    }

    pub async fn delete_secret(&self, name: &str) {
        self.json("secretsmanager", "DeleteSecret", &json!({ "SecretId": name, "ForceDeleteWithoutRecovery": true })).await;
    }
}

/// Returns a new `ClientRequestToken`: 32 characters, of the 32 to 64 that the service allows.
fn token() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static TOKENS: AtomicU64 = AtomicU64::new(1);
    format!("{:032}", TOKENS.fetch_add(1, Ordering::Relaxed))
}
