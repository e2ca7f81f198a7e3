//! Clients for AWS, with configuration and credentials from the same sources as the AWS CLI.

use aws_config::SdkConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// Loads the configuration. Fails if no region is set.
pub async fn config() -> anyhow::Result<SdkConfig> {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http).load().await;
    anyhow::ensure!(config.region().is_some(), "no AWS region is set: set AWS_REGION, or a region in the profile");
    Ok(config)
}

pub async fn s3() -> anyhow::Result<aws_sdk_s3::Client> {
    // Only AWS's own endpoints have a host name for each bucket.
    let custom_endpoint = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].iter().any(|name| std::env::var_os(name).is_some());
    let config = aws_sdk_s3::config::Builder::from(&config().await?).force_path_style(custom_endpoint).build();
    Ok(aws_sdk_s3::Client::from_conf(config))
}

pub async fn dynamodb() -> anyhow::Result<aws_sdk_dynamodb::Client> {
    Ok(aws_sdk_dynamodb::Client::new(&config().await?))
}
