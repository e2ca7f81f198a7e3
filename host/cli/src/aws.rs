//! AWS as the commands use it: configuration and credentials from where the AWS command line takes them.

use aws_config::SdkConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// An error says what is not set.
pub async fn config() -> anyhow::Result<SdkConfig> {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http).load().await;
    anyhow::ensure!(config.region().is_some(), "no AWS region is set: set AWS_REGION, or one in the profile");
    Ok(config)
}

pub async fn s3() -> anyhow::Result<aws_sdk_s3::Client> {
    // Other endpoints than AWS's have no host name for each bucket.
    let elsewhere = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].iter().any(|name| std::env::var_os(name).is_some());
    let config = aws_sdk_s3::config::Builder::from(&config().await?).force_path_style(elsewhere).build();
    Ok(aws_sdk_s3::Client::from_conf(config))
}

pub async fn dynamodb() -> anyhow::Result<aws_sdk_dynamodb::Client> {
    Ok(aws_sdk_dynamodb::Client::new(&config().await?))
}
