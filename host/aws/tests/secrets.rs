//! Secrets in SSM Parameter Store and in Secrets Manager, read by the SDK from moto.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ssm::config::Credentials;
use postdate_aws::secrets::{Parameters, SecretsManager};
use postdate_runtime::{Lifetime, SecretSource, Secrets};
use postdate_tests::aws::REGION;
use postdate_tests::fault_proxy::Fault;
use postdate_tests::moto::Account;
use postdate_tests::wait::eventually;
use secrecy::ExposeSecret as _;

const SSM: &str = "/postdate-secrets/";
const MANAGER: &str = "postdate-secrets/";
const SHORT: Lifetime = Lifetime { fresh: Duration::from_millis(50), stale: Duration::from_hours(1) };

/// Makes a client of the SDK crate `$krate` whose endpoint is the place's proxy.
macro_rules! client {
    ($krate:ident, $account:expr) => {
        $krate::Client::from_conf(
            $krate::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(REGION))
                .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
                .endpoint_url($account.proxy.url())
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .build(),
        )
    };
}

fn parameters(account: &Account) -> Parameters {
    Parameters { client: client!(aws_sdk_ssm, account), prefix: SSM.to_owned() }
}

fn secrets_manager(account: &Account) -> SecretsManager {
    SecretsManager { client: client!(aws_sdk_secretsmanager, account), prefix: MANAGER.to_owned() }
}

async fn value(secrets: &Secrets, use_case: &str, name: &str) -> Result<String, String> {
    let values = secrets.get(use_case, &[name.to_owned()]).await;
    values.map(|values| values[name].expose_secret().to_owned()).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn more_secrets_than_one_call_can_fetch_are_all_found_and_only_for_their_use_case() {
    let account = Account::new().await;
    let names: Vec<String> = (0..20).map(|n| format!("KEY_{n}")).collect();
    for name in &names {
        account.aws.put_parameter(&format!("{SSM}orders/{name}"), &format!("of-{name}")).await;
    }
    account.aws.put_parameter(&format!("{SSM}KEY_0"), "of-nobody").await;
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = parameters(&account).fetch("orders", &asked).await.unwrap();
    assert!(names.iter().all(|name| found[name].expose_secret() == format!("of-{name}")), "{found:?}");
    let calls = account.proxy.calls("ssm", "GetParameters");
    assert_eq!(calls.iter().map(|call| call.body["Names"].as_array().unwrap().len()).collect::<Vec<_>>(), [10, 10]);
    assert!(calls.iter().all(|call| call.body["WithDecryption"] == true));
    assert!(parameters(&account).fetch("other", &asked).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_parameter_arrives_after_the_lifetime_and_a_removed_one_is_missing() {
    let account = Account::new().await;
    let secrets = Secrets::new(parameters(&account), SHORT);
    let missing = value(&secrets, "orders", "KEY").await.unwrap_err();
    assert_eq!(missing, "KEY, which is not set: put it into SSM Parameter Store as the SecureString /postdate-secrets/orders/KEY");
    account.aws.put_parameter(&format!("{SSM}orders/KEY"), "one").await;
    assert_eq!(value(&secrets, "orders", "KEY").await.unwrap(), "one");
    account.aws.put_parameter(&format!("{SSM}orders/KEY"), "two").await;
    eventually("the new value", async || (value(&secrets, "orders", "KEY").await.unwrap() == "two").then_some(())).await;
    account.aws.delete_parameter(&format!("{SSM}orders/KEY")).await;
    eventually("the end of the value", async || value(&secrets, "orders", "KEY").await.err()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_arrives_after_the_lifetime_and_a_removed_one_is_missing() {
    let account = Account::new().await;
    let secrets = Secrets::new(secrets_manager(&account), SHORT);
    let missing = value(&secrets, "orders", "KEY").await.unwrap_err();
    assert_eq!(missing, "KEY, which is not set: put it into Secrets Manager as the text of postdate-secrets/orders/KEY");
    account.aws.put_secret(&format!("{MANAGER}orders/KEY"), "one").await;
    account.aws.put_secret(&format!("{MANAGER}other/KEY"), "another").await;
    assert_eq!(value(&secrets, "orders", "KEY").await.unwrap(), "one");
    assert_eq!(value(&secrets, "other", "KEY").await.unwrap(), "another");
    account.aws.put_secret(&format!("{MANAGER}orders/KEY"), "two").await;
    eventually("the new value", async || (value(&secrets, "orders", "KEY").await.unwrap() == "two").then_some(())).await;
    account.aws.delete_secret(&format!("{MANAGER}orders/KEY")).await;
    eventually("the end of the value", async || value(&secrets, "orders", "KEY").await.err()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_secret_is_served_from_the_cache() {
    let account = Account::new().await;
    account.aws.put_parameter(&format!("{SSM}orders/KEY"), "one").await;
    let secrets = Secrets::new(parameters(&account), Lifetime::default());
    for _ in 0..100 {
        value(&secrets, "orders", "KEY").await.unwrap();
    }
    assert_eq!(account.proxy.calls("ssm", "GetParameters").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_names_the_permission_and_the_last_good_value_stays_in_use() {
    let account = Account::new().await;
    account.aws.put_parameter(&format!("{SSM}orders/KEY"), "one").await;
    account.aws.put_secret(&format!("{MANAGER}orders/KEY"), "one").await;
    for (secrets, service, action, permission) in [
        (Secrets::new(parameters(&account), SHORT), "ssm", "GetParameters", "ssm:GetParameters on parameter/postdate-secrets/orders/*"),
        (
            Secrets::new(secrets_manager(&account), SHORT),
            "secretsmanager",
            "GetSecretValue",
            "secretsmanager:GetSecretValue on secret:postdate-secrets/orders/*",
        ),
    ] {
        account.proxy.fail_always(service, action, Fault::AccessDenied);
        let denied = value(&secrets, "orders", "KEY").await.unwrap_err();
        assert!(denied.starts_with("KEY, which cannot be read from S") && denied.contains("AccessDenied"), "{denied}");
        assert!(denied.contains(permission) && !denied.contains("arn:"), "{denied}");
        account.proxy.heal();
        assert_eq!(value(&secrets, "orders", "KEY").await.unwrap(), "one");
        let before = account.proxy.calls(service, action).len();
        account.proxy.fail_always(service, action, Fault::AccessDenied);
        eventually("a refresh that is denied", async || {
            assert_eq!(value(&secrets, "orders", "KEY").await.unwrap(), "one");
            (account.proxy.calls(service, action).len() > before).then_some(())
        })
        .await;
        assert_eq!(value(&secrets, "orders", "KEY").await.unwrap(), "one");
        account.proxy.heal();
    }
}
